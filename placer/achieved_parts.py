"""Objects that a plan splits by address range: how many bytes of each range's tier were in which, allocation by allocation."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import bytes_by_tier

#: Share of a tier's planned bytes of an object that may be in another: a boundary lies at whole pages of both tiers.
MOST_MISPLACED = 0.05


class PartsHeld(NamedTuple):
    """What a split object held in one tier."""

    planned: str  # the tier, if the plan wants any of it there, or else the object's own
    planned_bytes: int  # of the object's bytes in the plan, those that belong to the tier `planned`
    misplaced: tuple[tuple[str, int], ...]  # tiers to which more of it belongs than may be elsewhere, and how many bytes of all


def parts_held(plan: Plan, allocations: pd.DataFrame) -> dict[tuple[str, str], PartsHeld]:
    """By site and tier, what objects with parts held, range for range.

    Parameters
    ----------
    plan
        The plan; its objects without parts are passed over.
    allocations
        Columns site (a key), tier, address, size_bytes, birth_ns, weight: rows by tier (`tierprof.profiler.moves.split_moved`).
    """
    found: dict[tuple[str, str], PartsHeld] = {}
    for own in plan.objects:
        rows = allocations[allocations["site"] == own.site] if own.parts else allocations[:0]
        if len(rows):
            found |= {(own.site, tier): held for tier, held in _held(own, rows).items()}
    return found


def _held(own: PlannedObject, rows: pd.DataFrame) -> dict[str, PartsHeld]:
    start, known = _offsets(rows)
    size = rows["size_bytes"].to_numpy(dtype=np.int64)
    wanted = bytes_by_tier(own.parts, own.tier, start, start + size)
    tiers = rows["tier"].to_numpy(dtype=object)
    belongs = {tier: int(size_bytes[known].sum()) for tier, size_bytes in wanted.items()}
    total = max(sum(belongs.values()), 1)
    held = {}
    for tier in pd.unique(tiers):
        here = known & (tiers == tier)
        astray = {other: int(size_bytes[here].sum()) for other, size_bytes in wanted.items() if other != tier}
        misplaced = tuple((other, bytes_) for other, bytes_ in astray.items() if bytes_ > MOST_MISPLACED * belongs[other])
        planned = tier if belongs.get(tier) else own.tier
        held[str(tier)] = PartsHeld(planned, round(own.bytes * belongs[planned] / total), misplaced)
    return held


def _offsets(rows: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(n,) where each row begins in its allocation, and (n,) whether that is known: not of what moved later.

    Parts that were born together share the moment of their birth, and the first of them has the allocation's weight.
    """
    order = np.lexsort((rows["address"].to_numpy(np.uint64), rows["birth_ns"].to_numpy(np.int64)))
    address = rows["address"].to_numpy(np.uint64)[order].astype(np.int64)
    birth = rows["birth_ns"].to_numpy(np.int64)[order]
    begins = rows["weight"].to_numpy(dtype=np.float64)[order] > 0
    last = np.maximum.accumulate(np.where(begins, np.arange(len(order)), -1))
    known = (last >= 0) & (birth == birth[last])
    offset, told = np.zeros(len(order), np.int64), np.zeros(len(order), bool)
    offset[order] = np.where(known, address - address[last], 0)
    told[order] = known
    return offset, told
