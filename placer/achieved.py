"""What became of a plan in a run: by tier and by object, the bytes and allocations that were planned and those that were achieved."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.placer.binary import tier_order
from tierprof.placer.plan import Plan
from tierprof.profiler.raw import read_counters
from tierprof.profiler.trace import Trace

#: Columns of `tiers_achieved`, after `tier` and `spec`; as struct tp_tier_counters in native/common/records.h.
TIER_COUNTERS = ("allocations", "live_bytes", "peak_bytes", "total_bytes", "spilled_allocations", "spilled_bytes")


def counters_of(raw: Path) -> list[dict[str, int | list[dict[str, int]]]]:
    """The shim's counters in a raw folder, one entry a process."""
    return [read_counters(path) for path in sorted(raw.glob("counters.*.bin"))]


def total(counters: Iterable[Mapping[str, int | list[dict[str, int]]]], name: str) -> int:
    """A counter's sum over processes."""
    return sum(value for process in counters if isinstance(value := process[name], int))


def tiers_achieved(counters: Iterable[Mapping[str, int | list[dict[str, int]]]], plan: Plan) -> pd.DataFrame:
    """What each tier served.

    Parameters
    ----------
    counters
        Of each process, as `counters_of` reads them. Peaks of several processes are added: they may not have coincided.
    plan
        The plan that they ran under.

    Returns
    -------
    DataFrame
        One row a tier in the shim's order: ``tier``, ``spec``, `TIER_COUNTERS` and ``capacity_bytes`` (NaN: no limit).
    """
    order = tier_order(plan)
    sums = np.zeros((len(order), len(TIER_COUNTERS)), dtype=np.int64)
    for process in counters:
        tiers = process["tiers"]
        assert isinstance(tiers, list)
        sums += [[tier[name] for name in TIER_COUNTERS] for tier in tiers[: len(order)]]
    table = pd.DataFrame(sums, columns=list(TIER_COUNTERS))
    table.insert(0, "tier", [tier.name for tier in order])
    table.insert(1, "spec", [tier.spec for tier in order])
    table["capacity_bytes"] = np.array([np.nan if tier.capacity_bytes is None else tier.capacity_bytes for tier in order])
    return table


def peaks(allocations: pd.DataFrame) -> pd.Series:
    """Peak of live bytes for each pair of site and tier, which are the index. A death comes before a birth at the same moment."""
    end_ns = np.iinfo(np.int64).max
    births = allocations[["site", "tier", "birth_ns", "size_bytes"]].rename(columns={"birth_ns": "time_ns", "size_bytes": "change"})
    deaths = births.assign(
        time_ns=allocations["death_ns"].astype("Int64").fillna(end_ns), change=-allocations["size_bytes"].astype(np.int64)
    )
    events = pd.concat([births.astype({"change": np.int64}), deaths]).astype({"time_ns": np.int64})
    events = events.sort_values(["time_ns", "change"], kind="stable")
    live = events.groupby(["site", "tier"])["change"].cumsum()
    highest: pd.Series = live.groupby([events["site"], events["tier"]]).max()
    return highest


def objects_achieved(trace: Trace, plan: Plan) -> pd.DataFrame:
    """Where each planned object really was.

    Parameters
    ----------
    trace
        Of a run under the plan.
    plan
        The plan.

    Returns
    -------
    DataFrame
        One row an object of the plan and a tier in which it was: ``site``, ``name``, ``planned`` and ``tier`` (names), ``allocations``,
        ``peak_bytes`` there and ``planned_bytes``; ``as_planned`` tells whether these agree. An object that the run never allocated has
        one row with tier None.
    """
    planned = pd.DataFrame(
        [(own.site, own.name, own.tier, own.bytes) for own in plan.objects], columns=["site", "name", "planned", "planned_bytes"]
    )
    allocations = trace.frame("allocations", ["site", "tier", "birth_ns", "death_ns", "size_bytes", "kind", "inherited"])
    allocations = allocations[~allocations["inherited"] & ~allocations["kind"].isin(["small", "file"])]
    keys = trace.frame("sites", ["site", "key"]).set_index("site")["key"]
    allocations = allocations.assign(site=allocations["site"].map(keys))
    found = pd.DataFrame({"allocations": allocations.groupby(["site", "tier"]).size(), "peak_bytes": peaks(allocations)}).reset_index()
    table = planned.merge(found, on="site", how="left")
    table[["allocations", "peak_bytes"]] = table[["allocations", "peak_bytes"]].fillna(0).astype(np.int64)
    table["tier"] = table["tier"].astype(object).where(table["tier"].notna(), None)
    table["as_planned"] = table["tier"] == table["planned"]
    return table[["site", "name", "planned", "tier", "allocations", "planned_bytes", "peak_bytes", "as_planned"]]
