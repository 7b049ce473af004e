"""What came of a plan in one run, tier by tier, in a few lines."""

from pathlib import Path

import pandas as pd

from tierprof.base.units import format_bytes, format_share
from tierprof.placer.achieved import ALLOCATION_COLUMNS, objects_achieved, plan_of, tiers_achieved
from tierprof.placer.achieved_parts import parts_held
from tierprof.placer.decisions import NAME, read_decisions
from tierprof.placer.emulated import injected_line
from tierprof.placer.found import found_by_object
from tierprof.placer.plan import Plan
from tierprof.profiler.trace import Trace

#: Columns of `tier_summary`.
COLUMNS = (
    "tier",
    "spec",
    "planned_bytes",
    "held_bytes",
    "held_by_one_bytes",
    "found_share",
    "absent_share",
    "spilled_bytes",
    "capacity_bytes",
)


def tier_summary(trace: Trace, plan: Plan) -> pd.DataFrame:
    """What each tier was planned to hold and held.

    Parameters
    ----------
    trace
        Of a run under the plan.
    plan
        The plan.

    Returns
    -------
    DataFrame
        `COLUMNS`: planned bytes are the sum of its objects' peaks; held, the most at once by the shim's count, by all processes together
        and by one; of what the kernel was asked about and is in memory, the share in places of the tier, and of all of it the share that
        is not in memory (NaN: it was asked about nothing); what was wanted there and went on to the next tier.
    """
    counters = trace.meta.get("counters") or {}
    counted = tiers_achieved([counters] if counters.get("tiers") else [], plan)
    planned = _planned_bytes(trace, plan)
    places = trace.frame("places") if trace.has("places") else pd.DataFrame(columns=["site", "tier", "place", "huge", "bytes"])
    found = found_by_object(places, plan).groupby("tier")[["asked_bytes", "found_bytes", "astray_bytes", "absent_bytes"]].sum()
    found = found.reindex(counted["tier"])
    present = (found["found_bytes"] + found["astray_bytes"]).astype(float)
    return pd.DataFrame(
        {
            "tier": counted["tier"],
            "spec": counted["spec"],
            "planned_bytes": counted["tier"].map(planned).fillna(0).astype("int64"),
            "held_bytes": counted["peak_bytes"],
            "held_by_one_bytes": counted["peak_of_one_bytes"],
            "found_share": (found["found_bytes"] / present.where(present > 0)).to_numpy(dtype=float),
            "absent_share": (found["absent_bytes"] / found["asked_bytes"].where(found["asked_bytes"] > 0)).to_numpy(dtype=float),
            "spilled_bytes": counted["spilled_bytes"],
            "capacity_bytes": counted["capacity_bytes"],
        }
    )


def _planned_bytes(trace: Trace, plan: Plan) -> pd.Series:
    """By tier, the sum of its objects' peaks; of those with parts, as their allocations were cut."""
    rows = [(own.tier, own.bytes) for own in plan.objects if not own.parts]
    split = {own.site: own for own in plan.objects if own.parts}
    if split:
        keys = trace.frame("sites", ["site", "key"]).set_index("site")["key"]
        allocations = trace.frame("allocations", list(ALLOCATION_COLUMNS))
        allocations = allocations[~allocations["inherited"].to_numpy(dtype=bool)]
        held = parts_held(plan, allocations.assign(site=allocations["site"].map(keys)))
        once = {(site, own.planned): own.planned_bytes for (site, _), own in held.items()}
        met = {site for site, _ in once}
        rows += [(tier, size) for (_, tier), size in once.items()]
        rows += [(own.tier, own.bytes) for site, own in split.items() if site not in met]
    return pd.Series([size for _, size in rows], [tier for tier, _ in rows], dtype="int64").groupby(level=0).sum()


def _line(row: dict) -> str:
    emulated = ", emulated: DRAM with injected delay" if str(row["spec"]).startswith("emulated") else ""
    parts = [f"{format_bytes(row['planned_bytes'])} planned"] if row["planned_bytes"] else []
    together = row["held_bytes"] > row["held_by_one_bytes"]
    parts.append(f"{format_bytes(row['held_by_one_bytes'])} held at most{' by one process' if together else ''}")
    parts += [f"{format_bytes(row['held_bytes'])} by all"] if together else []
    if pd.notna(row["found_share"]):
        parts.append(f"{format_share(row['found_share'])} of its pages found in place")
    if row["spilled_bytes"]:
        parts.append(f"{format_bytes(row['spilled_bytes'])} spilled to the next tier")
    return f"{row['tier']} ({row['spec']}{emulated}): {', '.join(parts)}"


def summary_lines(trace: Trace) -> list[str]:
    """The lines that `tierprof run --plan` ends with; none for a run without a plan."""
    plan = plan_of(trace)
    if plan is None:
        return []
    lines = [_line(row) for row in tier_summary(trace, plan).to_dict("records")]
    injected = injected_line(trace.meta.get("counters") or {})
    lines += [injected] if injected else []
    objects = objects_achieved(trace, plan)
    told = difference_lines(objects)
    if told:
        lines.append(f"{', '.join(told)}: `tierprof where {trace.path}` says why")
    return lines


def difference_lines(objects: pd.DataFrame) -> list[str]:
    """How many objects were not where they were planned, and how many were nowhere; nothing if there are none.

    Parameters
    ----------
    objects
        Of `tierprof.placer.achieved.compare`.
    """
    there = objects["tier"].notna()
    differing = objects.loc[there & ~objects["as_planned"], "site"].nunique()
    absent = int((~there & ~objects["as_planned"]).sum())
    told = []
    if differing:
        told.append("1 object was not where it was planned" if differing == 1 else f"{differing} objects were not where they were planned")
    if absent:
        told.append("1 object of the plan was not met" if absent == 1 else f"{absent} objects of the plan were not met")
    return told


def decision_lines(trace: Path) -> list[str]:
    """What the online policy did, in one line."""
    decisions = read_decisions(trace)
    moved = sum(int(own.get("moved_bytes", 0)) for own in decisions)
    if not decisions:
        return ["the online policy moved nothing"]
    return [f"the online policy moved {format_bytes(moved)} in {len(decisions)} steps; {trace / NAME} has the reason of each"]
