"""Objects that a plan does not name: they belong to its default tier, and are shown beside those that it names."""

from dataclasses import replace

import pandas as pd

from tierprof.placer.plan import Plan, PlannedObject

NOT_NAMED = "not named in the plan: its default tier"


def with_unnamed(plan: Plan, objects: pd.DataFrame) -> Plan:
    """The plan, with objects that it does not name in its default tier; no bytes of them are planned.

    Parameters
    ----------
    plan
        The plan.
    objects
        Columns key, name and peak_bytes: all objects of a run.
    """
    named = {own.site for own in plan.objects}
    others = objects[~objects["key"].isin(named) & (objects["peak_bytes"] > 0)].sort_values("peak_bytes", ascending=False, kind="stable")
    added = (PlannedObject(key, plan.default, name, NOT_NAMED) for key, name in others[["key", "name"]].itertuples(index=False))
    return replace(plan, objects=(*plan.objects, *added))


def unnamed_tiers(plan: Plan) -> dict[str, set[str | None]]:
    """By site of each object that `with_unnamed` added, the tiers where it may be.

    These are the default tier and those into which it spills; and none, where all of its allocations are too small to be placed.
    """
    allowed: set[str | None] = {None}
    tier: str | None = plan.default
    while tier is not None:
        allowed.add(tier)
        tier = plan.tier(tier).spill
    return {own.site: allowed for own in plan.objects if own.reason == NOT_NAMED}
