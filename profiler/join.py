"""Which allocation was at an address at a time: an interval index over address x time, exact, and vectorised on both sides.

An allocation is a rectangle, [start, end) x [birth, death), and rectangles of one address space never overlap. The addresses at
which rectangles begin or end cut the address axis into elementary intervals, the leaves of a binary tree; each rectangle's address
interval is the disjoint union of at most two nodes a level (the canonical decomposition of a segment tree). In one node all
rectangles span the node's whole address interval, so they are disjoint in time, and one binary search over (node, birth) finds the
only one that can hold a point. A point asks the nodes above its leaf, level by level, until it is found.

Address reuse, what real heaps do most, costs nothing here: rectangles over the same addresses share their leaves.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

# Bits of a composite key that hold the rank of a birth; the rest hold the node.
_RANK_BITS = 32
_RANK_MASK = (1 << _RANK_BITS) - 1
_NO_NODE = -1 << _RANK_BITS
_NEVER = np.iinfo(np.int64).max
# numpy's searches and gathers release the interpreter's lock; blocks also keep the working set in the cache.
_BLOCK = 1 << 18
_THREADS = 2


class _Level(NamedTuple):
    """The nodes of one height: keys (node << 32 | rank of birth), sorted; and which nodes have any."""

    keys: np.ndarray
    used: np.ndarray


class IntervalIndex:
    """An index over rectangles in address x time.

    Parameters
    ----------
    start, end
        Addresses, uint64, end exclusive. Shape (n,).
    birth, death
        Times, int64, death exclusive.

    Notes
    -----
    Empty rectangles hold no point. If two rectangles do overlap, a point in both gets one of them or none: see
    `tierprof.profiler.allocations`, which makes them disjoint.
    """

    def __init__(self, start: np.ndarray, end: np.ndarray, birth: np.ndarray, death: np.ndarray) -> None:
        rows = np.flatnonzero((end > start) & (death > birth))
        order = np.argsort(birth[rows], kind="stable")
        rows = rows[order]
        self._rows = rows
        self._births = birth[rows]
        self._deaths = death[rows]
        self._breaks = np.unique(np.concatenate((start[rows], end[rows])))
        low = np.searchsorted(self._breaks, start[rows])
        high = np.searchsorted(self._breaks, end[rows])
        self._levels = _decompose(low, high, len(self._breaks))

    def find(self, addresses: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Row of the rectangle that holds each point, -1 where none does.

        Parameters
        ----------
        addresses
            uint64. Shape (m,).
        times
            int64. Fastest when sorted, as samples are.
        """
        found = np.full(len(addresses), -1, np.int64)
        if len(self._rows) == 0:
            return found
        blocks = [slice(first, first + _BLOCK) for first in range(0, len(addresses), _BLOCK)]

        def search(block: slice) -> None:
            found[block] = self._find(addresses[block], times[block])

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(search, blocks))
        return found

    def _find(self, addresses: np.ndarray, times: np.ndarray) -> np.ndarray:
        order = np.argsort(addresses)
        leaf = np.searchsorted(self._breaks, addresses[order], side="right") - 1
        rank = np.searchsorted(self._births, times, side="right")[order]
        inside = (leaf >= 0) & (leaf < len(self._breaks) - 1) & (rank > 0)
        pending, leaf, rank, when = order[inside], leaf[inside], rank[inside], times[order[inside]]
        found = np.full(len(addresses), -1, np.int64)
        for height, level in enumerate(self._levels):
            if level is None:
                continue
            node = leaf >> height
            asking = np.flatnonzero(level.used[node])
            wanted = (node[asking] << _RANK_BITS) | rank[asking]
            place = np.searchsorted(level.keys, wanted) - 1
            key = level.keys[place]
            candidate = key & _RANK_MASK
            alive = (key >> _RANK_BITS == wanted >> _RANK_BITS) & (self._deaths[candidate] > when[asking])
            hits = asking[alive]
            found[pending[hits]] = self._rows[candidate[alive]]
            keep = np.ones(len(pending), bool)
            keep[hits] = False
            pending, leaf, rank, when = pending[keep], leaf[keep], rank[keep], when[keep]
        return found


def _decompose(low: np.ndarray, high: np.ndarray, leaves: int) -> list[_Level | None]:
    """The canonical nodes of the leaf intervals [low, high), level by level from the leaves; rows are in the order of birth."""
    levels: list[_Level | None] = []
    rows = np.arange(len(low))
    width = max(leaves, 1)
    while len(rows):
        # A left end that is a right child, or a right end after a left child, is a node of its own at this height.
        left, right = (low & 1).astype(bool), (high & 1).astype(bool)
        nodes = np.concatenate((low[left], high[right] - 1))
        owners = np.concatenate((rows[left], rows[right]))
        levels.append(_level(nodes, owners, width) if len(nodes) else None)
        low, high, width = (low + 1) >> 1, high >> 1, (width + 1) >> 1
        open_ = low < high
        low, high, rows = low[open_], high[open_], rows[open_]
    return levels


def _level(nodes: np.ndarray, owners: np.ndarray, width: int) -> _Level:
    # The first key belongs to no node, so that there is one before every other.
    keys = np.concatenate(([_NO_NODE], (nodes.astype(np.int64) << _RANK_BITS) | owners))
    keys.sort()
    used = np.zeros(width, bool)
    used[nodes] = True
    return _Level(keys, used)


def never() -> int:
    """The death of what is alive at the end."""
    return int(_NEVER)
