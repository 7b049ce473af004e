"""Objects that a plan does not name: they belong to its default tier, and are shown beside those that it names."""

from dataclasses import replace

import pandas as pd

from tierprof.placer.plan import Plan, PlannedObject

NOT_NAMED = "not named in the plan: its default tier"


def with_unnamed(plan: Plan, objects: pd.DataFrame) -> Plan:
    """The plan, with objects that it does not name in its default tier.

    Parameters
    ----------
    plan
        The plan.
    objects
        Columns key, name and peak_bytes: all objects of a run.
    """
    named = {own.site for own in plan.objects}
    others = objects[~objects["key"].isin(named) & (objects["peak_bytes"] > 0)].sort_values("peak_bytes", ascending=False, kind="stable")
    rows = others[["key", "name", "peak_bytes"]].itertuples(index=False)
    added = (PlannedObject(key, plan.default, name, NOT_NAMED, int(size)) for key, name, size in rows)
    return replace(plan, objects=(*plan.objects, *added))
