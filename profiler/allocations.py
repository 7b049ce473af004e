"""The shim's records become allocations with a birth and a death: matched by address in order of time, split where a part was unmapped or
moved to another tier.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.profiler.image import PAGE_BYTES
from tierprof.profiler.join import never
from tierprof.profiler.moves import split_moved

# enum tp_record_type and enum tp_record_flags of native/common/records.h
ALLOC, FREE, MAP, UNMAP, SMALL, RESIDENT, MOVE, WHERE, SLAB, SLAB_TOTAL = range(1, 11)
BIRTHS = (ALLOC, MAP, SMALL, SLAB)
FLAG_FILE = 1

KINDS = ("malloc", "mmap", "file", "small", "slab")
_MALLOC, _MMAP, _FILE, _SMALL, _SLAB = range(5)

COLUMNS = ["site", "tid", "address", "size_bytes", "birth_ns", "death_ns", "kind", "weight", "resident_bytes", "tier", "inherited"]


class _Piece(NamedTuple):
    """A part of a mapping that is live in the sweep; ordered by start."""

    start: int
    end: int
    birth: int
    row: int  # of the record that mapped it
    whole: bool


def match_records(records: np.ndarray, inherited: pd.DataFrame | None = None) -> pd.DataFrame:
    """Allocations of one process.

    Parameters
    ----------
    records
        Structured array of struct tp_record, in any order.
    inherited
        For a forked process: its parent's allocations that were live at the fork (`COLUMNS`), born then.

    Returns
    -------
    DataFrame
        `COLUMNS`, sorted by birth: kind as a number into `KINDS`, tier and site as the records number them, death `never()` if it did
        not die. A mapping that lost a part ends there, and what is left of it is a new row of weight 0, born then; so does an allocation
        of which a part moved. A slab, which holds small objects of one site, is a row like any other.
    """
    events = _events(records, inherited)
    mapped = np.isin(events["type"], (MAP, UNMAP))
    rows = pd.concat([_match_heap(events[~mapped]), _match_maps(events[mapped])], ignore_index=True)
    moves = records[records["type"] == MOVE]
    rows = split_moved(rows, moves, layers(rows)) if len(moves) else rows
    return rows.sort_values("birth_ns", kind="stable", ignore_index=True)[COLUMNS]


def layers(rows: pd.DataFrame) -> list[np.ndarray]:
    """Masks over rows that lie over each other, the innermost first: slabs, the heap, and the mappings that a heap is made of."""
    kind = rows["kind"].to_numpy(np.int64)
    slab, mapped = kind == _SLAB, np.isin(kind, (_MMAP, _FILE))
    return [slab, ~slab & ~mapped, mapped]


def _events(records: np.ndarray, inherited: pd.DataFrame | None) -> pd.DataFrame:
    known = records[np.isin(records["type"], (*BIRTHS, FREE, UNMAP, RESIDENT))]
    mapped = known["type"] == MAP
    kind = np.select(
        [known["type"] == SMALL, known["type"] == SLAB, mapped & (known["flags"] & FLAG_FILE != 0), mapped],
        [_SMALL, _SLAB, _FILE, _MMAP],
        _MALLOC,
    )
    events = pd.DataFrame(
        {
            "time": known["time_ns"].astype(np.int64),
            "address": known["address"].astype(np.uint64),
            "size_bytes": known["size"].astype(np.uint64),
            "site": known["site"].astype(np.int64),
            "tid": known["tid"].astype(np.int32),
            "type": known["type"].astype(np.int64),
            "resident_bytes": _resident_bytes(known),
            "tier": known["tier"].astype(np.int64),
            "kind": kind.astype(np.int64),
            "weight": np.where(known["type"] == SMALL, np.maximum(known["aux"], 1), 1).astype(float),
            "inherited": np.zeros(len(known), bool),
        }
    )
    if inherited is None or len(inherited) == 0:
        return events
    numbers = np.array([ALLOC, MAP, MAP, SMALL, SLAB])
    kept = inherited.assign(time=inherited["birth_ns"], type=numbers[inherited["kind"].to_numpy(np.int64)], inherited=True)
    return pd.concat([kept[list(events.columns)], events], ignore_index=True)


def _resident_bytes(records: np.ndarray) -> np.ndarray:
    """What the record of an end says was in memory; NaN where it does not say."""
    told = np.isin(records["type"], (FREE, RESIDENT)) & (records["aux"] > 0)
    return np.where(told, (records["aux"].astype(float) - 1) * PAGE_BYTES, np.nan)


def _match_heap(events: pd.DataFrame) -> pd.DataFrame:
    """malloc and free: an allocation ends at the next record of its address, be it its free or, if that was lost, the next birth."""
    # A free is stamped before and a birth after the call, so at one time the free comes first.
    ends = events["type"].isin((FREE, RESIDENT)).to_numpy()
    order = np.lexsort((~ends, events["time"], events["address"]))
    events, ends = events.iloc[order], ends[order]
    address, time, resident = (events[name].to_numpy() for name in ("address", "time", "resident_bytes"))
    death, at_end = np.full(len(events), never(), np.int64), np.full(len(events), np.nan)
    if len(events):
        followed = address[1:] == address[:-1]
        alive = (events["type"] == RESIDENT).to_numpy()[1:]
        death[:-1] = np.where(followed & ~alive, time[1:], never())
        at_end[:-1] = np.where(followed, resident[1:], np.nan)
    return events.assign(birth_ns=time, death_ns=death, resident_bytes=at_end)[~ends]


def _match_maps(events: pd.DataFrame) -> pd.DataFrame:
    """mmap and munmap. Ranges that are only ever mapped and unmapped whole are matched like a heap; the others are swept."""
    order = np.lexsort((events["time"], events["address"]))
    events = events.iloc[order].reset_index(drop=True)
    if len(events) == 0:
        return events.assign(birth_ns=events["time"], death_ns=events["time"])
    whole = _ranges_used_whole(events)
    simple, mixed = events[whole], events[~whole]
    return pd.concat([_match_heap(simple.assign(type=np.where(simple["type"] == UNMAP, FREE, ALLOC))), _sweep(mixed)], ignore_index=True)


def _ranges_used_whole(events: pd.DataFrame) -> np.ndarray:
    """Whether each event's range overlaps no event's but the same range; the events are sorted by address."""
    start = events["address"].to_numpy(np.uint64)
    size = events["size_bytes"].to_numpy(np.uint64)
    reach = np.maximum.accumulate(start + size)
    first = np.ones(len(start), bool)
    first[1:] = start[1:] >= reach[:-1]
    group = np.cumsum(first) - 1
    low = start[first][group]
    most = np.zeros(group[-1] + 1, np.uint64)
    least = np.full(group[-1] + 1, np.iinfo(np.uint64).max, np.uint64)
    np.maximum.at(most, group, size)
    np.minimum.at(least, group, size)
    alike = np.ones(group[-1] + 1, bool)
    np.logical_and.at(alike, group, start == low)
    return (alike & (most == least))[group]


def _sweep(events: pd.DataFrame) -> pd.DataFrame:
    """In order of time: each map or unmap ends what it covers of the live pieces, and leaves the rest as pieces of their own."""
    events = events.sort_values("time", kind="stable").reset_index(drop=True)
    live: list[_Piece] = []
    ended: list[tuple[_Piece, int]] = []
    columns = (events[name].tolist() for name in ("time", "address", "size_bytes", "type"))
    for row, (time, start, size, kind) in enumerate(zip(*columns, strict=True)):
        _cut(live, ended, start, start + size, time)
        if kind == MAP:
            insort(live, _Piece(start, start + size, time, row, True))
    ended.extend((piece, never()) for piece in live)
    rows = events.iloc[[piece.row for piece, _ in ended]].reset_index(drop=True)
    return rows.assign(
        address=np.array([piece.start for piece, _ in ended], np.uint64),
        size_bytes=np.array([piece.end - piece.start for piece, _ in ended], np.uint64),
        birth_ns=np.array([piece.birth for piece, _ in ended], np.int64),
        death_ns=np.array([death for _, death in ended], np.int64),
        weight=rows["weight"].to_numpy() * np.array([piece.whole for piece, _ in ended], float),
    )


def _cut(live: list[_Piece], ended: list[tuple[_Piece, int]], start: int, end: int, time: int) -> None:
    """Take [start, end) out of the live pieces."""
    at = bisect_left(live, start, key=lambda piece: piece.end)
    while at < len(live) and live[at].end <= start:
        at += 1
    while at < len(live) and live[at].start < end:
        piece = live.pop(at)
        ended.append((piece, time))
        if piece.start < start:
            live.insert(at, piece._replace(end=start, birth=time, whole=False))
            at += 1
        if piece.end > end:
            live.insert(at, piece._replace(start=end, birth=time, whole=False))
            return


def live_at(allocations: pd.DataFrame, time_ns: int) -> pd.DataFrame:
    """Allocations that a process forked at that time shares with its parent, born then; not counted again."""
    alive = allocations[(allocations["birth_ns"] <= time_ns) & (allocations["death_ns"] > time_ns)]
    return alive.assign(birth_ns=time_ns, death_ns=never(), inherited=True, weight=0.0)
