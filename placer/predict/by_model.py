"""What objects are worth by the labels that `tierprof predict` left in a trace: for placing by modelled criticality."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import PlanError
from tierprof.base.units import format_seconds
from tierprof.profiler.trace import Trace


def kept_machines(trace: Trace) -> list[str]:
    """Names of the machines that the trace holds labels of, the last written last."""
    return list(dict.fromkeys(trace.frame("labels", ["machine"])["machine"])) if trace.has("labels") else []


def labelled_machine(trace: Trace, machine: str | None) -> str:
    """The machine whose labels are meant: the one asked for, else the only one.

    Raises
    ------
    PlanError
        If the trace has no labels, none of that machine, or those of several and none was asked for.
    """
    what, known = f"trace {trace.path} cannot be placed by model", kept_machines(trace)
    if not known:
        raise PlanError(what, "it has no labels", "run `tierprof predict TRACE` on an exact trace of the program first")
    if machine is None and len(known) > 1:
        raise PlanError(what, f"it has labels of {', '.join(known)}", "choose one with --machine")
    if machine is not None and machine not in known:
        raise PlanError(what, f"it has labels of {', '.join(known)} only", f"run `tierprof predict TRACE --machine {machine}` first")
    return machine or known[0]


def modelled_values(trace: Trace, objects: pd.DataFrame, machine: str) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Scores (n,), costs in seconds (n,) and reasons of a trace's objects.

    The score is the mean of what an object costs alone in the slow tier and what it saves alone in the fast one: where objects share a
    tier's bandwidth, or are waited for side by side, either of the two misses half of it. The cost is the former; NaN without a label.
    """
    labels = trace.frame("labels")
    own = labels[(labels["machine"] == machine) & (labels["key"] != "")].drop_duplicates("key").set_index("key").reindex(objects["key"])
    cost_s = (own["alone_slow_s"] - own["all_fast_s"]).to_numpy(dtype=np.float64)
    gain_s = (own["all_slow_s"] - own["alone_fast_s"]).to_numpy(dtype=np.float64)
    reasons = [
        "not in the modelled run"
        if np.isnan(cost)
        else f"modelled on {machine}: costs {format_seconds(cost)} alone in slow memory, saves {format_seconds(gain)} alone in fast"
        for cost, gain in zip(cost_s, gain_s, strict=True)
    ]
    return np.nan_to_num((cost_s + gain_s) / 2).clip(min=0.0), cost_s, reasons
