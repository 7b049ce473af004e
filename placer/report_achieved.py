"""The report's section on a run under a plan: what was planned and what was found, by tier and by object."""

from typing import Any, NamedTuple

import pandas as pd

from tierprof.base.units import format_bytes, format_share
from tierprof.placer.achieved import objects_achieved, plan_of
from tierprof.placer.decisions import read_decisions
from tierprof.placer.plan import Plan
from tierprof.placer.summary import decision_lines, difference_lines, tier_summary
from tierprof.placer.unnamed import with_unnamed
from tierprof.profiler.trace import Trace

MOST_OBJECTS = 20


class Achieved(NamedTuple):
    """What became of a plan in the run that is reported."""

    plan: Plan  # that the run was under, which need not be the one that the report is asked about
    tiers: pd.DataFrame  # of `tierprof.placer.summary.tier_summary`
    objects: pd.DataFrame  # of `tierprof.placer.achieved.compare`
    policy: str  # what the online policy did, in words; empty if it did nothing


def achieved_of(trace: Trace) -> Achieved | None:
    """What a trace's run achieved; None if it was under no plan."""
    plan = plan_of(trace)
    if plan is None:
        return None
    objects = objects_achieved(trace, with_unnamed(plan, trace.objects()))
    policy = " ".join(decision_lines(trace.path)) if read_decisions(trace.path) else ""
    return Achieved(plan, tier_summary(trace, plan), objects, policy)


def achieved_section(own: Achieved) -> dict[str, Any]:
    """The section as the template wants it."""
    objects = own.objects.sort_values(["as_planned", "planned_bytes", "peak_bytes"], ascending=[True, False, False], kind="stable")
    shown = objects.head(max(MOST_OBJECTS, int((~objects["as_planned"]).sum())))
    return {
        "lead": _lead(own, len(objects) - len(shown)),
        "tiers": [_tier(row) for row in own.tiers.to_dict("records")],
        "objects": [_object(row, own.plan) for row in shown.to_dict("records")],
    }


def _lead(own: Achieved, hidden: int) -> str:
    parts = ["This run was under a plan. Found is what the kernel said of the pages when an allocation ended, or the program did."]
    if not own.plan.objects:
        parts.append("The plan names no object: everything goes to its default tier.")
    told = ", ".join(difference_lines(own.objects)) or "every object was where it was planned"
    parts.append(f"{told[0].upper()}{told[1:]}.")
    parts += [f"{own.policy[0].upper()}{own.policy[1:]}."] if own.policy else []
    parts += [f"{hidden} more rows are as planned."] if hidden else []
    if any(tier.kind == "emulated" for tier in own.plan.tiers):
        parts.append("An emulated tier's bytes are in DRAM, and delay is injected where they are waited for.")
    return " ".join(parts)


def _tier(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": str(row["tier"]),
        "spec": str(row["spec"]),
        "planned": format_bytes(row["planned_bytes"]) if row["planned_bytes"] else "",
        "held": format_bytes(row["held_by_one_bytes"]),
        "capacity": "" if pd.isna(row["capacity_bytes"]) else format_bytes(row["capacity_bytes"]),
        "found": "" if pd.isna(row["found_share"]) else format_share(row["found_share"]),
        "spilled": format_bytes(row["spilled_bytes"]) if row["spilled_bytes"] else "",
    }


def _object(row: dict[str, Any], plan: Plan) -> dict[str, Any]:
    return {
        "name": row["name"] or row["site"],
        "planned": row["planned"],
        "tier": row["tier"] or "",
        "fast": row["tier"] == plan.fast,
        "planned_bytes": format_bytes(row["planned_bytes"]) if row["planned_bytes"] else "",
        "bytes": format_bytes(row["peak_bytes"]),
        "found": row["found"],
        "differs": not row["as_planned"],
        "reason": row["reason"],
    }
