"""What do Python names cost a program, and its small sites? LightGCN training alone, under `tierprof run` in three ways, and under memray.

Run `python benchmarks/name_overhead.py`. The rounds are paired and interleaved. `program` is the wrapped program from start to end, imports
included, and of memray its whole command; `training` is what the program itself says that its epochs took; `processor` is the program's
time on the processor, user and kernel, which other programs on the machine disturb less. The cost of names is the difference between
`tierprof run` with Python stacks and with native ones, as a share of the time alone; that of small sites the difference to the same without
them: from when the first site of small objects gets memory of its own on, each small allocation is asked whether it is of such a site.
memray is called with its defaults, which take Python stacks; a peer that is missing or crashes is named as that.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import TIERPROF, Timing, format_interval, paired_interval, result_of, run_rounds, timed

from tierprof.base.units import format_share
from tierprof.console import emit_json, say, table
from tierprof.models.bootstrap import Interval, median_interval
from tierprof.placer.checks import machine_line

ALONE, MEMRAY = "alone", "memray"
NATIVE, NAMED, UNSITED = "tierprof run, native stacks", "tierprof run, Python stacks", "tierprof run, no small sites"
ENVIRONMENTS = {NATIVE: {"TIERPROF_PYTHON": "0"}, NAMED: {}, UNSITED: {"TIERPROF_SMALL_SITE": "0"}}
#: What costs, and the way that is without it.
WITHOUT = {"names": NATIVE, "small sites": UNSITED}
TARGET = 0.03  # of the training, for names
MODULE = "tierprof.workloads.lightgcn"


class Row(NamedTuple):
    """One way to run the program."""

    what: str
    problem: str = ""
    program_s: Interval | None = None
    training_s: Interval | None = None
    processor_s: Interval | None = None
    program_ratio: Interval | None = None  # to the program alone, paired by rounds
    training_ratio: Interval | None = None
    processor_ratio: Interval | None = None


class Ways:
    """Runs the program in one of the ways; `program_s`, `training_s` and `processor_s` hold what each way took, round by round."""

    def __init__(self, options: list[str], folder: Path) -> None:
        self._options = options
        self._folder = folder
        self.program_s: dict[str, list[float]] = {}
        self.training_s: dict[str, list[float]] = {}
        self.processor_s: dict[str, list[float]] = {}

    @property
    def times(self) -> tuple[dict[str, list[float]], ...]:
        """Of the program, of its training, on the processor."""
        return self.program_s, self.training_s, self.processor_s

    def run(self, name: str, number: int) -> Timing:
        """One timed run."""
        alone = [sys.executable, "-P", "-m", MODULE, *self._options]
        trace = self._folder / f"{name.replace(' ', '-')}-{number}.trace"
        if name == MEMRAY:
            command = [sys.executable, "-P", "-m", "memray", "run", "--quiet", "-o", str(self._folder / f"{number}.bin"), "-m", MODULE]
            timing = timed([*command, *self._options])
        elif name == ALONE:
            timing = timed(alone)
        else:
            command = [*TIERPROF, "run", "--quiet", "-o", str(trace), "--", *alone]
            timing = timed(command, ENVIRONMENTS[name])
        path = trace / "meta.json"
        meta = json.loads(path.read_text()) if path.exists() else {"duration_s": timing.wall_s, "user_s": timing.cpu_s, "system_s": 0.0}
        self.program_s.setdefault(name, []).append(float(meta["duration_s"]))
        self.processor_s.setdefault(name, []).append(float(meta["user_s"]) + float(meta["system_s"]))
        self.training_s.setdefault(name, []).append(float(result_of(timing.output).get("seconds", {}).get("compute", np.nan)))
        return timing


def rows_of(ways: Ways, timings: dict[str, list[Timing]]) -> list[Row]:
    """A row for each way."""
    rows = []
    loss = result_of(timings[ALONE][0].output).get("loss")
    for name, runs in timings.items():
        if any(run.status for run in runs):
            rows.append(Row(name, f"status {max(run.status for run in runs)}"))
            continue
        if any(result_of(run.output).get("loss") != loss for run in runs):
            rows.append(Row(name, "the program's result changed"))
            continue
        program, training, processor = (median_interval(times[name]) for times in ways.times)
        row = Row(name, "", program, training, processor)
        if name != ALONE:
            ratios = [paired_interval(np.divide, times[name], times[ALONE]) for times in ways.times]
            row = row._replace(program_ratio=ratios[0], training_ratio=ratios[1], processor_ratio=ratios[2])
        rows.append(row)
    return rows


def costs_of(ways: Ways) -> dict[str, dict[str, Interval]]:
    """What names and small sites cost as a share of the time alone: of the whole program, of its training, and on the processor."""

    def cost(mine: np.ndarray, without: np.ndarray, alone: np.ndarray) -> np.ndarray:
        return (mine - without) / alone

    return {
        what: {
            name: paired_interval(cost, own[NAMED], own[without], own[ALONE])
            for name, own in zip(("program", "training", "processor"), ways.times, strict=True)
        }
        for what, without in WITHOUT.items()
    }


def shown(row: Row) -> list[str]:
    """The cells of a row."""
    cells = [row.program_s, row.program_ratio, row.training_s, row.training_ratio, row.processor_s, row.processor_ratio]
    return [row.what, *("-" if cell is None else format_interval(cell) for cell in cells), row.problem]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, metavar="R", help="rounds (default 7)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")
    parser.add_argument("options", nargs="*", default=["--users", "2e4", "--epochs", "6"], help="of the program, after --")
    args = parser.parse_args()
    names = [ALONE, *ENVIRONMENTS, *([MEMRAY] if importlib.util.find_spec("memray") else [])]
    with tempfile.TemporaryDirectory(prefix="tierprof-names-") as folder:
        ways = Ways(args.options, Path(folder))
        rows = rows_of(ways, run_rounds(names, args.repeat, ways.run, "names"))
    costs = costs_of(ways)
    if args.json:
        plain = {what: {name: cost._asdict() for name, cost in own.items()} for what, own in costs.items()}
        emit_json({"machine": machine_line(), "options": args.options, "target": TARGET, **plain, "rows": [row._asdict() for row in rows]})
        return
    say(machine_line())
    heads = ["run", "program s", "to alone", "training s", "to alone", "processor s", "to alone", "problem"]
    table(f"Python names and small sites: medians of {args.repeat} interleaved rounds [95 % interval]", heads, [shown(row) for row in rows])
    if MEMRAY not in names:
        say("memray is not installed (pip install memray)")
    for what, own in costs.items():
        shares = (f"{name} {format_share(cost.value)} [{format_share(cost.low)}, {format_share(cost.high)}]" for name, cost in own.items())
        say(f"{what} cost, of the time alone: {', '.join(shares)}")
    say(f"to reach: names at most {format_share(TARGET)} of training")


if __name__ == "__main__":
    main()
