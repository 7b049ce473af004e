"""How many accesses a second exact mode takes through its caches, and with timing, on graph kernels; Cachegrind beside it.

Run `python benchmarks/exact_speed.py`. Each kernel runs whole, on a Kronecker graph, with one thread; the engine's start and its
translation of the code are in the time. Cachegrind simulates two levels, without prefetchers, TLBs, objects or a core.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import TIERPROF, Timing, format_interval, paired_interval, run_rounds, timed
from validation_kernels import FULL, build, make_graph

from tierprof.models.bootstrap import Interval
from tierprof.profiler.trace import Trace

WAYS = ("caches", "timing", "cachegrind")
_ASKED = {"caches": 40, "timing": 15}  # million accesses a second
_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


class Rate(NamedTuple):
    """One run: how many accesses it simulated, and in what time."""

    accesses: int
    seconds: float


class Row(NamedTuple):
    """One kernel in one way."""

    kernel: str
    way: str
    accesses: int
    million_a_second: Interval
    asked: int | None


def exact(command: list[str], timing: bool, folder: Path) -> Rate:
    """A run under the exact source; the seconds are the engine's own, without what becomes of the counts afterwards."""
    trace = folder / "speed.trace"
    shutil.rmtree(trace, ignore_errors=True)
    options = ["--source", "exact", "--machine", FULL.machine, "--cores", "1", "--quiet", "-o", str(trace)]
    options += [] if timing else ["--no-timing"]
    subprocess.run([*TIERPROF, "run", *options, "--", *command], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **_ENVIRONMENT})
    meta = Trace.open(trace).meta["exact"]
    return Rate(meta["loads"] + meta["stores"], meta["engine_wall_s"])


def cachegrind(command: list[str], folder: Path) -> Rate:
    """The same under Cachegrind with its own two levels."""
    options = ["--tool=cachegrind", "--cache-sim=yes", "--D1=32768,8,64", "--LL=33554432,16,64"]
    options += [f"--cachegrind-out-file={folder / 'cachegrind.out'}", f"--log-file={folder / 'cachegrind.log'}"]
    seconds = timed(["valgrind", *options, *command], _ENVIRONMENT).wall_s
    found = re.search(r"D\s+refs:\s+([\d,]+)", (folder / "cachegrind.log").read_text())
    if found is None:
        raise SystemExit("cachegrind's log has no line of data references")
    return Rate(int(found.group(1).replace(",", "")), seconds)


def measure(kernels: list[str], scale: int, degree: int, rounds: int) -> list[Row]:
    """One row a kernel and way: million accesses a second, median of interleaved rounds with its bootstrap interval."""
    program = build()
    graph = make_graph(program, "kron", FULL._replace(scale=scale, degree=degree))
    rates: dict[str, list[Rate]] = {f"{kernel} {way}": [] for kernel in kernels for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:

        def once(name: str, _number: int) -> Timing:
            kernel, way = name.split()
            command = [str(program), kernel, str(graph)]
            rate = cachegrind(command, Path(scratch)) if way == "cachegrind" else exact(command, way == "timing", Path(scratch))
            rates[name].append(rate)
            return Timing(0, rate.seconds, rate.seconds, "")

        run_rounds(list(rates), rounds, once, "exact speed")
    rows = []
    for name, runs in rates.items():
        kernel, way = name.split()
        rate = paired_interval(np.positive, [run.accesses / run.seconds / 1e6 for run in runs])
        rows.append(Row(kernel, way, runs[0].accesses, rate, _ASKED.get(way)))
    return rows


def main() -> int:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", nargs="+", default=["pr", "bfs", "cc"], choices=["pr", "bfs", "cc", "sssp", "bc"])
    parser.add_argument("--scale", type=int, default=18)
    parser.add_argument("--degree", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.kernels, arguments.scale, arguments.degree, arguments.rounds)
    if arguments.json:
        print(json.dumps([{**row._asdict(), "million_a_second": row.million_a_second._asdict()} for row in rows], indent=1))
        return 0
    print(f"Kronecker graph of scale {arguments.scale}, degree {arguments.degree}; median of {arguments.rounds} rounds [95 %]\n")
    print(f"{'kernel':8}{'way':12}{'accesses':>12}{'million a second':>26}{'asked':>8}")
    for row in rows:
        print(f"{row.kernel:8}{row.way:12}{row.accesses:>12}{format_interval(row.million_a_second, 1):>26}{row.asked or '':>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
