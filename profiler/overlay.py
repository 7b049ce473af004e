"""Which allocations lie on top of each other: those of one site and size that follow each other are one thing, made again and again.

What a program allocates anew in every iteration would otherwise be shredded into as many histograms as there were iterations. Allocations
of one site and size that live at the same time (the tables of a model, made by one line in a loop) are different things, and stay apart:
each takes the lowest lane that is free when it is born, and what is of one lane lies on top of each other.
"""

import heapq

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.profiler.join import IntervalIndex, never

_GROUP = ["pid", "site", "size_bytes"]


def overlay(allocations: pd.DataFrame, least_bytes: int) -> pd.DataFrame:
    """Of each allocation, what it lies on and where it began.

    Parameters
    ----------
    allocations
        The trace's table; its index must be its row numbers.
    least_bytes
        Smaller allocations are left out.

    Returns
    -------
    DataFrame
        Index: row of `allocations`. Columns: first (row of the earliest allocation of the lane), lane (int64), start (address at which the
        whole allocation began, uint64), size_bytes (of the whole, int64), allocations (how many lie on top of each other; what a forked
        child inherited is not one more).
    """
    whole = _wholes(allocations)
    own = np.flatnonzero((whole == np.arange(len(whole))) & (allocations["size_bytes"].to_numpy(np.uint64) >= np.uint64(least_bytes)))
    table = pd.DataFrame(
        {
            "row": own,
            "pid": allocations["pid"].to_numpy(np.int64)[own],
            "site": allocations["site"].to_numpy(np.int64)[own],
            "size_bytes": allocations["size_bytes"].to_numpy(np.int64)[own],
            "birth": allocations["birth_ns"].to_numpy(np.int64)[own],
            "death": _last_deaths(allocations, whole)[own],
            "counted": ~allocations["inherited"].to_numpy(bool)[own],
        }
    )
    table["lane"] = _lanes(table)
    table = table.sort_values(["birth", "row"], kind="stable")
    lanes = table.groupby(["site", "size_bytes", "lane"])
    table["first"] = lanes["row"].transform("first")
    table["allocations"] = lanes["counted"].transform("sum").clip(lower=1).astype(np.int64)
    table["start"] = allocations["address"].to_numpy(np.uint64)[table["row"]]
    columns = ["first", "lane", "start", "size_bytes", "allocations"]
    told = table.set_index("row")[columns]
    rows = np.flatnonzero(np.isin(whole, own))
    return told.loc[whole[rows]].set_index(pd.Index(rows, name="row"))


def _wholes(allocations: pd.DataFrame) -> NDArray[np.int64]:
    """The row of the allocation that each row was part of before something of it moved or was unmapped; its own for most."""
    whole = np.arange(len(allocations), dtype=np.int64)
    part = allocations["weight"].to_numpy(np.float64) == 0
    if not part.any():
        return whole
    site = allocations["site"].to_numpy(np.int64)
    cut = np.isin(site, site[part])
    keys = pd.MultiIndex.from_arrays([allocations["pid"].to_numpy(), allocations["kind"].astype(str)])
    key = pd.factorize(keys)[0]
    for number in np.unique(key[part]):
        parts = np.flatnonzero(part & (key == number))
        found = _find_wholes(allocations, np.flatnonzero(cut & ~part & (key == number)), parts)
        sound = (found >= 0) & (site[found] == site[parts])
        whole[parts[sound]] = found[sound]
    return whole


def _find_wholes(allocations: pd.DataFrame, wholes: NDArray[np.int64], parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each part the latest whole around its first byte, -1: none. A whole lasts until the next begins at its address."""
    start, size = (allocations[name].to_numpy(np.uint64) for name in ("address", "size_bytes"))
    birth = allocations["birth_ns"].to_numpy(np.int64)
    order = wholes[np.lexsort((birth[wholes], start[wholes]))]
    until = np.full(len(order), never(), np.int64)
    again = start[order][1:] == start[order][:-1]
    until[:-1][again] = birth[order][1:][again]
    at = IntervalIndex(start[order], start[order] + size[order], birth[order], until).find(start[parts], birth[parts])
    return np.where(at >= 0, order[at], -1) if len(order) else np.full(len(parts), -1, np.int64)


def _last_deaths(allocations: pd.DataFrame, whole: NDArray[np.int64]) -> NDArray[np.int64]:
    """When the last part of each row that is a whole died."""
    death = pd.to_numeric(allocations["death_ns"]).astype("Int64").fillna(never()).to_numpy(np.int64)
    last = death.copy()
    np.maximum.at(last, whole, death)
    return last


def _lanes(table: pd.DataFrame) -> NDArray[np.int64]:
    """The lane of each row of `table` (columns `_GROUP`, birth, death, row), in its order."""
    order = np.lexsort([table[name].to_numpy() for name in ("row", "birth", *_GROUP)])
    ordered = table.iloc[order]
    group = ordered.groupby(_GROUP, sort=False).ngroup().to_numpy()
    birth, death = ordered["birth"].to_numpy(), ordered["death"].to_numpy()
    latest = ordered["death"].groupby(group).cummax().to_numpy()
    meets = np.zeros(len(group), bool)
    meets[1:] = (group[1:] == group[:-1]) & (birth[1:] < latest[:-1])
    # Most have no lives that meet, and all of theirs are in lane 0.
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(begins[1:], len(group))
    lanes = np.zeros(len(group), np.int64)
    for number in np.unique(group[meets]).tolist():
        own = slice(begins[number], ends[number])
        lanes[own] = lowest_free(birth[own].tolist(), death[own].tolist())
    told = np.empty(len(group), np.int64)
    told[order] = lanes
    return told


def lowest_free(births: list[int], deaths: list[int]) -> list[int]:
    """Lanes of lives in the order of their births: each takes the lowest that is free. Who dies when another is born has left."""
    live: list[tuple[int, int]] = []
    free: list[int] = []
    taken: list[int] = []
    for birth, death in zip(births, deaths, strict=True):
        while live and live[0][0] <= birth:
            heapq.heappush(free, heapq.heappop(live)[1])
        lane = heapq.heappop(free) if free else len(live)
        heapq.heappush(live, (death, lane))
        taken.append(lane)
    return taken
