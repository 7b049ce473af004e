"""Do samples name the same leaders as exact counts? For each GNN workload the top 3 tensors of both, matched by name.

Run `python benchmarks/gnn_agreement.py`; it needs `tierprof[torch]`. Each program of `tierprof.workloads.catalog.GNN` runs once under the
sampler and once under the source exact, where all that makes it large is a `--factor` smaller, on one thread each. So that they differ in
nothing else:

- the simulated machine has the core of the one that is sampled on (`--machine`), and its L2 and L3 are smaller by that factor, too: what
  fits into a cache there fits here. What hangs on no size, rows and L1, stays;
- the larger graph's rows do not fit into L3: tiers are for what does not, and a sample cannot tell a wait for a cache from one for memory;
- both take the same kernels: torch's for AVX2, which is all that the engine knows, and MKL's for any processor, for it has no others for
  AMD's, and the engine says that it is Intel's;
- torch's memory is kept for the next tensor, not given back: no simulated run pays for page faults.

The exact run measures what the program marks (`--region marks`: the training); of the sampled run only tensors count that this part
accesses, and what else the program does with them counts with it. `tierprof.placer.guide.agreement` says what is compared.
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

_ALIKE = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    **{"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    **{"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)},
}
_MACHINE = Path(__file__).parent / "machines" / "genoa-cxl.toml"
_SHRUNK = {"l2_bytes": "l2_ways", "l3_bytes": "l3_ways"}
_LINE_BYTES = 64
#: Of the smaller run; a factor greater in the larger one.
_SIZES = {
    "lightgcn": {"users": 10_000, "items": 4_000, "interactions": 150_000, "batch": 32_768},
    "ngcf": {"users": 10_000, "items": 4_000, "interactions": 50_000, "batch": 32_768},
    "pinsage": {"users": 10_000, "items": 10_000, "interactions": 40_000, "batch": 4_096},
    "dlrm": {"rows": 25_000, "batch": 512},
}
#: How long the two run: the sampled one long enough for its samples, the exact one a step or a few.
_SAMPLED = {"lightgcn": {"epochs": 1}, "ngcf": {"epochs": 1}, "pinsage": {"epochs": 2}, "dlrm": {"steps": 48}}
_EXACT = {"lightgcn": {"epochs": 1}, "ngcf": {"epochs": 1}, "pinsage": {"epochs": 1}, "dlrm": {"steps": 4}}
#: Little is tested after the training.
_TESTED = {"eval-users": 50}


class Pair(NamedTuple):
    """The two runs of a program."""

    name: str
    sampled: Trace
    exact: Trace
    agreement: Agreement


def small_machine(machine: Path, factor: int, folder: Path) -> Path:
    """A copy of a machine's file, of which L2 and L3 are smaller by a factor, in whole sets."""
    simulated = Machine.load(machine).host.simulated
    lines = [line for line in machine.read_text().splitlines() if not line.startswith(tuple(_SHRUNK))]
    for size, ways in _SHRUNK.items():
        set_bytes = simulated[ways] * _LINE_BYTES
        sets = max(simulated[size] // factor // set_bytes, 1)
        own = f'{size} = {{ value = {sets * set_bytes}, source = "smaller by as much as the graph" }}'
        lines.insert(lines.index("[host]") + 1, own)
    path = folder / f"{machine.stem}-{factor}th.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def record(own: Learner, options: list[str], sizes: dict[str, int], target: Path) -> Trace:
    """Run a workload under `tierprof run`."""
    if own.name != "dlrm":
        sizes = {**sizes, **_TESTED}
    program = own.command(sys.executable, {name: str(value) for name, value in sizes.items()})
    command = [*TIERPROF, "run", "-q", *options, "-o", str(target), "--", *program]
    done = subprocess.run(command, env={**os.environ, **_ALIKE}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{own.name}: {done.stderr.strip()}")
    return Trace.open(target)


def compare(own: Learner, machine: Path, factor: int, folder: Path) -> Pair:
    """Both runs of a program, unless the folder holds them already."""
    sizes = _SIZES[own.name]
    large = {name: factor * size for name, size in sizes.items()}
    exact = ["--source", "exact", "--region", "marks", "--cores", "1", "--machine", str(small_machine(machine, factor, folder))]
    ran = []
    for kind, options, own_sizes in (
        ("sampled", ["--rate", "1000"], {**large, **_SAMPLED[own.name]}),
        ("exact", exact, {**sizes, **_EXACT[own.name]}),
    ):
        target = folder / f"{own.name}-{kind}.trace"
        ran.append(Trace.open(target) if target.exists() else record(own, options, own_sizes, target))
    sampled, smaller = ran
    return Pair(own.name, sampled, smaller, agreement_of(sampled, smaller))


def _rows(pair: Pair) -> list[list[str]]:
    """One by each measure."""
    agreement, meta = pair.agreement, pair.sampled.meta
    ran = [pair.name, format_seconds(meta["duration_s"]), str(meta["samples"])]
    if agreement.waits is None or agreement.costs is None:
        return [[*ran, "", "", "", "", agreement.missing]]
    rows = []
    for what, own in (("waited for", agreement.waits), (f"cost in {agreement.slow}", agreement.costs)):
        sides = ["; ".join(f"{leader.name} {format_share(leader.share)}" for leader in side) for side in (own.own, own.other)]
        verdict = "yes" if own.agrees else "within the samples' error" if own.open else "NO"
        rows.append([*ran, what, *sides, f"{own.common} of {TOP}", verdict])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", choices=[own.name for own in GNN], help="one program")
    parser.add_argument("--factor", type=int, default=16, choices=(4, 8, 16), help="the exact run is smaller by this (default 16)")
    parser.add_argument(
        "--machine", type=Path, default=_MACHINE, metavar="FILE", help="that is simulated, with figures of a [host] (default genoa-cxl)"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "tierprof-gnn", help="for traces, which are used again"
    )
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for own in GNN:
        if args.only in (None, own.name):
            try:
                rows.extend(_rows(compare(own, args.machine.resolve(), args.factor, args.folder)))
            except TierprofError as error:
                note(f"{own.name}: {error}")
    heads = ["program", "run", "samples", "by", "sampled: share of all tensors", "exact: share of all tensors", "common", "agree"]
    table(f"top {TOP} tensors", heads, rows)
    say(f"exact runs: {args.machine.stem}; the programs, L2 and L3 smaller by {args.factor}")


if __name__ == "__main__":
    main()
