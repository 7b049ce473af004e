"""A prediction as JSON has it: everything, exactly, units in the names."""

from typing import Any

from tierprof.placer.predict.curve import Curve
from tierprof.placer.predict.forecast import Span
from tierprof.placer.predict.knee import TOLERATED
from tierprof.placer.predict.prediction import Outcome, Prediction
from tierprof.placer.predict.rates import MEASURES, Rates


def prediction_facts(prediction: Prediction) -> dict[str, Any]:
    """What ``tierprof predict --json`` prints."""
    machine, curve = prediction.machine, prediction.curve
    labels = prediction.labels
    return {
        "trace": str(prediction.trace.path),
        "source": prediction.trace.meta.get("source"),
        "machine": machine.name,
        "fast": machine.fast,
        "slow": machine.slow,
        "exact": prediction.exact,
        "peak_bytes": curve.peak_bytes,
        "all_fast": _span(prediction.all_fast),
        "all_slow": _outcome(prediction.all_slow),
        "objects_slow": _outcome(prediction.objects_slow),
        "plan": None if prediction.planned is None else {**_outcome(prediction.planned), "dram_bytes": prediction.planned_bytes},
        "memory_mode": [{"dram_bytes": dram, **_span(span)} for dram, span in prediction.memory_mode.items()],
        "page_cache_bytes": prediction.page_cache_bytes,
        "curve": _curve(prediction),
        "knee": _knee(curve),
        "budgets_for": [
            {"slowdown": 1.0 + tolerated, **{name: line.least_bytes(tolerated) for name, line in curve.lines.items()}}
            for tolerated in TOLERATED
        ],
        "rates_per_gb": {machine.fast: _rates(prediction.fast_rates), machine.slow: _rates(prediction.slow_rates)},
        "saved_per_tib": {measure: own._asdict() for measure, own in prediction.savings.per_tib.items()},
        "labels": [] if labels is None else labels.objects.drop(columns="machine").to_dict("records"),
        "interactions": [] if labels is None else labels.interactions.drop(columns="machine").to_dict("records"),
        "notes": list(prediction.notes),
    }


def _span(span: Span) -> dict[str, float]:
    return {"run_s": span.value, "low_s": span.low, "high_s": span.high}


def _outcome(outcome: Outcome) -> dict[str, float]:
    value, low, high = outcome.slowdown
    return {**_span(outcome.time), "slowdown": value, "slowdown_low": low, "slowdown_high": high}


def _curve(prediction: Prediction) -> dict[str, Any]:
    """Budgets, and for each line its arrays of the same length."""
    curve, saved = prediction.curve, prediction.savings
    lines = {
        name: {
            "run_s": line.times.seconds,
            "low_s": line.times.low_s,
            "high_s": line.times.high_s,
            "slowdown": line.slowdown,
            "slowdown_low": line.slowdown_low,
            "slowdown_high": line.slowdown_high,
            "needed_bytes": line.needed_bytes,
        }
        for name, line in curve.lines.items()
    }
    in_fast = [
        [str(key) for key, share in zip(prediction.movable.keys, shares, strict=True) if share >= 0.5] for shares in curve.best.fast_share
    ]
    money = {measure: {"unit": MEASURES[measure][1], "low": low, "high": high} for measure, (low, high) in saved.by_measure.items()}
    return {
        "budget_bytes": curve.budgets_bytes,
        "lines": lines,
        "best_in_dram": in_fast,
        "slow_bytes": saved.slow_bytes,
        "saves": money,
    }


def _knee(curve: Curve) -> dict[str, float] | None:
    place = curve.knee
    if place is None:
        return None
    best = curve.best
    return {
        "budget_bytes": int(curve.budgets_bytes[place]),
        "needed_bytes": int(best.needed_bytes[place]),
        "slowdown": float(best.slowdown[place]),
    }


def _rates(rates: Rates) -> dict[str, Any]:
    return {measure: {**rate.per_gb._asdict(), "source": rate.source} for measure, rate in rates.items()}
