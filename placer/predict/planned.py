"""A plan's effect: which share of each object it would leave in fast memory, on whatever two tiers a machine has."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import PlanError
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import bytes_by_tier
from tierprof.placer.predict.first_touch import first_touch_shares
from tierprof.placer.predict.movable import Movable
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

#: Kinds of tiers that are the machine's own memory: its fast tier. Every other kind stands for the slow one.
FAST_KINDS = ("dram", "huge")


def planned_shares(trace: Trace, movable: Movable, plan: Plan) -> NDArray[np.float64]:
    """(m,) share of each object in fast memory under a plan.

    Of an object that the plan splits it is the share of its predicted effect that is in fast memory, or, without one, of its bytes: a
    split object then counts by how much of its cost is gone. Sites that the plan does not name go to its default tier. Where a fast tier
    has a capacity, objects get it in the order of their birth, and what does not fit spills.

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
    split = {entry.site: entry for entry in plan.objects if entry.parts}
    for place, key in enumerate(movable.keys):
        if str(key) in split:
            share[place] = _fast_share(split[str(key)], plan)
    return share


def _fast_share(own: PlannedObject, plan: Plan) -> float:
    """How much of a split object is in fast memory."""
    fast = {tier.name for tier in plan.tiers if tier.kind in FAST_KINDS}
    if own.predicted_effect_s and all(part.predicted_effect_s is not None for part in own.parts):
        other = sum(part.predicted_effect_s or 0.0 for part in own.parts if (part.tier in fast) != (own.tier in fast))
        share = min(max(other / own.predicted_effect_s, 0.0), 1.0)
        return 1.0 - share if own.tier in fast else share
    wanted = bytes_by_tier(own.parts, own.tier, np.zeros(1, np.int64), np.array([max(own.bytes, 1)], np.int64))
    return sum(int(size[0]) for tier, size in wanted.items() if tier in fast) / max(own.bytes, 1)


def _within(trace: Trace, sites: NDArray[np.int64], tier: TierSpec) -> NDArray[np.float64]:
    """What of these sites a tier of limited capacity holds."""
    allocations: pd.DataFrame = trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
    return first_touch_shares(allocations, sites, np.array([tier.capacity_bytes], dtype=np.int64))[0]
