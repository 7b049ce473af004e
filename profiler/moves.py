"""Allocations that moved while they lived, or were born in parts, become rows by tier.

At any moment each byte is in one row, and each allocation counts once.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.profiler.join import IntervalIndex

#: enum tp_record_flags of native/common/records.h: a record of type TP_MOVE that tells of a birth.
FLAG_BORN = 8


class _Part(NamedTuple):
    """A part of an allocation that is in one tier from its birth on."""

    start: int
    end: int
    birth: int
    tier: int


def find_rows(rows: pd.DataFrame, addresses: np.ndarray, times: np.ndarray, layers: list[np.ndarray]) -> np.ndarray:
    """Row that holds each address at each time, -1: none; of rows that lie over each other the one of the earlier layer.

    Parameters
    ----------
    rows
        Columns address, size_bytes, birth_ns, death_ns.
    addresses, times
        Shape (m,).
    layers
        Masks over the rows, those to ask first before the others. Shape (n,) each.
    """
    found = np.full(len(addresses), -1, np.int64)
    start = rows["address"].to_numpy(np.uint64)
    end = start + rows["size_bytes"].to_numpy(np.uint64)
    birth, death = rows["birth_ns"].to_numpy(np.int64), rows["death_ns"].to_numpy(np.int64)
    for layer in layers:
        mine, asking = np.flatnonzero(layer), np.flatnonzero(found < 0)
        if len(mine) == 0 or len(asking) == 0:
            continue
        hits = IntervalIndex(start[mine], end[mine], birth[mine], death[mine]).find(addresses[asking], times[asking])
        found[asking] = np.where(hits >= 0, mine[hits], -1)
    return found


def split_moved(rows: pd.DataFrame, moves: np.ndarray, layers: list[np.ndarray]) -> pd.DataFrame:
    """The rows, with those that moved cut where and when they did.

    Parameters
    ----------
    rows
        Allocations, as `tierprof.profiler.allocations.match_records` makes them.
    moves
        The process's records of type TP_MOVE, in any order.
    layers
        As of `find_rows`.

    Returns
    -------
    DataFrame
        An allocation that moved ends, whole, at its first move. From then on it is rows of weight 0, one for each part of it and tier.
        One that was born in parts is such rows from its birth on; the part that begins where it does carries its weight.
    """
    moves = moves[np.argsort(moves["time_ns"], kind="stable")]
    owners = find_rows(rows, moves["address"].astype(np.uint64), moves["time_ns"].astype(np.int64), layers)
    moved = np.unique(owners[owners >= 0])
    if len(moved) == 0:
        return rows
    pieces = [_pieces(rows.iloc[row], moves[owners == row]) for row in moved.tolist()]
    parts = rows.iloc[np.repeat(moved, [len(own) for own in pieces])].reset_index(drop=True)
    table = np.array([piece for own in pieces for piece in own], dtype=object).reshape(-1, 5)
    start, end = table[:, 0].astype(np.uint64), table[:, 1].astype(np.uint64)
    death = table[:, 3].astype(np.int64)
    size = (end - start).astype(np.float64)
    whole = parts["size_bytes"].to_numpy(np.float64)
    at_end = death == parts["death_ns"].to_numpy(np.int64)
    firsts = [_first(own) for own in pieces]
    first = np.zeros(len(parts), bool)
    first[np.cumsum([0, *(len(own) for own in pieces[:-1])]) + firsts] = True
    parts = parts.assign(
        address=start,
        size_bytes=end - start,
        birth_ns=table[:, 2].astype(np.int64),
        death_ns=death,
        tier=table[:, 4].astype(np.int64),
        weight=parts["weight"].to_numpy() * first,
        resident_bytes=np.where(at_end, parts["resident_bytes"].to_numpy(np.float64) * size / np.maximum(whole, 1.0), np.nan),
    )
    kept = np.ones(len(rows), bool)
    kept[moved] = False
    return pd.concat([rows[kept], parts], ignore_index=True)


def _first(pieces: list[tuple[int, int, int, int, int]]) -> int:
    """Which of an allocation's pieces begins where and when it does."""
    return min(range(len(pieces)), key=lambda place: (pieces[place][2], pieces[place][0]))


def _pieces(row: pd.Series, moves: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """(start, end, birth, death, tier) of what becomes of one allocation: the whole or its parts until it moves, and what moved."""
    start, death = int(row["address"]), int(row["death_ns"])
    whole = _Part(start, start + int(row["size_bytes"]), int(row["birth_ns"]), int(row["tier"]))
    live = [whole]
    ended: list[tuple[int, int, int, int, int]] = []
    columns = (moves[name].tolist() for name in ("time_ns", "address", "size", "tier", "flags"))
    for time, low, size, tier, flags in zip(*columns, strict=True):
        part = _Part(max(low, whole.start), min(low + size, whole.end), time, tier)
        live = _born(live, part) if flags & FLAG_BORN else _move(live, ended, part)
    # The whole comes first, if it ended; if no move changed its tier it is all that there is.
    return [*ended, *((*part[:3], death, part.tier) for part in live)]


def _born(live: list[_Part], born: _Part) -> list[_Part]:
    """The parts of an allocation, of which one is in another tier from its birth on."""
    after: list[_Part] = []
    for part in live:
        low, high = max(part.start, born.start), min(part.end, born.end)
        if low >= high:
            after.append(part)
            continue
        pieces = ((part.start, low, part.tier), (low, high, born.tier), (high, part.end, part.tier))
        after += [_Part(start, end, part.birth, tier) for start, end, tier in pieces if start < end]
    return after


def _move(live: list[_Part], ended: list[tuple[int, int, int, int, int]], moved: _Part) -> list[_Part]:
    """The live parts after one went to a tier; what ends by that is added to `ended`."""
    first = not ended
    after: list[_Part] = []
    for part in live:
        low, high = max(part.start, moved.start), min(part.end, moved.end)
        if low >= high or part.tier == moved.tier:
            after.append(part)
            continue
        # Until its first move an allocation is one row; then only what moves ends.
        rest_birth, end = (moved.birth, (part.start, part.end)) if first else (part.birth, (low, high))
        ended.append((*end, part.birth, moved.birth, part.tier))
        after += [_Part(part.start, low, rest_birth, part.tier)] if part.start < low else []
        after.append(moved._replace(start=low, end=high))
        after += [_Part(high, part.end, rest_birth, part.tier)] if high < part.end else []
    return after
