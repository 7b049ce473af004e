"""How much of the sampled time of real programs is attributed: to objects, the stack, static data; and what the rest is.

Run `python benchmarks/attribution.py`; each program of workloads/ runs once on one thread under `tierprof run`'s defaults. Shares are of
sampled user time. "after branch": attributed to what a mispredicted branch compared, part of the attributed share. The rest is compute
(after arithmetic or a branch on registers), runtime wait, and unknown (an address that no tracked allocation held, or none recovered).
With `--small` the programs are NetworKit's, whose graph is one vector a vertex. "slabs" is the share that falls on memory that small
objects of one site share.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tierprof.base.units import format_share
from tierprof.console import note, say, table
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.trace import Trace
from tierprof.workloads.catalog import SMALL_OBJECTS, WORKLOADS, Workload

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_TARGET = 0.85
_HEADS = [
    "program",
    "samples",
    "attributed",
    "objects",
    "slabs",
    "stack",
    "static",
    "after branch",
    "exact",
    "runtime",
    "compute",
    "unknown",
]


def record(one: Workload, scale: int, folder: Path) -> Trace:
    """Run a workload on one thread; its graph is made if need be."""
    graph = folder / f"rmat{scale}.npz"
    if not graph.exists():
        os.spawnlp(
            os.P_WAIT, sys.executable, sys.executable, "-P", "-m", "tierprof.workloads.rmat", "--scale", str(scale), "-o", str(graph)
        )
    target = Path(tempfile.mkdtemp(dir=folder)) / f"{one.name}.trace"
    options = LaunchOptions(env=_ONE_THREAD, discard_stdout=True)
    result = session.run(one.command_at(scale, graph, sys.executable), target, options, on_note=note)
    if result.trace is None:
        raise SystemExit(result.failure)
    return Trace.open(result.trace)


def row_of(name: str, trace: Trace) -> list[str]:
    """A row of the table."""
    shares = trace.meta["shares"]
    samples = trace.frame("samples", ["event", "module", "offset", "where", "confidence", "weight_s"])
    clock = samples[samples["event"] == "clock"]
    modules = trace.frame("modules", ["module", "path"])
    clock = clock.merge(modules, on="module", how="left").merge(
        trace.frame("recipes", ["path", "offset", "hint"]), on=["path", "offset"], how="left"
    )
    total = clock["weight_s"].sum()
    after_branch = clock.loc[(clock["hint"] == "branch") & clock["where"].isin(["object", "stack", "static"]), "weight_s"].sum() / total
    exact = clock.loc[clock["confidence"] == "exact", "weight_s"].sum() / total
    attributed = shares["object"] + shares["stack"] + shares["static"]
    objects = trace.objects()
    slabs = objects.loc[objects["kind"] == "slab", "stall_share"].sum()
    figures = [attributed, shares["object"], slabs, shares["stack"], shares["static"], after_branch, exact]
    figures += [shares["runtime"], shares["compute"], shares["unknown"]]
    return [name, str(len(clock)), *(format_share(figure) for figure in figures)]


def rest_of(trace: Trace, count: int) -> pd.Series:
    """Functions with most samples that are not attributed: (class, module, function) -> share of all samples."""
    from tierprof.profiler.modules import Images
    from tierprof.profiler.symbols import Symboliser

    samples = trace.frame("samples", ["event", "module", "offset", "where", "access"])
    clock = samples[samples["event"] == "clock"].merge(trace.frame("modules", ["module", "path"]), on="module", how="left")
    rest = clock[clock["where"].isin(["runtime", "compute", "unknown"])].assign(path=lambda frame: frame["path"].fillna("no module"))
    symboliser = Symboliser(Images(), line_budget_s=0)
    places = list(zip(rest["path"], rest["offset"].astype(int), strict=True))
    symbols = symboliser.symbols(places)
    named = rest.assign(function=[symbols[place].function for place in places], module=rest["path"].str.rsplit("/", n=1).str[-1])
    return named.groupby(["where", "access", "module", "function"]).size().sort_values(ascending=False).head(count) / max(len(clock), 1)


def main() -> None:
    """Print the table, and for each program what the rest is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="one program of workloads/")
    parser.add_argument("--small", action="store_true", help="those whose memory is millions of small objects; needs networkit")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "tierprof-attribution", help="for graphs and traces")
    parser.add_argument("--rest", type=int, default=4, metavar="N", help="functions to show of what is not attributed (default 4)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows, rests = [], []
    for one in SMALL_OBJECTS if args.small else (*WORKLOADS, *SMALL_OBJECTS) if args.only else WORKLOADS:
        if args.only in (None, one.name):
            trace = record(one, min(one.amounts), args.folder)
            rows.append(row_of(f"{one.name} {min(one.amounts)}", trace))
            rests.append((one.name, rest_of(trace, args.rest)))
    table(f"sampled user time attributed, 1 thread; to reach: {format_share(_TARGET)}", _HEADS, rows)
    for name, rest in rests:
        say(f"{name}: not attributed, most first")
        for (where, access, module, function), share in rest.items():
            say(f"  {format_share(share):>6}  {where}{'' if access == 'none' else ' ' + access}  {function or '?'}  {module}")


if __name__ == "__main__":
    main()
