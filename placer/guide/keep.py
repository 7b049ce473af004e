"""Which tensors to keep in DRAM: under a plan, or where the slowdown-against-budget curve has its knee; and what each costs elsewhere."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierprof.base.units import format_bytes
from tierprof.models.timing.machine import Machine
from tierprof.placer.plan import Plan
from tierprof.placer.predict.exact import latency_ratio
from tierprof.placer.predict.labels import criticality_rows
from tierprof.placer.predict.prediction import Prediction
from tierprof.placer.predict.sampled import SampledForecast
from tierprof.profiler.trace import Trace

DRAM, UNKNOWN = "DRAM", "unknown"

#: Between the tiers of an object that a plan splits.
SPLIT = " and "


@dataclass(frozen=True)
class Keeping:
    """Where the tensors should be.

    Attributes
    ----------
    rests_on : str
        ``plan``, ``knee`` or ``nothing``: what the tiers below rest on.
    lead : str
        The same in a sentence, with its figures.
    budget_bytes : int or None
        Fast memory that it takes.
    slowdown : float or None
        Of the whole run, over everything in DRAM, at the knee.
    tiers : dict of str to str
        By object's key; `UNKNOWN` where nothing tells, all of its tiers with `SPLIT` between them where a plan splits it.
    reasons : dict of str to str
        A plan's own.
    fast : str
        Name of the fastest tier among them.
    """

    rests_on: str
    lead: str
    budget_bytes: int | None
    slowdown: float | None
    tiers: dict[str, str]
    reasons: dict[str, str]
    fast: str = DRAM


def keep(tensors: pd.DataFrame, plan: Plan | None, prediction: Prediction | None, no_prediction: str) -> Keeping:
    """Say where the tensors should be: by the plan if there is one, else by the best plan at the curve's knee."""
    keys = [str(key) for key in tensors["key"]]
    if plan is not None:
        return _by_plan(keys, plan)
    if prediction is None:
        lead = f"Tiers are unknown: there is no plan, and no prediction to choose by ({no_prediction})."
        return Keeping("nothing", lead, None, None, dict.fromkeys(keys, UNKNOWN), {})
    return _by_knee(keys, prediction)


def _by_plan(keys: list[str], plan: Plan) -> Keeping:
    planned = {entry.site: entry for entry in plan.objects}
    capacity = plan.tiers[0].capacity_bytes
    tiers, reasons = {}, {}
    for key in keys:
        entry = planned.get(key)
        tiers[key] = plan.default if entry is None else entry.tier
        reasons[key] = "not named in the plan: its default" if entry is None else entry.reason
        parts = dict.fromkeys(part.tier for part in entry.parts) if entry is not None else {}
        if entry is not None and set(parts) - {entry.tier}:
            tiers[key] = SPLIT.join(dict.fromkeys([*parts, entry.tier]))
    budget = "no budget" if capacity is None else f"a budget of {format_bytes(capacity)}"
    return Keeping("plan", f"Tiers are the plan's, which gives {plan.fast} {budget}.", capacity, None, tiers, reasons, plan.fast)


def _by_knee(keys: list[str], prediction: Prediction) -> Keeping:
    curve, machine = prediction.curve, prediction.machine
    place = curve.knee
    if place is None:
        lead = f"Tiers are unknown: there is no plan, and on {machine.name} the slowdown falls evenly with the budget, without a knee."
        return Keeping("nothing", lead, None, None, dict.fromkeys(keys, UNKNOWN), {})
    best = curve.best
    needed, slowdown = int(best.needed_bytes[place]), float(best.slowdown[place])
    share = dict(zip((str(key) for key in prediction.movable.keys), best.fast_share[place], strict=True))
    lead = (
        f"No plan was given: tiers are those of the best plan at the knee of the curve on {machine.name}. It takes"
        f" {format_bytes(needed)} of {format_bytes(curve.peak_bytes)} in DRAM, {needed / curve.peak_bytes:.0%}, and is predicted to run"
        f" {slowdown:.2f}x as long as with everything in DRAM."
    )
    # What is smaller than a page, or nobody could move, stays where it is.
    tiers = {key: machine.slow if share.get(key, 1.0) < 0.5 else DRAM for key in keys}
    return Keeping("knee", lead, needed, slowdown, tiers, {})


def slow_costs(trace: Trace, machine: Machine, prediction: Prediction | None) -> pd.DataFrame:
    """What each object alone in the slow tier costs the run.

    Returns
    -------
    DataFrame
        Index key; `cost_s`, `low_s`, `high_s` in seconds, and `all_fast_s`, the run that they are added to. Empty without a prediction.
    """
    if prediction is None:
        return pd.DataFrame(columns=["cost_s", "low_s", "high_s", "all_fast_s"])
    if prediction.labels is not None:
        rows = criticality_rows(prediction.labels.objects, prediction.all_slow.slowdown, machine.fast, machine.name)
        rows = rows[(rows["what"] == "object") & (rows["key"] != "")].set_index("key")
        rows = rows.rename(columns={"cpu_s": "cost_s", "cpu_low_s": "low_s", "cpu_high_s": "high_s"})[["cost_s", "low_s", "high_s"]]
        return rows.assign(all_fast_s=prediction.all_fast.value)
    forecast = SampledForecast(trace, latency_ratio(machine), machine.config()["l3_bytes"])
    alone = forecast.run(np.eye(len(forecast.objects)))
    place = pd.Series(np.arange(len(forecast.objects)), index=forecast.objects)
    objects = trace.objects().set_index("key")["site"].map(place)
    # What nobody waited for costs nothing, as far as samples can tell.
    cost_s = {
        name: np.append(own - forecast.duration_s, 0.0)[objects.fillna(-1).astype(np.int64)]
        for name, own in zip(("cost_s", "low_s", "high_s"), alone, strict=True)
    }
    return pd.DataFrame(cost_s, index=objects.index).assign(all_fast_s=forecast.duration_s)
