"""What became of a plan in a run: by tier and by object, the bytes that were planned and those that were found, and why they differ."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.base.schema import PLACES
from tierprof.placer.achieved_parts import PartsHeld, parts_held
from tierprof.placer.binary import tier_order
from tierprof.placer.decisions import read_decisions
from tierprof.placer.found import found_by_object
from tierprof.placer.plan import Plan
from tierprof.placer.reasons import COMMAND, PHASE, POLICY, Evidence, reason_of
from tierprof.placer.unnamed import unnamed_tiers
from tierprof.profiler.raw import read_counters
from tierprof.profiler.trace import Trace

#: Columns of `tiers_achieved`, after `tier` and `spec`; as struct tp_tier_counters in native/common/records.h.
TIER_COUNTERS = ("allocations", "live_bytes", "peak_bytes", "total_bytes", "spilled_allocations", "spilled_bytes")

#: The plan as it was enforced, beside what the shim reads of it and in the trace.
PLAN_TEXT = "plan.toml"

#: What `compare` asks of allocations.
ALLOCATION_COLUMNS = ("site", "tier", "address", "birth_ns", "death_ns", "size_bytes", "kind", "weight", "inherited")

#: Columns of `compare`.
COLUMNS = (
    "site",
    "name",
    "planned",
    "tier",
    "allocations",
    "planned_bytes",
    "peak_bytes",
    "found_bytes",
    "astray_bytes",
    "absent_bytes",
    "found",
    "as_planned",
    "reason",
)

#: Share of an object's pages in memory that may lie in places of another tier: its ends share pages with others, or are no huge page.
MOST_ASTRAY = 0.05


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
        One row a tier in the shim's order: ``tier``, ``spec``, `TIER_COUNTERS`, ``peak_of_one_bytes`` (the greatest peak of one process)
        and ``capacity_bytes``, which each process has for itself (NaN: no limit).
    """
    order = tier_order(plan)
    sums = np.zeros((len(order), len(TIER_COUNTERS)), dtype=np.int64)
    of_one = np.zeros(len(order), dtype=np.int64)
    for process in counters:
        tiers = process["tiers"]
        assert isinstance(tiers, list)
        sums += [[tier[name] for name in TIER_COUNTERS] for tier in tiers[: len(order)]]
        of_one = np.maximum(of_one, [tier.get("peak_of_one_bytes", tier["peak_bytes"]) for tier in tiers[: len(order)]])
    table = pd.DataFrame(sums, columns=list(TIER_COUNTERS))
    table.insert(0, "tier", [tier.name for tier in order])
    table.insert(1, "spec", [tier.spec for tier in order])
    table["peak_of_one_bytes"] = of_one
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


