"""Do samples name the same leaders as exact counts? For each GNN workload the top 3 tensors by stall of both, matched by name.

Run `python benchmarks/gnn_agreement.py`; it needs `tierprof[torch]`. Each program of `tierprof.workloads.catalog.GNN` runs once under the
sampler, at the size at which it takes some seconds, and once under the source exact on a smaller graph, on one thread each. The exact run
measures what the program marks (`--region marks`: the training); of the sampled run only tensors count that this part accesses.

An exact object's stall is what it alone in the slow tier adds to the modelled run. A small graph fits into the modelled caches, where
nothing waits: so its last-level cache and its L2 are made smaller by as much as the graph is (`--shrink`; 1 leaves them as they are).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from common import TIERPROF

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_seconds, format_share
from tierprof.console import note, say, table
from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.agreement import TOP, Agreement
from tierprof.placer.guide.guide import agreement_of
from tierprof.profiler.trace import Trace
from tierprof.workloads.catalog import GNN, Learner

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_BASE = "optane100-x6"
_WAYS = {"l2_bytes": "l2_ways", "l3_bytes": "l3_ways"}
_LINE_BYTES = 64
#: A tenth of the programs' own sizes, with rows of as many bytes; little is tested after the training, which is not measured.
_SMALL = {
    "lightgcn": {"users": "2e3", "items": "8e2", "interactions": "2e4", "epochs": "1", "batch": "4096", "eval-users": "50"},
    "ngcf": {"users": "1e3", "items": "4e2", "interactions": "1e4", "epochs": "1", "batch": "2048", "eval-users": "50"},
    "pinsage": {"users": "1e3", "items": "1e3", "interactions": "1e4", "epochs": "1", "eval-users": "50"},
    "dlrm": {"rows": "1e4", "steps": "6"},
}


class Pair(NamedTuple):
    """The two runs of a program."""

    name: str
    sampled: Trace
    exact: Trace
    agreement: Agreement


def small_machine(shrink: int, folder: Path) -> Path:
    """A file of the machine with L2 and L3 smaller by a factor, in whole sets."""
    host = Machine.load(_BASE).host.simulated
    lines = [f'base = "{_BASE}"', f'about = "{_BASE} with caches a {shrink}th in size"', "[host]", f'name = "cascade-lake-{shrink}th"']
    for size, ways in _WAYS.items():
        set_bytes = host[ways] * _LINE_BYTES
        sets = max(host[size] // shrink // set_bytes, 1)
        lines.append(f'{size} = {{ value = {sets * set_bytes}, source = "smaller by as much as the graph" }}')
    path = folder / f"caches-{shrink}th.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def record(own: Learner, options: list[str], sizes: dict[str, str] | None, target: Path) -> Trace:
    """Run a workload on one thread under `tierprof run`."""
    command = [*TIERPROF, "run", "-q", *options, "-o", str(target), "--", *own.command(sys.executable, sizes)]
    done = subprocess.run(
        command, env={**os.environ, **_ONE_THREAD}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{own.name}: {done.stderr.strip()}")
    return Trace.open(target)


def compare(own: Learner, shrink: int, folder: Path) -> Pair:
    """Both runs of a program, unless the folder holds them already."""
    ran = []
    for kind, options, sizes in (
        ("sampled", ["--rate", "1000"], None),
        (
            "exact",
            ["--source", "exact", "--region", "marks", "--cores", "1", "--machine", str(small_machine(shrink, folder))],
            _SMALL[own.name],
        ),
    ):
        target = folder / f"{own.name}-{kind}.trace"
        ran.append(Trace.open(target) if target.exists() else record(own, options, sizes, target))
    sampled, exact = ran
    return Pair(own.name, sampled, exact, agreement_of(sampled, exact))


def _row(pair: Pair) -> list[str]:
    own = pair.agreement
    sides = ["; ".join(f"{name} {format_share(share)}" for name, share in side) for side in (own.own, own.other)]
    meta = pair.sampled.meta
    verdict = own.missing or ("yes" if own.agrees else "NO")
    return [pair.name, format_seconds(meta["duration_s"]), str(meta["samples"]), *sides, f"{own.common} of {TOP}", verdict]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", choices=[own.name for own in GNN], help="one program")
    parser.add_argument("--shrink", type=int, default=16, choices=(1, 2, 4, 8, 16), help="exact: factor of smaller caches (default 16)")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "tierprof-gnn", help="for traces, which are used again"
    )
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for own in GNN:
        if args.only in (None, own.name):
            try:
                rows.append(_row(compare(own, args.shrink, args.folder)))
            except TierprofError as error:
                note(f"{own.name}: {error}")
    heads = ["program", "run", "samples", "sampled: share of all tensors", "exact: share of all tensors", "common", "agree"]
    table(f"top {TOP} tensors by stall", heads, rows)
    say(f"exact runs: {_BASE} with L2 and L3 smaller by {args.shrink}")


if __name__ == "__main__":
    main()
