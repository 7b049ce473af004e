"""The report's section on other memory: the curve and the labels, laid out for the template."""

from typing import Any

import pandas as pd

from tierprof.base.units import format_bytes
from tierprof.placer import plots
from tierprof.placer.predict.curve import BEST, Curve
from tierprof.placer.predict.prediction import Prediction
from tierprof.placer.predict.words import conclusions, format_cost, format_slowdown, format_span, interactions, runs

_MOST_OBJECTS = 12

#: Line -> colour class; the colours are those of the objects.
_CSS = {BEST: "l1"}
_OTHERS = ("l2", "l8")


def prediction_section(prediction: Prediction) -> dict[str, Any]:
    """What the template needs: lead, runs, plot and legend, sentences, objects, notes."""
    machine, curve = prediction.machine, prediction.curve
    others = iter(_OTHERS)
    css = {name: _CSS.get(name) or next(others) for name in curve.lines}
    place = curve.knee
    marked = None if place is None else (float(curve.best.needed_bytes[place]), float(curve.best.slowdown[place]), "knee")
    return {
        "lead": (
            f"What the timing model says of this run on {machine.name} ({machine.fast} and {machine.slow}). Nothing here was measured on"
            " such a machine: the model is checked against published measurements of real hardware in docs/validation.md."
        ),
        "runs": [
            {
                "name": name,
                "dram": format_bytes(dram),
                "time": format_span(own.time),
                "slowdown": format_slowdown(own.slowdown),
            }
            for name, dram, own in runs(prediction)
        ],
        "plot": plots.budget_curve(curve.peak_bytes, [_steps(curve, name, css[name]) for name in curve.lines], marked),
        "legend": [{"name": name, "colour": css[name][1:]} for name in curve.lines],
        "sentences": [*conclusions(prediction), *interactions(prediction)],
        "objects": [] if prediction.labels is None else _objects(prediction.labels.objects.head(_MOST_OBJECTS)),
        "notes": list(prediction.notes),
    }


def _steps(curve: Curve, name: str, css: str) -> plots.Steps:
    """A best plan fits from where its own need is met, be that below its budget."""
    line = curve.lines[name]
    return plots.Steps(css, line.needed_bytes if name == BEST else curve.budgets_bytes, line.slowdown)


def _objects(labels: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "name": own["name"],
            "size": format_bytes(own["peak_bytes"]) if own["peak_bytes"] > 0 else "",
            "cost": format_cost(own["alone_slow_s"] - own["all_fast_s"], own["all_fast_s"]),
            "gain": format_cost(own["all_slow_s"] - own["alone_fast_s"], own["all_fast_s"]),
        }
        for own in labels.to_dict("records")
    ]
