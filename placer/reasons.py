"""Why an object was not where a plan wanted it, in words, from what the run left as evidence; what nothing tells is said to be unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tierprof.base.units import format_bytes
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

PHASE, POLICY, COMMAND = "by a phase of the plan", "by the online policy", "by `tierprof move`"

# enum tp_note_code of native/common/records.h, as convert.py names them
_TIER_FAILED, _FOREIGN_MALLOC, _PARTS_MOVED = "shim 3", "shim 6", "shim 9"


@dataclass(frozen=True)
class Evidence:
    """What a run left that explains where its objects were.

    Attributes
    ----------
    tiers : DataFrame
        Index tier: columns of `tierprof.placer.achieved.tiers_achieved`.
    notes : list of (code, text)
        The shim's.
    threshold_bytes : int
        Smaller allocations stay in the C library's heap.
    small_bytes, mapped : mapping
        By site: bytes of its allocations below the threshold, by estimate; sites that asked the kernel itself for memory.
    moved : mapping
        By site and tier: (bytes that moved there, by what).
    inherited_bytes : mapping
        By site: what forked children held of their parents' memory.
    complete : bool
        Whether nothing of the run's record is missing.
    """

    tiers: pd.DataFrame
    notes: Sequence[tuple[str, str]] = ()
    threshold_bytes: int = 0
    small_bytes: Mapping[str, float] = field(default_factory=dict)
    mapped: frozenset[tuple[str, str]] = frozenset()
    moved: Mapping[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    inherited_bytes: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True

    def note(self, code: str, start: str = "") -> str | None:
        """The text of the first note of a code that starts so."""
        return next((text for own, text in self.notes if own == code and text.startswith(start)), None)


def reason_of(row: Mapping[str, Any], plan: Plan, evidence: Evidence) -> str:
    """Why a row of `tierprof.placer.achieved.objects_achieved` is not as planned; empty where nothing differs.

    What moved is told even where it moved as planned, and so is what was never touched.
    """
    planned = plan.tier(str(row["planned"]))
    if row["tier"] is None:
        return _absent(row, evidence)
    told = [_elsewhere(row, planned, evidence)] if row["tier"] != row["planned"] else []
    told += [_astray(row, plan.tier(row["tier"]) if row["tier"] in {own.name for own in plan.tiers} else None)]
    told += [_of_parts(row, plan, evidence), _untouched(row), _inherited(row, evidence), _too_small(row, planned, evidence)]
    return "; ".join(text for text in told if text)


def _absent(row: Mapping[str, Any], evidence: Evidence) -> str:
    small = evidence.small_bytes.get(str(row["site"]), 0.0)
    if small > 0:
        limit = format_bytes(evidence.threshold_bytes)
        return f"its allocations are smaller than {limit} ({format_bytes(small)} in all, estimated): they stay in the C library's heap"
    foreign = evidence.note(_FOREIGN_MALLOC)
    if foreign is not None:
        return f"malloc is not the C library's: {foreign}"
    return "never allocated in this run" if evidence.complete else "not met in this run, whose record is not complete"


def _of_parts(row: Mapping[str, Any], plan: Plan, evidence: Evidence) -> str:
    """Of an object with parts: what is here and belongs to another tier."""
    if row["as_planned"]:
        return ""
    told = []
    for tier, size in row.get("misplaced", ()):
        moved = evidence.note(_PARTS_MOVED) if {plan.tier(own).kind for own in (tier, str(row["tier"]))} & {"huge", "hugetlb"} else None
        why = moved or _elsewhere(row, plan.tier(tier), evidence)
        told.append(f"{format_bytes(size)} of its parts, in all of its allocations, belong to {tier}: {why}")
    return "; ".join(told)


def _moved(row: Mapping[str, Any], _planned: TierSpec, evidence: Evidence) -> str | None:
    size, by = evidence.moved.get((str(row["site"]), str(row["tier"])), (0, ""))
    return f"{format_bytes(size)} moved here {by}" if by else None


def _failed(_row: Mapping[str, Any], planned: TierSpec, evidence: Evidence) -> str | None:
    text = evidence.note(_TIER_FAILED, f"tier {planned.name}:")
    return None if text is None else f"it could not be used: {text}"


def _mapped(row: Mapping[str, Any], planned: TierSpec, evidence: Evidence) -> str | None:
    if planned.folder is None or (str(row["site"]), str(row["tier"])) not in evidence.mapped:
        return None
    counted = evidence.tiers.loc[planned.name]
    full = pd.notna(counted["capacity_bytes"]) and counted["peak_of_one_bytes"] + row["peak_bytes"] > counted["capacity_bytes"]
    why = f"a mapping of the program's own, of a kind that a tier in a folder ({planned.name}) cannot hold"
    return f"{why}, or for which it had no room" if full else why


def _spilled(_row: Mapping[str, Any], planned: TierSpec, evidence: Evidence) -> str | None:
    counted = evidence.tiers.loc[planned.name]
    if not counted["spilled_allocations"] > 0:
        return None
    spilled = f"{int(counted['spilled_allocations'])} allocations ({format_bytes(counted['spilled_bytes'])}) of all objects went on"
    held = format_bytes(counted["peak_of_one_bytes"])
    if pd.notna(counted["capacity_bytes"]):
        return f"{planned.name} was full ({held} of {format_bytes(counted['capacity_bytes'])}): {spilled}"
    return f"{planned.name} had no memory left ({held} held): {spilled}"


def _foreign(_row: Mapping[str, Any], _planned: TierSpec, evidence: Evidence) -> str | None:
    text = evidence.note(_FOREIGN_MALLOC)
    return None if text is None else f"malloc is not the C library's: {text}"


#: The first that applies is told.
_ELSEWHERE = (_moved, _failed, _mapped, _spilled, _foreign)


def _elsewhere(row: Mapping[str, Any], planned: TierSpec, evidence: Evidence) -> str:
    told = (reason(row, planned, evidence) for reason in _ELSEWHERE)
    return next((text for text in told if text), "the record does not say why")


_ASTRAY = {
    "node": "the kernel put pages on another node, since the tier's policy prefers its node and does not insist",
    "interleave": "the kernel put pages on a node that is not among the tier's",
    "kmem": "the kernel put pages on a node that has CPUs",
    "huge": "the kernel had no huge page for it, or its ends are smaller than one",
    "hugetlb": "its pages are not the pool's",
    "pmem": "its pages are not the file's",
    "dram": "the kernel put pages on the node of another tier",
}


def _astray(row: Mapping[str, Any], tier: TierSpec | None) -> str:
    if not row["astray_bytes"] > 0:
        return ""
    why = "its node is not in the tier" if tier is None else _ASTRAY.get(tier.kind, "its pages are not the tier's")
    if tier is not None and tier.kind == "node" and getattr(tier, "bind", False):
        why = "pages are on another node although the tier binds: the program, or a cpuset, changed their policy"
    return f"{format_bytes(row['astray_bytes'])} found elsewhere: {why}"


def _untouched(row: Mapping[str, Any]) -> str:
    return f"{format_bytes(row['absent_bytes'])} never touched, or given back" if row["absent_bytes"] > 0 else ""


def _inherited(row: Mapping[str, Any], evidence: Evidence) -> str:
    size = evidence.inherited_bytes.get(str(row["site"]), 0)
    if row["as_planned"] or not size > 0:
        return ""
    return f"forked children held {format_bytes(size)} of it, too"


def _too_small(row: Mapping[str, Any], planned: TierSpec, evidence: Evidence) -> str:
    """Beside the large allocations of a site, its small ones; those that are wanted in DRAM are there."""
    small = evidence.small_bytes.get(str(row["site"]), 0.0)
    if planned.kind == "dram" or not small > 0:
        return ""
    return f"those smaller than {format_bytes(evidence.threshold_bytes)} ({format_bytes(small)}, estimated) stay in the C library's heap"