def plan_of(trace: Trace) -> Plan | None:
    """The plan that a trace's run was under, as it was enforced; None if it was under none."""
    path = trace.path / PLAN_TEXT
    return Plan.load(path) if path.exists() else None


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
        As of `compare`.
    """
    sites = trace.frame("sites", ["site", "key"]).set_index("site")["key"]
    allocations = trace.frame("allocations", [*ALLOCATION_COLUMNS, "allocation"])
    allocations = allocations.assign(site=allocations["site"].map(sites))
    places = PLACES.empty_table().to_pandas()
    if trace.has("places"):
        places = trace.frame("places")
        children = allocations.loc[allocations["inherited"].to_numpy(dtype=bool), "allocation"]
        places = places[~places["allocation"].isin(children)]
        places = places.assign(site=places["site"].map(sites))
    return compare(plan, allocations, places, evidence_of(trace, plan, allocations))


def compare(plan: Plan, allocations: pd.DataFrame, places: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """Planned objects beside where they were.

    Parameters
    ----------
    plan
        The plan.
    allocations
        `ALLOCATION_COLUMNS`; site is a site's key.
    places
        Columns site (a key), tier, place, huge, bytes: what the kernel said.
    evidence
        What explains differences.

    Returns
    -------
    DataFrame
        One row an object of the plan and a tier in which it was: ``site``, ``name``, ``planned`` and ``tier`` (names), ``allocations``,
        ``planned_bytes``, and ``peak_bytes`` that the shim had there. Of these, small allocations left out, in the proportions that the
        kernel told, ``found_bytes`` in places of the tier, ``astray_bytes`` in others and ``absent_bytes`` nowhere (NA where nobody asked);
        ``found`` has the places in words. ``as_planned`` tells whether the tiers agree (or a phase of the plan, or the online policy, moved
        it) and at most `MOST_ASTRAY` of the pages lie elsewhere, ``reason`` why not. An object that the run never allocated has one row
        with tier None. Of an object with parts ``planned`` is the tier, if the plan wants any of it there; it is as planned if its ranges
        are in their parts' tiers (`tierprof.placer.achieved_parts`). Of an object that the plan does not name (``planned_bytes`` is 0) see
        `tierprof.placer.unnamed`.
    """
    planned = pd.DataFrame(
        [(own.site, own.name, own.tier, own.bytes) for own in plan.objects], columns=["site", "name", "planned", "planned_bytes"]
    )
    keys = {"site": object, "tier": object}  # also of tables without a row
    found = found_by_object(places, plan).reset_index().astype(keys)
    table = planned.astype({"site": object}).merge(_held(plan, allocations).astype(keys), on="site", how="left")
    table = table.merge(found, on=["site", "tier"], how="left")
    parts = _with_parts(table, plan, allocations)
    table[["allocations", "peak_bytes"]] = table[["allocations", "peak_bytes"]].fillna(0).round().astype(np.int64)
    table["tier"] = table["tier"].astype(object).where(table["tier"].notna(), None)
    for name in ("found_bytes", "astray_bytes", "absent_bytes"):
        table[name] = (table[name].astype(float) / table["asked_bytes"].astype(float) * table["own_pages_bytes"].fillna(0)).round()
    table["found"] = table["found"].astype(object).where(table["found"].notna(), "")
    astray = table["astray_bytes"] > MOST_ASTRAY * (table["found_bytes"] + table["astray_bytes"])
    table["as_planned"] = _agrees(table, plan, evidence, parts) & ~astray.to_numpy(dtype=bool)
    misplaced = [own.misplaced if own is not None else () for own in parts]
    rows = table.assign(misplaced=misplaced).to_dict("records")
    table["reason"] = [reason_of(row, plan, evidence) for row in rows]
    for name in ("found_bytes", "astray_bytes", "absent_bytes"):
        table[name] = table[name].astype("Int64")
    return table[list(COLUMNS)]


def _held(plan: Plan, allocations: pd.DataFrame) -> pd.DataFrame:
    """By site and tier, what the records say was there: allocations, peak_bytes, and own_pages_bytes, the peak without small allocations.

    Small allocations are the C library's, which are in DRAM: where the plan wants them there they count, as many as each stands for.
    """
    in_dram = {own.site for own in plan.objects if plan.tier(own.tier).kind == "dram"}
    small = (allocations["kind"] == "small").to_numpy(dtype=bool)
    kept = ~allocations["inherited"].to_numpy(dtype=bool) & ~allocations["kind"].isin(["file"]).to_numpy(dtype=bool)
    kept &= ~small | allocations["site"].isin(in_dram).to_numpy(dtype=bool)
    own = allocations[kept]
    weight = own["weight"].astype(float).fillna(1.0)
    stands_for = np.where(small[kept], weight, 1.0) * own["size_bytes"].astype(float)
    own = own.assign(size_bytes=stands_for.round().astype(np.int64))
    counts = weight.groupby([own["site"], own["tier"]]).sum()
    own_pages = peaks(own[~small[kept]])
    return pd.DataFrame({"allocations": counts, "peak_bytes": peaks(own), "own_pages_bytes": own_pages}).reset_index()


def _with_parts(table: pd.DataFrame, plan: Plan, allocations: pd.DataFrame) -> list[PartsHeld | None]:
    """Of each row that is of an object with parts, what it held; `planned` and `planned_bytes` become those of the parts."""
    own = allocations[~allocations["inherited"].to_numpy(dtype=bool)]
    held = parts_held(plan, own[own["kind"].isin(["malloc", "mmap"])])
    found = [held.get((site, tier)) for site, tier in zip(table["site"], table["tier"], strict=True)]
    table["planned"] = [was if now is None else now.planned for was, now in zip(table["planned"], found, strict=True)]
    table["planned_bytes"] = [was if now is None else now.planned_bytes for was, now in zip(table["planned_bytes"], found, strict=True)]
    return found


def _agrees(table: pd.DataFrame, plan: Plan, evidence: Evidence, parts: list[PartsHeld | None]) -> np.ndarray:
    """Whether each row's tier is the planned one, or one that a phase or the policy chose, or, of an object that is not named, may be."""
    ordered = _phases(plan) | {key for key, (_, by) in evidence.moved.items() if by == POLICY}
    allowed = unnamed_tiers(plan)
    rows = table[["site", "planned", "tier"]].itertuples(index=False)
    return np.array(
        [
            (tier == planned and not (own is not None and own.misplaced)) or (site, tier) in ordered or tier in allowed.get(site, ())
            for (site, planned, tier), own in zip(rows, parts, strict=True)
        ],
        bool,
    )


def _phases(plan: Plan) -> set[tuple[str, str]]:
    """Sites and the tiers to which a phase of the plan moves them."""
    return {(move.site, move.tier) for move in plan.moves}


def evidence_of(trace: Trace, plan: Plan, allocations: pd.DataFrame) -> Evidence:
    """What a trace says about why objects were not where a plan wanted them; sites of `allocations` are keys."""
    small = allocations[allocations["kind"] == "small"]
    small_bytes = (small["size_bytes"].astype(float) * small["weight"].astype(float)).groupby(small["site"]).sum()
    mapped = allocations[allocations["kind"] == "mmap"]
    inherited = allocations[allocations["inherited"].to_numpy(dtype=bool)]
    counters = trace.meta.get("counters") or {}
    return Evidence(
        tiers=tiers_achieved([counters] if counters.get("tiers") else [], plan).set_index("tier"),
        notes=[(str(note.get("code")), str(note.get("text"))) for note in trace.meta.get("notes") or []],
        threshold_bytes=int(trace.meta.get("threshold_bytes") or 0),
        small_bytes=small_bytes.to_dict(),
        mapped=frozenset(zip(mapped["site"], mapped["tier"], strict=True)),
        moved=_moved(trace, plan),
        inherited_bytes=inherited["size_bytes"].astype(np.int64).groupby(inherited["site"]).sum().to_dict(),
        complete=bool(trace.meta.get("complete", True)),
    )


def _moved(trace: Trace, plan: Plan) -> dict[tuple[str, str], tuple[int, str]]:
    """By site and tier: bytes that moved there, and what moved them."""
    if not trace.has("moves"):
        return {}
    sites = trace.frame("sites", ["site", "key"]).set_index("site")["key"]
    moves = trace.frame("moves", ["site", "tier", "bytes"])
    sums = moves["bytes"].groupby([moves["site"].map(sites), moves["tier"]]).sum()
    phases, decided = _phases(plan), {(own["site"], own["tier"]) for own in read_decisions(trace.path)}
    return {key: (int(size), PHASE if key in phases else POLICY if key in decided else COMMAND) for key, size in sums.items()}
