"""Predict a run on memory that this machine has not got: run time, slowdown against DRAM budget, and what each budget saves.

From an exact trace (`tierprof run --source exact`) the timing model of a machine file says how long the run takes for any placement of its
objects; from a sampled one its stall shares do, with much wider intervals and without a word on bandwidth. The curve gives DRAM for nothing
up to DRAM for the peak, filled by the best plan found, by LLC misses per byte, and by first touch. What an exact trace says of each object
is kept in it as labels, for `tierprof train` and `tierprof place --by model`.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_share
from tierprof.console import emit_json, note, progress, say, table
from tierprof.models.dataset import program_name
from tierprof.models.timing.machine import Machine, machine_names
from tierprof.placer.plan import Plan
from tierprof.placer.predict.facts import prediction_facts
from tierprof.placer.predict.labels import Labels, keep_labels
from tierprof.placer.predict.plot import check_suffix, draw_curve
from tierprof.placer.predict.prediction import DEFAULT_BUDGETS, STEPS, Prediction, predict_trace
from tierprof.placer.predict.rates import MEASURES, parse_overrides
from tierprof.placer.predict.words import (
    conclusions,
    format_cost,
    format_range,
    format_slowdown,
    format_span,
    interactions,
    runs,
    shown_budgets,
)
from tierprof.profiler.trace import Trace

DEFAULT_MACHINE = "optane100-x6"
_MOST_BUDGETS = 1000
_GIB = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("trace", type=Path, metavar="TRACE", help="an exact trace, or a sampled one")
    parser.add_argument("--plan", type=Path, metavar="PLAN", help="time this plan too")
    parser.add_argument(
        "--machine",
        metavar="NAME|FILE",
        help=f"whose memory: {', '.join(machine_names())}, or a file (default the trace's own, else {DEFAULT_MACHINE})",
    )
    parser.add_argument(
        "--budgets", type=int, default=DEFAULT_BUDGETS, metavar="N", help=f"points of the curve (default {DEFAULT_BUDGETS})"
    )
    units = {"price": "USD", "watts": "W", "carbon": "embodied kgCO2e"}
    for measure in MEASURES:
        parser.add_argument(
            f"--{measure}",
            action="append",
            default=[],
            metavar="TIER=LOW:HIGH",
            help=f"{units[measure]} per GB of the tier `fast` or `slow`, in place of published figures",
        )
    parser.add_argument("--label", type=Path, action="append", default=[], metavar="TRACE", help="label this trace of the program too")
    parser.add_argument("--no-labels", action="store_true", help="do not write labels into the trace")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="draw the curve: .png or .svg")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="objects and pairs to show (default 10)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Predict, keep the labels, print."""
    if args.output:
        check_suffix(args.output)
    if not 2 <= args.budgets <= _MOST_BUDGETS:
        raise TierprofError(f"--budgets {args.budgets}", f"a curve has 2 to {_MOST_BUDGETS} points", "leave it out for the default")
    trace = Trace.open(args.trace)
    machine = Machine.load(args.machine or (trace.meta.get("exact") or {}).get("machine") or DEFAULT_MACHINE)
    overrides = parse_overrides({measure: getattr(args, measure) for measure in MEASURES}, (machine.fast, machine.slow))
    plan = Plan.load(args.plan) if args.plan else None
    others = [Trace.open(path) for path in args.label]
    with progress() as bar:
        task = bar.add_task("predict", total=STEPS)
        prediction = predict_trace(trace, machine, plan=plan, budgets=args.budgets, overrides=overrides, on_step=lambda: bar.advance(task))
    labelled = _keep(prediction, [] if args.no_labels else [trace], others)
    if args.output:
        draw_curve(prediction.curve, *_titles(prediction), args.output)
    if args.json:
        emit_json(prediction_facts(prediction))
        return 0
    _print(prediction, args.top)
    for line in [*labelled, *([f"wrote {args.output}"] if args.output else [])]:
        say(line)
    return 0


def _keep(prediction: Prediction, own: Sequence[Trace], others: Sequence[Trace]) -> list[str]:
    """Write the labels; one sentence for each trace that got them."""
    if prediction.labels is None:
        if others:
            raise TierprofError("--label", "a sampled trace gives no labels", "predict from a trace of `tierprof run --source exact`")
        return []
    lines = []
    for trace in (*own, *others):
        count = keep_labels(trace, prediction.labels, prediction.all_slow.slowdown, prediction.machine.fast)
        lines.append(f"labelled {count} objects of {trace.path} (source 'model {prediction.machine.name}')")
    return lines


def _titles(prediction: Prediction) -> tuple[str, str]:
    kind = "timing model, exact trace" if prediction.exact else "estimate from stall shares"
    machine = prediction.machine
    return f"{program_name(prediction.trace.meta)} on {machine.name}", f"DRAM is {machine.fast}, the slow tier {machine.slow}; {kind}"


# -- the terminal ----------------------------------------------------------------------------------------------------------


def _print(prediction: Prediction, top: int) -> None:
    title, subtitle = _titles(prediction)
    say(f"{title}: {subtitle}")
    table("", ["placement", "DRAM", "run time", "slowdown"], _run_rows(prediction))
    _print_curve(prediction)
    if prediction.labels is not None:
        _print_labels(prediction, prediction.labels, top)
    for line in (*interactions(prediction), *conclusions(prediction)):
        say(line)
    for line in prediction.notes:
        note(f"note: {line}")


def _run_rows(prediction: Prediction) -> Iterator[list[str]]:
    for name, dram_bytes, outcome in runs(prediction):
        yield [name, format_bytes(dram_bytes), format_span(outcome.time), format_slowdown(outcome.slowdown)]


def _print_curve(prediction: Prediction) -> None:
    curve, saved = prediction.curve, prediction.savings
    heads = ["DRAM", "of peak", *curve.lines, *(f"saves, {MEASURES[measure][1]}" for measure in saved.by_measure)]
    rows = []
    for place in shown_budgets(curve):
        budget = int(curve.budgets_bytes[place])
        slowdowns = [f"{line.slowdown[place]:.2f}x" for line in curve.lines.values()]
        money = [format_range(low[place], high[place], "") for low, high in saved.by_measure.values()]
        rows.append([format_bytes(budget), format_share(budget / curve.peak_bytes), *slowdowns, *money])
    table("slowdown over everything in DRAM, by the DRAM that the objects may use", heads, rows)


def _print_labels(prediction: Prediction, labels: Labels, top: int) -> None:
    slow = prediction.machine.slow
    shown = labels.objects.head(top) if top > 0 else labels.objects
    heads = ["object", "peak", f"alone in {slow} costs", "alone in DRAM saves", "costs per GiB"]
    table(f"criticality by model: {len(shown)} of {len(labels.objects)} objects", heads, map(_label_cells, shown.to_dict("records")))


def _label_cells(own: dict[Any, Any]) -> list[str]:
    cost_s, gain_s = own["alone_slow_s"] - own["all_fast_s"], own["all_slow_s"] - own["alone_fast_s"]
    sized = own["peak_bytes"] > 0
    run_s = own["all_fast_s"]
    per_gib = format_cost(cost_s / (own["peak_bytes"] / _GIB), run_s) if sized else "-"
    return [own["name"], format_bytes(own["peak_bytes"]) if sized else "-", format_cost(cost_s, run_s), format_cost(gain_s, run_s), per_gib]
