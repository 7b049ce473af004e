"""Which ranges of an object are worth fast memory: few enough to read, chosen from its heat block by block.

At a price for each byte a block gains what its heat is worth less the price of its bytes, and the best choice of at most k ranges is that
of greatest total gain: k disjoint segments of greatest sum, found by joining runs of blocks from the cheapest on (Csuros, Maximum-scoring
segment sets, IEEE/ACM Transactions on Computational Biology and Bioinformatics 1, 2004). The price at which the ranges just fit their
room is sought among many, and what is a little too large for its room is cut (Everett, Generalized Lagrange multiplier method, Operations
Research 11, 1963).
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PRICES = 32  # of each kind


class Heat(NamedTuple):
    """How an object's heat lies in its allocations; of all of them together, by how far a block is from an allocation's start.

    Bytes are those of one allocation where all are equally large, and else of so many of each size as live at once at most.
    """

    size_bytes: int  # of the largest allocation
    block_bytes: int
    chosen_by: NDArray[np.float64]  # (blocks,) share of its heat: by these ranges are chosen
    judged_by: NDArray[np.float64]  # (blocks,) the same by other samples, where they are few: by these a choice is told what it is worth
    of: str = "waiting"  # what was counted
    sizes: tuple[tuple[int, int], ...] = ()  # where they differ: each size, and how many allocations of it live at once at most

    @property
    def whole_bytes(self) -> int:
        """Bytes of all blocks."""
        return sum(size * count for size, count in self.sizes) or self.size_bytes

    def bytes(self) -> NDArray[np.int64]:
        """(blocks,) bytes of each block; the last one of an allocation may be cut short."""
        starts = np.arange(len(self.chosen_by), dtype=np.int64) * self.block_bytes
        sizes = self.sizes or ((self.size_bytes, 1),)
        return sum((count * np.clip(size - starts, 0, self.block_bytes) for size, count in sizes), np.zeros_like(starts))

    def live_bytes(self, rows: NDArray[np.int64], part_bytes: int) -> NDArray[np.int64]:
        """(moments,) bytes of a part of `part_bytes`, at most, where so many bytes (moments,) of the object live."""
        return np.minimum(rows, part_bytes) if self.sizes else rows // self.size_bytes * part_bytes

    def room_bytes(self, rows: NDArray[np.int64], left_bytes: NDArray[np.int64] | int) -> int:
        """How large a part may be for `left_bytes` (moments,) where so many bytes of the object live, which is more than none."""
        return int(np.min(left_bytes) if self.sizes else np.min(left_bytes * self.size_bytes // rows))


Ranges = tuple[tuple[int, int], ...]  # of blocks, in order: the first, and the first one behind


def best_ranges(gains: NDArray[np.float64], most: int) -> Ranges:
    """At most `most` disjoint ranges of greatest total gain.

    Parameters
    ----------
    gains
        (n,) what each block gains or, below zero, costs.
    most
        How many.
    """
    positive = gains > 0
    if most < 1 or not positive.any():
        return ()
    first, last = int(np.argmax(positive)), len(gains) - int(np.argmax(positive[::-1]))
    own = gains[first:last]
    begins = np.flatnonzero(np.diff(own > 0, prepend=not positive[first]))
    sums = np.add.reduceat(own, begins).tolist()
    joined = _join(sums, most)
    ends = [*begins.tolist(), len(own)]
    return tuple((first + ends[low], first + ends[high]) for low, high in joined)


def _join(sums: Sequence[float], most: int) -> list[tuple[int, int]]:
    """Runs of gain and cost in turn, from a gain to a gain, joined until at most `most` gains are left: (first run, one behind)."""
    value = list(sums)
    left, right = list(range(-1, len(value) - 1)), list(range(1, len(value) + 1))
    begin, end = list(range(len(value))), list(range(1, len(value) + 1))
    alive = [True] * len(value)
    queue = [(abs(size), run) for run, size in enumerate(value)]
    heapq.heapify(queue)
    gains = (len(value) + 1) // 2
    while gains > most:
        size, run = heapq.heappop(queue)
        inside = left[run] >= 0 and right[run] < len(value)
        if not alive[run] or size != abs(value[run]) or (value[run] <= 0 and not inside):
            continue
        # With its neighbours it is one run of their sign: a gap is bridged, or a gain given up. At an end the neighbour goes, too.
        for other in (left[run], right[run]):
            if 0 <= other < len(value):
                alive[other] = False
                value[run] += value[other]
                begin[run], end[run] = min(begin[run], begin[other]), max(end[run], end[other])
                left[run], right[run] = (left[other], right[run]) if other < run else (left[run], right[other])
        gains -= 1
        alive[run] = inside
        for other, side, towards in ((left[run], right, right[run]), (right[run], left, left[run])):
            if 0 <= other < len(value):
                side[other] = run if inside else towards
        if inside:
            heapq.heappush(queue, (abs(value[run]), run))
    return [(begin[run], end[run]) for run in range(len(value)) if alive[run] and value[run] > 0]


def priced_ranges(heat: Heat, most: int) -> list[Ranges]:
    """The best choices of at most `most` ranges at many prices, from that of the hottest block down to nothing."""
    weight, size = heat.chosen_by, heat.bytes()
    density = weight[weight > 0] / size[weight > 0]
    if len(density) == 0:
        return []
    even = np.geomspace(density.max(), density.min() / 2, _PRICES)
    # Just below a density, so that blocks of this density are worth their price.
    prices = np.unique(np.append(even, np.quantile(density, np.linspace(0, 1, _PRICES)))) * (1 - 1e-9)
    return list(dict.fromkeys(best_ranges(weight - price * size, most) for price in prices))


def ranges_within(heat: Heat, room_bytes: int, choices: Sequence[Ranges]) -> Ranges:
    """Of `priced_ranges`, what holds most of the heat in at most `room_bytes`; the larger ones cut down to that."""
    weight, size = heat.chosen_by, heat.bytes()
    fitting = (own if bytes_of(own, size) <= room_bytes else _cut(own, weight, size, room_bytes) for own in choices)
    return max(fitting, key=lambda own: share_of(own, weight), default=())


def bytes_of(ranges: Ranges, size: NDArray[np.int64]) -> int:
    """Bytes of ranges of blocks of these sizes."""
    return int(sum(size[first:end].sum() for first, end in ranges))


def share_of(ranges: Ranges, share: NDArray[np.float64]) -> float:
    """Share of the heat that is in the ranges."""
    return float(sum(share[first:end].sum() for first, end in ranges))


def single_blocks_share(heat: Heat, room_bytes: int) -> float:
    """Share of the heat in the hottest blocks one by one, however they lie, of at most so many bytes: what ranges cannot exceed."""
    size = heat.bytes()
    order = np.argsort(-heat.chosen_by / size, kind="stable")
    taken = np.cumsum(size[order]) <= room_bytes
    return float(heat.judged_by[order[taken]].sum())


def _cut(ranges: Ranges, weight: NDArray[np.float64], size: NDArray[np.int64], room_bytes: int) -> Ranges:
    """As much of the ranges as there is room for: the coldest go first, the last of them but for its hottest stretch."""
    kept = dict.fromkeys(ranges)
    density = {own: share_of((own,), weight) / bytes_of((own,), size) for own in ranges}
    for own in sorted(ranges, key=density.__getitem__):
        over = bytes_of(tuple(kept), size) - room_bytes
        if over <= 0:
            break
        del kept[own]
        blocks = (bytes_of((own,), size) - over) // int(size[0])
        if blocks > 0:
            sums = np.convolve(weight[own[0] : own[1]], np.ones(blocks), "valid")
            first = own[0] + int(np.argmax(sums))
            kept[first, first + blocks] = None
    return tuple(sorted(kept))
