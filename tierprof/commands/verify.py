"""Verify a plan: run the program under it and without it, interleaved, and hold what happened against what the plan says.

Predicted and measured effect (extra CPU time over everything in the fast tier, with a 95 % interval), and what that is against the system's
own placement; planned and achieved bytes of each object, as the kernel tells them, with the reason for each difference. Ends with status 1
if the interval excludes the prediction (judged from four runs of each kind on), if an object was anywhere else than planned, if a tier held
more than it may, or if more than a tenth of the planned bytes was never allocated.
"""

import argparse
import shlex
import tempfile
from pathlib import Path

import pandas as pd

from tierprof.base.units import format_bytes, format_seconds
from tierprof.console import emit_json, note, progress, say, table
from tierprof.models.bootstrap import Interval
from tierprof.placer.enforce import profiled_command, recipes_of
from tierprof.placer.match import match_plan
from tierprof.placer.plan import Plan
from tierprof.placer.verify import KINDS, Verification, verify_plan
from tierprof.profiler.command import check_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.usage = "tierprof verify [options] PLAN -- COMMAND ..."
    parser.add_argument("plan", type=Path, metavar="PLAN", help="the plan that `tierprof place` made")
    parser.add_argument(
        "--repeat", type=int, default=5, metavar="R", help="timed runs of each of three kinds: planned, all fast, no plan (default 5)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the runs' order (default 0)")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show; misplaced ones always are (default 20)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --: the program and its arguments, as it was profiled")


def execute(args: argparse.Namespace) -> int:
    """Run, compare, print."""
    match = match_plan(Plan.load(args.plan), check_command(args.command).program)
    for line in match.lines():
        note(line)
    plan = match.plan
    profiled = profiled_command(plan)
    if profiled is not None and profiled[1:] != args.command[1:]:
        note(f"the plan was made for `{shlex.join(profiled)}`: what it predicts is of that run")
    recipes = recipes_of(plan)
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder, progress() as bar:
        task = bar.add_task("verify", total=len(KINDS) * args.repeat + 1)
        result = verify_plan(
            plan, args.command, recipes, Path(folder), repeats=args.repeat, seed=args.seed, on_run=lambda: bar.advance(task)
        )
    if args.json:
        emit_json(_facts(result))
    else:
        _print(result, args.top)
    return 0 if result.effect_as_predicted and result.bytes_as_planned else 1


def _facts(result: Verification) -> dict[str, object]:
    intervals = {"measured_s": result.measured, "over_default_s": result.over_default}
    intervals |= {"with_s": result.with_s, "without_s": result.without_s, "default_s": result.default_s}
    return {
        "predicted_s": result.predicted_s,
        **{name: interval._asdict() for name, interval in intervals.items()},
        "repeats": result.repeats,
        "confidence": result.confidence,
        "effect_judged": result.effect_judged,
        "effect_as_predicted": result.effect_as_predicted,
        "bytes_as_planned": result.bytes_as_planned,
        "verdicts": result.verdicts(),
        "tiers": _records(result.tiers),
        "objects": _records(result.objects),
    }


def _records(frame: pd.DataFrame) -> list[dict]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _print(result: Verification, top: int) -> None:
    table("tiers", ["tier", "kind", "capacity", "peak", "allocations", "spilled"], map(_tier_cells, result.tiers.to_dict("records")))
    there = result.objects[result.objects["tier"].notna()].sort_values(["as_planned", "planned_bytes"], ascending=[True, False])
    more = f" ({len(there) - top} more as planned)" if len(there) > top else ""
    shown = [_object_cells(row) for row in there.head(max(top, len(result.misplaced))).to_dict("records")]
    table(f"objects{more}", ["object", "planned", "was in", "planned peak", "peak there", "pages found", "", "why"], shown)
    _say_effect(result)
    absent = result.never_allocated
    if len(absent):
        count = "1 object" if len(absent) == 1 else f"{len(absent)} objects"
        say(f"never allocated in these runs: {count} of {format_bytes(absent['planned_bytes'].sum())}")
    for line in result.verdicts():
        say(line)


def _tier_cells(row: dict) -> list[object]:
    capacity = "" if pd.isna(row["capacity_bytes"]) else format_bytes(row["capacity_bytes"])
    return [row["tier"], row["spec"], capacity, format_bytes(row["peak_bytes"]), row["allocations"], format_bytes(row["spilled_bytes"])]


def _object_cells(row: dict) -> list[object]:
    sizes = (format_bytes(row["planned_bytes"]), format_bytes(row["peak_bytes"]))
    differs = "" if row["as_planned"] else "differs"
    return [row["name"] or row["site"], row["planned"], row["tier"], *sizes, row["found"], differs, row["reason"]]


def _say_effect(result: Verification) -> None:
    say(
        f"CPU time with the plan {_interval(result.with_s)}, with everything fast {_interval(result.without_s)}, {result.repeats} runs each"
    )
    say(f"by the system alone {_interval(result.default_s)}: with the plan that is {_interval(result.over_default)} more")
    if any(spec.startswith("emulated") for spec in result.tiers["spec"]):
        say("the slow tier is emulated: the effect is that of injected delay, and no hardware's")
    effect = f"the plan costs {_interval(result.measured)} over everything fast"
    if result.predicted_s is None:
        say(f"{effect}; it predicts nothing")
        return
    verdict = "outside" if result.measured.excludes(result.predicted_s) else "inside"
    say(f"{effect}; it predicts {format_seconds(result.predicted_s)}, {verdict} the interval of {result.confidence:.0%}")


def _interval(interval: Interval) -> str:
    value, low, high = (format_seconds(own) for own in interval)
    return f"{value} [{low}, {high}]"
