"""What wrapping costs: each workload alone, under `tierprof run`, under heaptrack and under memkind's libmemtier, in paired rounds.

Run `python benchmarks/overhead.py`. `tierprof run` is given twice, from the same runs: `tierprof run` is the wrapped program itself from
start to end, under shim and sampler; `with trace` is all that the user waits for, the conversion into a trace included. heaptrack is called
as its manual says. A peer that is missing, crashes, or changes the program's result is named as that and gets no ratio.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import TIERPROF, Timing, format_interval, make_graph, paired_interval, result_of, run_rounds, timed

from tierprof.console import emit_json, say, table
from tierprof.models.bootstrap import Interval, median_interval
from tierprof.placer.checks import machine_line
from tierprof.workloads.catalog import WORKLOADS, Workload

ALONE, RUN, TRACED, HEAPTRACK, MEMTIER = "alone", "tierprof run", "tierprof run, with trace", "heaptrack", "libmemtier"
RUNS = (ALONE, TRACED, HEAPTRACK, MEMTIER)
ROWS = (ALONE, RUN, TRACED, HEAPTRACK, MEMTIER)

LIBMEMTIER = "libmemtier.so.0"
# One tier of plain DRAM: all that is measured is the library's own cost.
MEMTIER_ENV = {"LD_PRELOAD": LIBMEMTIER, "MEMKIND_MEM_TIERS": "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"}


class Row(NamedTuple):
    """One line of the table."""

    workload: str
    what: str
    wall_s: Interval | None
    ratio: Interval | None  # of the wall time to that of the program alone, paired by rounds
    spread: float | None  # largest over smallest wall time
    problem: str


class Rounds:
    """Runs one workload in one of the ways, and keeps what `tierprof run` says of the wrapped program's own time."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.wrapped_s: list[float] = []

    def run(self, name: str, number: int) -> Timing:
        """One timed run."""
        if name == TRACED:
            return self._traced(number)
        if name == HEAPTRACK:
            if shutil.which("heaptrack") is None:
                return Timing(127, 0.0, 0.0, "")
            return timed(["heaptrack", "-o", str(self.folder / f"heaptrack-{number}"), *self.command])
        return timed(self.command, MEMTIER_ENV if name == MEMTIER else None)

    def _traced(self, number: int) -> Timing:
        trace = self.folder / f"{number}.trace"
        timing = timed([*TIERPROF, "run", "--quiet", "-o", str(trace), "--", *self.command])
        meta = trace / "meta.json"
        self.wrapped_s.append(json.loads(meta.read_text())["duration_s"] if meta.exists() else float("nan"))
        return timing


def problem_of(name: str, timings: list[Timing], checksum: str | None) -> str:
    """Why the runs do not count, in words; empty if they do."""
    if name == HEAPTRACK and timings[0].status == 127:
        return "not installed (Debian package heaptrack)"
    if name == MEMTIER and not any(Path("/usr/lib").glob(f"*/{LIBMEMTIER}")):
        return "not installed (Debian package libmemkind0)"
    statuses = sorted({timing.status for timing in timings if timing.status})
    if statuses:
        return f"crashed: status {statuses[0]} in {sum(timing.status != 0 for timing in timings)} of {len(timings)} runs"
    if any(result_of(timing.output).get("checksum") != checksum for timing in timings):
        return "the program's result changed"
    return ""


def compare(workload: Workload, scale: int, rounds: int) -> list[Row]:
    """All rows of one workload."""
    with tempfile.TemporaryDirectory(prefix="tierprof-overhead-") as folder:
        ways = Rounds(workload.command_at(scale, make_graph(scale), TIERPROF[0]), Path(folder))
        timings = run_rounds(RUNS, rounds, ways.run, workload.name)
    checksum = result_of(timings[ALONE][0].output).get("checksum")
    walls = {name: [timing.wall_s for timing in timings[name]] for name in RUNS} | {RUN: ways.wrapped_s}
    rows = []
    for name in ROWS:
        problem = problem_of(name, timings[TRACED if name == RUN else name], checksum)
        if problem:
            rows.append(Row(workload.name, name, None, None, None, problem))
            continue
        ratio = None if name == ALONE else paired_interval(np.divide, walls[name], walls[ALONE])
        rows.append(Row(workload.name, name, median_interval(walls[name]), ratio, max(walls[name]) / min(walls[name]), ""))
    return rows


def shown(row: Row) -> list[str]:
    """The cells of a row."""
    if row.wall_s is None or row.spread is None:
        return [row.workload, row.what, "-", "-", "-", row.problem]
    ratio = format_interval(row.ratio) if row.ratio else "1"
    return [row.workload, row.what, format_interval(row.wall_s), ratio, f"{row.spread:.2f}", ""]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, metavar="R", help="rounds (default 7)")
    parser.add_argument("--only", nargs="*", default=[], metavar="PROGRAM", help="only these programs")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")
    args = parser.parse_args()
    rows = [row for one in WORKLOADS if not args.only or one.name in args.only for row in compare(one, min(one.amounts), args.repeat)]
    if args.json:
        emit_json({"machine": machine_line(), "repeats": args.repeat, "rows": [row._asdict() for row in rows]})
        return
    say(machine_line())
    heads = ["program", "run", "wall s", "ratio to alone", "max/min", "problem"]
    table(f"overhead: medians of {args.repeat} interleaved rounds [95 % interval]", heads, [shown(row) for row in rows])


if __name__ == "__main__":
    main()
