"""Measure what each object costs in slow memory, by running the program with one object moved at a time.

The runs are interleaved in random order with runs that have nothing and everything in the slow tier; each finished run is kept in the trace
at once, so that the same command goes on where an interrupted one stopped. A configuration is run until its 95 % interval is tight (half
of it at most 1 % of the run, or a tenth of the cost) or --repeat rounds are over. What the program prints on standard output is discarded.
"""

import argparse
from pathlib import Path

import pandas as pd

from tierprof.base.units import format_seconds
from tierprof.console import emit_json, note, progress, say, table
from tierprof.placer.candidates import candidates
from tierprof.placer.emulated import emulated_line
from tierprof.placer.measure import MeasureSettings, criticality_table, interval_of, keep_criticality, run_configurations
from tierprof.placer.planned_run import InterventionRunner
from tierprof.placer.runlog import ALL, NAME, NONE, RunLog, conditions_digest
from tierprof.placer.tiers import parse_tier
from tierprof.profiler.trace import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.usage = "tierprof measure [options] TRACE -- COMMAND ..."
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the program's trace, which keeps the result")
    parser.add_argument("--objects", type=int, default=8, metavar="N", help="objects to measure, leaders by several metrics (default 8)")
    parser.add_argument("--repeat", type=int, default=7, metavar="R", help="runs of each configuration at most (default 7)")
    parser.add_argument("--fast", default="dram", metavar="TIER", help="where objects are by default (default dram)")
    parser.add_argument("--slow", default="emulated:2.5", metavar="TIER", help="where one at a time is moved to (default emulated:2.5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the runs' order (default 0)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --: the program and its arguments, as it was profiled")


def execute(args: argparse.Namespace) -> int:
    """Measure, print the costs, keep them in the trace."""
    trace = Trace.open(args.trace)
    fast, slow = parse_tier(f"fast={args.fast}"), parse_tier(f"slow={args.slow}")
    settings = MeasureSettings(fast.spec, slow.spec, args.repeat, min(args.repeat, MeasureSettings.least_repeats), args.seed)
    objects = candidates(trace.objects(), args.objects)
    keys = [str(key) for key in objects["key"]]
    log = RunLog(trace.path / NAME, conditions_digest(args.command, fast.spec, slow.spec))
    if len(log):
        note(f"{len(log)} runs were finished before; going on from there")
    runner = InterventionRunner(trace, args.command, fast, slow)
    with progress() as bar:
        task = bar.add_task("measure", total=settings.repeats * (len(keys) + 2), completed=len(log))

        def advance(problem: str | None) -> None:
            bar.advance(task)
            if problem:
                note(f"tierprof: {problem}")

        whole = run_configurations(keys, settings, log, expected_status=trace.meta["exit_status"], run_one=runner, on_run=advance)
    result = criticality_table(log.frame(), settings)
    keep_criticality(trace, result)
    named = result.merge(trace.objects()[["key", "name"]], on="key", how="left")
    if args.json:
        emit_json(
            {
                "trace": str(trace.path),
                "source": settings.source,
                "criticality": named.astype(object).where(named.notna(), None).to_dict("records"),
            }
        )
    else:
        _print(named, settings)
    return 0 if whole else 1


def _print(named: pd.DataFrame, settings: MeasureSettings) -> None:
    rows = []
    for _, row in named.iterrows():
        what = {NONE: "nothing", ALL: "everything"}.get(row["what"], row["name"])
        if not row["met"]:
            what += " (not met in these runs)"
        cells = [_cell(row, column) for column in ("cpu_s", "wall_s")]
        rows.append([what, *cells, row["repeats"]])
    heads = [f"in {settings.slow}", "CPU time [95 %]", "wall time [95 %]", "runs"]
    table("the first two lines are whole runs; the others what moving that object alone adds", heads, rows)
    none, everything = (named[named["what"] == what].iloc[0] for what in (NONE, ALL))
    loss = everything["cpu_s"] - none["cpu_s"]
    say(f"everything in {settings.slow} costs {format_seconds(loss)} of CPU time, {loss / none['cpu_s']:+.0%}")
    emulated = emulated_line(settings.slow) or emulated_line(settings.fast)
    if emulated:
        say(emulated)


def _cell(row: pd.Series, column: str) -> str:
    value, low, high = (format_seconds(part) for part in interval_of(row, column))
    return f"{value} [{low}, {high}]"
