"""A plan's effect: which share of each object it would leave in fast memory, on whatever two tiers a machine has."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import PlanError
from tierprof.placer.plan import Plan
from tierprof.placer.predict.first_touch import first_touch_shares
from tierprof.placer.predict.movable import Movable
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

#: Kinds of tiers that are the machine's own memory: its fast tier. Every other kind stands for the slow one.
FAST_KINDS = ("dram", "huge")


def planned_shares(trace: Trace, movable: Movable, plan: Plan) -> NDArray[np.float64]:
    """(m,) share of each object in fast memory under a plan.

    Sites that the plan does not name go to its default tier. Where a fast tier has a capacity, objects get it in the order of their birth,
    and what does not fit spills.

    Raises
    ------
    PlanError
        If the plan names objects, and none of them is in the trace.
    """
    named = {entry.site: entry.tier for entry in plan.objects}
    tiers = [named.get(str(key), plan.default) for key in movable.keys]
    if named and not named.keys() & set(trace.objects()["key"]):
        who = f"plan {plan.path}" if plan.path else "the plan"
        why = f"it names none of the objects of trace {trace.path}"
        raise PlanError(f"{who} cannot be predicted", why, "give the plan of this program, made from a binary built alike")
    share = np.zeros(len(movable))
    for tier in plan.tiers:
        if tier.kind in FAST_KINDS:
            inside = np.array([own == tier.name for own in tiers], dtype=bool)
            share[inside] = 1.0 if tier.capacity_bytes is None else _within(trace, movable.sites[inside], tier)
    return share


def _within(trace: Trace, sites: NDArray[np.int64], tier: TierSpec) -> NDArray[np.float64]:
    """What of these sites a tier of limited capacity holds."""
    allocations: pd.DataFrame = trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
    return first_touch_shares(allocations, sites, np.array([tier.capacity_bytes], dtype=np.int64))[0]
