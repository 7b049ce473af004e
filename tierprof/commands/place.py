"""Make a plan: which objects go to fast memory, under a budget.

The budget is that of the fast tier at any moment of the run: the sum of what is live at once, not of what is ever allocated. By a model,
by stall_share, accesses or criticality the objects of greatest total worth are packed exactly, and an object whose heat is known block by
block may be split: its hottest ranges go to fast memory where that saves more than any plan of whole objects. By size, density or random
the budget is filled in that order. all-fast, all-slow and first-come look at no object. Objects that the plan does not name go to the slow
tier. `--by model` takes what the timing model of a machine said of the objects: the labels that `tierprof predict` left in an exact trace.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from tierprof.base.errors import PlanError
from tierprof.base.units import format_bytes, format_seconds
from tierprof.console import emit_json, note, say, table
from tierprof.models.ranker import CriticalityRanker
from tierprof.placer.baseline_plans import BLIND, Placement, make_placement
from tierprof.placer.emulated import emulated_line
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec, parse_tier
from tierprof.placer.values import METRICS
from tierprof.profiler.trace import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the program's trace")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--model", type=Path, metavar="MODEL", help="rank by a model that `tierprof train` made")
    how.add_argument("--by", choices=(*METRICS, *BLIND), help="or by one metric (default stall_share; model for an exact trace)")
    parser.add_argument("--machine", metavar="NAME", help="for --by model: whose labels, where the trace has those of several machines")
    parser.add_argument("--budget", required=True, metavar="TIER=SIZE", help="fast memory: dram=8GiB, or dram=25%% of the objects' peak")
    parser.add_argument("--tier", default="slow=emulated:2.5", metavar="NAME=SPEC", help="the slow tier (default slow=emulated:2.5)")
    parser.add_argument("--no-split", action="store_true", help="whole objects only: do not split any by address range")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for --by random (default 0)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PLAN", help="the plan's file")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show (default 20)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Make the plan, print it, save it."""
    trace = Trace.open(args.trace)
    name, equals, budget = args.budget.partition("=")
    if not equals:
        raise PlanError(f"budget '{args.budget}'", "it names no tier", "write it like dram=8GiB or dram=25%")
    fast, slow = parse_tier(name), parse_tier(args.tier)
    model = CriticalityRanker.load(args.model) if args.model else None
    by = "model" if model is not None else args.by or ("model" if trace.meta.get("source") == "exact" else "stall_share")
    if args.machine and (by != "model" or model is not None):
        raise PlanError(f"--machine {args.machine}", "only --by model places by a machine's labels", "leave one of the two out")
    split = not args.no_split
    placement = make_placement(trace, fast, slow, budget, by=by, model=model, machine=args.machine, seed=args.seed, split=split)
    placement.plan.save(args.output)
    if args.json:
        emit_json(_facts(placement, by, args.output))
    else:
        _print(placement, by, slow, args.top)
        say(f"saved {args.output}; follow it with `tierprof run --plan {args.output} -- COMMAND`")
    return 0


def _facts(placement: Placement, by: str, path: Path) -> dict[str, object]:
    objects = [
        {
            "site": own.site,
            "name": own.name,
            "tier": own.tier,
            "peak_bytes": own.bytes,
            "reason": own.reason,
            "predicted_effect_s": own.predicted_effect_s,
            "parts": [asdict(part) for part in own.parts],
        }
        for own in placement.plan.objects
    ]
    numbers = {"budget_bytes": placement.budget_bytes, "peak_bytes": placement.peak_bytes, "fast_peak_bytes": placement.fast_peak_bytes}
    split = None if placement.split is None else placement.split._asdict()
    known = {"optimal": placement.optimal, "exact": placement.exact, "split": split}
    return {"plan": str(path), "by": by, **numbers, **known, "objects": objects}


def _print(placement: Placement, by: str, slow: TierSpec, top: int) -> None:
    plan = placement.plan
    # What is split is told however little it is worth: nobody would look for it in the plan.
    shown = [own for place, own in enumerate(plan.objects) if place < top or own.parts]
    rows = [
        [
            own.name,
            format_bytes(own.bytes),
            _tiers(own),
            "" if own.predicted_effect_s is None else format_seconds(own.predicted_effect_s),
            own.reason,
        ]
        for own in shown
    ]
    if rows:
        more = f", {len(plan.objects) - len(shown)} more in the plan" if len(plan.objects) > len(shown) else ""
        table(f"placed by {by}{more}", ["object", "peak", "tier", f"cost in {slow.spec}", "why"], rows)
    share = placement.budget_bytes / placement.peak_bytes if placement.peak_bytes else 0.0
    say(
        f"{plan.fast}: {format_bytes(placement.fast_peak_bytes)} of {format_bytes(placement.budget_bytes)} at most"
        f" ({share:.0%} of the objects' peak of {format_bytes(placement.peak_bytes)})"
    )
    if placement.split is not None:
        say(placement.split.line())
    _print_prediction(plan)
    emulated = emulated_line(slow.spec)
    if emulated:
        say(emulated)
    if not placement.optimal:
        note("the solver ran out of time: a better packing may exist")
    if not placement.exact:
        note("the budget was checked at windows of moments or at the objects' own peaks, so that it may be used less than it could be")


def _tiers(own: PlannedObject) -> str:
    """`dram`; of a split object `slow, 3 parts in dram`."""
    named = [part.tier for part in own.parts]
    counts = [f"{'1 part' if named.count(tier) == 1 else f'{named.count(tier)} parts'} in {tier}" for tier in dict.fromkeys(named)]
    return ", ".join([own.tier, *counts])


def _print_prediction(plan: Plan) -> None:
    known = [own for own in plan.objects if own.predicted_effect_s is not None]
    total = sum(max(own.predicted_effect_s or 0.0, 0.0) for own in known)
    left = sum(max(own.effect_outside_s(plan.fast), 0.0) for own in known)
    if total > 0:
        say(f"predicted: {format_seconds(left)} of CPU time more than all fast, {format_seconds(total - left)} less than all slow")
