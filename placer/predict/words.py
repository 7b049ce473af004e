"""A prediction in sentences, for the terminal and the report alike."""

from collections.abc import Iterator

import numpy as np

from tierprof.base.units import format_bytes, format_seconds
from tierprof.placer.predict.curve import BEST, Curve
from tierprof.placer.predict.forecast import Span
from tierprof.placer.predict.knee import TOLERATED
from tierprof.placer.predict.prediction import Outcome, Prediction
from tierprof.placer.predict.rates import MEASURES

_NOTHING = 1e-9  # of a run's time: less is rounding
_WORTH_A_WORD = 0.01  # of the loss of everything slow: an interaction below that is not told


def conclusions(prediction: Prediction) -> Iterator[str]:
    """What the curve comes to, one sentence each."""
    told = None
    for tolerated in TOLERATED:
        needs = [line.least_bytes(tolerated) for line in prediction.curve.lines.values()]
        if needs != told:  # what keeps a smaller slowdown keeps a larger one
            yield say_least(prediction.curve, tolerated, prediction.machine.name)
        told = needs
    yield _knee(prediction.curve)
    for measure, (low, high) in prediction.savings.per_tib.items():
        saved = format_range(low, high, MEASURES[measure][1]) + (" (below zero: costs)" if low < 0 < high else "")
        yield f"each TiB of {prediction.machine.fast} that {prediction.machine.slow} replaces saves {saved}"


def say_least(curve: Curve, tolerated: float, machine: str) -> str:
    """The DRAM that keeps the slowdown within what is tolerated, and what the other orders would need."""
    needs = {name: line.least_bytes(tolerated) for name, line in curve.lines.items()}
    best = needs.pop(BEST)
    if best is None:
        return f"no budget keeps the slowdown below {tolerated:.0%} on {machine}"
    if best == 0:
        return f"with all objects in the slow tier the slowdown stays below {tolerated:.0%} on {machine}"
    head = f"DRAM for {format_bytes(best)} of {format_bytes(curve.peak_bytes)} keeps the slowdown below {tolerated:.0%} on {machine}"
    others = [f"{name} would need {format_bytes(need)}" for name, need in needs.items() if need is not None and need > best]
    return "; ".join([head, *others])


def _knee(curve: Curve) -> str:
    place = curve.knee
    if place is None:
        return "the curve has no knee: no part of the DRAM is worth more than another"
    best = curve.best
    return (
        f"knee (Kneedle): DRAM for {format_bytes(best.needed_bytes[place])}, {best.needed_bytes[place] / curve.peak_bytes:.0%} of the peak,"
        f" leaves a slowdown of {best.slowdown[place]:.2f}x"
    )


def interactions(prediction: Prediction) -> Iterator[str]:
    """Pairs of objects that cost more, or less, together than apart; the strongest few."""
    if prediction.labels is None:
        return
    loss_s = prediction.all_slow.time.value - prediction.all_fast.value
    for pair in prediction.labels.interactions.head(3).to_dict("records"):
        if abs(pair["extra_s"]) >= _WORTH_A_WORD * loss_s > 0:
            word = "more" if pair["extra_s"] > 0 else "less"
            yield (
                f"{pair['object_name']} and {pair['other_name']} together in {prediction.machine.slow} cost"
                f" {format_seconds(abs(pair['extra_s']))} {word} than the sum of each alone"
            )


def runs(prediction: Prediction) -> Iterator[tuple[str, int, Outcome]]:
    """The whole runs that were predicted: words, bytes of DRAM for objects, time and slowdown."""
    slow, fast_s = prediction.machine.slow, max(prediction.all_fast.value, 1e-300)
    yield "everything in DRAM", prediction.curve.peak_bytes, Outcome(prediction.all_fast, Span(1.0, 1.0, 1.0))
    if prediction.planned is not None:
        yield "the plan", prediction.planned_bytes or 0, prediction.planned
    for dram_bytes, span in prediction.memory_mode.items():
        ratio = span.value / fast_s
        yield f"Memory Mode: DRAM as a cache of {slow}", dram_bytes, Outcome(span, Span(ratio, ratio, ratio))
    yield f"all objects in {slow}", 0, prediction.objects_slow
    yield f"everything in {slow}", 0, prediction.all_slow


def shown_budgets(curve: Curve, most: int = 11) -> list[int]:
    """Places of the budgets that a table shows: evenly, both ends among them."""
    count = len(curve.budgets_bytes)
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(most, count)).round())]


def format_span(span: Span) -> str:
    """The seconds, with their interval if there is one."""
    value, low, high = (format_seconds(own) if np.isfinite(own) else "unknown" for own in span)
    return value if low == high else f"{value} [{low}, {high}]"


def format_cost(cost_s: float, run_s: float) -> str:
    """Seconds that a run takes longer; 0s where they are lost in the arithmetic of a run of `run_s`."""
    return format_seconds(cost_s if abs(cost_s) >= _NOTHING * run_s else 0.0)


def format_slowdown(slowdown: Span) -> str:
    """``1.62x [1.55, 1.70]``, without the interval if it has no width."""
    value, low, high = (f"{own:.2f}" if np.isfinite(own) else "unknown" for own in slowdown)
    return f"{value}x" if low == high else f"{value}x [{low}, {high}]"


def format_range(low: float, high: float, unit: str) -> str:
    """``3.2 to 8.1 USD``, or one figure where the two are the same."""
    text = _figure(low) if np.isclose(low, high) else f"{_figure(low)} to {_figure(high)}"
    return f"{text} {unit}".rstrip()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
