"""Packing with objects that may be split: each is in slow memory, in fast memory, or in one of several ways in both.

The ways are ranges of the object, chosen from its heat for different amounts of room; among them, and all whole objects, the choice is
exact (0/1 packing, pack.py). It is not exact among all ways there are: how far it may be from the best is told by the fractional
relaxation, in which every block of an object is an item by itself and may be cut (Dantzig, Discrete-variable extremum problems,
Operations Research 5, 1957).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.placer.heat_ranges import Ranges, bytes_of, priced_ranges, ranges_within, share_of, single_blocks_share
from tierprof.placer.pack import pack
from tierprof.placer.splits import MOST_PARTS, Splittable

#: A split must add at least this share to what whole objects are worth: below it the plan stays simple.
LEAST_GAIN = 0.01

#: A range with a smaller share of its object's heat only makes the plan longer.
LEAST_RANGE = 0.002

_HALVINGS = 8  # of an object's room: amounts for which ways are sought at first
_ROUNDS = 3  # in which ways are sought for the room that was left
_MOMENTS = 16  # by which the relaxation is bounded


class Way(NamedTuple):
    """One way to split an object."""

    ranges: Ranges  # of blocks, in fast memory
    fast_bytes: int  # as of `Heat.bytes`
    share: float  # of the object's value that is in them
    blocks_share: float  # that its hottest single blocks of as many bytes would have


class SplitPacking(NamedTuple):
    """The objects chosen for fast memory, whole or in part."""

    chosen: NDArray[np.bool_]  # (n,) whole
    ways: dict[int, Way]  # by object
    value: float
    live_bytes: NDArray[np.int64]  # (moments,) in fast memory
    optimal: bool  # among whole objects and the ways that were tried
    whole_value: float  # of the best packing of whole objects
    bound: float  # no packing is worth more


class _Options:
    """Columns of a packing: whole objects, and ways to split some of them."""

    def __init__(
        self, values: NDArray[np.float64], rows: NDArray[np.int64], budget_bytes: int, able: list[Splittable], moments: tuple[int, ...]
    ) -> None:
        self.values, self.rows, self.budget_bytes, self.able = values, rows, budget_bytes, able
        self._moments = moments  # that matter
        self.ways: list[tuple[Splittable, Way]] = []
        self._choices = {own.place: priced_ranges(own.heat, MOST_PARTS) for own in able}
        self._known: set[tuple[int, Ranges]] = set()

    def add(self, own: Splittable, room_bytes: int) -> None:
        """Seek a way to split an object with so many bytes, as of `Heat.bytes`, in fast memory."""
        heat = own.heat
        found = ranges_within(heat, min(room_bytes, heat.whole_bytes - 1), self._choices[own.place])
        ranges = tuple(blocks for blocks in found if share_of((blocks,), heat.chosen_by) >= LEAST_RANGE)
        if ranges and (own.place, ranges) not in self._known:
            self._known.add((own.place, ranges))
            fast_bytes = bytes_of(ranges, heat.bytes())
            way = Way(ranges, fast_bytes, share_of(ranges, heat.judged_by), single_blocks_share(heat, fast_bytes))
            self.ways.append((own, way))

    def live_bytes(self, own: Splittable, way: Way) -> NDArray[np.int64]:
        """(moments,) of a way."""
        return own.heat.live_bytes(self.rows[:, own.place], way.fast_bytes)

    def pack(self) -> tuple[NDArray[np.bool_], list[tuple[Splittable, Way]], bool]:
        """The best choice: whole objects (n,), ways, and whether it is known to be the best."""
        values = np.append(self.values, [self.values[own.place] * way.share for own, way in self.ways])
        rows = np.column_stack([self.rows, *(self.live_bytes(own, way) for own, way in self.ways)])
        # At most one way of an object: a row in which any two of them, or one and the whole, are over the budget.
        apart = np.zeros((len(self.able), len(values)), dtype=np.int64)
        for row, own in enumerate(self.able):
            columns = [own.place, *(len(self.values) + at for at, (other, _) in enumerate(self.ways) if other is own)]
            apart[row, columns] = self.budget_bytes
        # Those that keep ways of one object apart matter from the start, and are put first for that: their number stays the same.
        moments = [*range(len(apart)), *(moment + len(apart) for moment in self._moments)]
        packing = pack(values, np.concatenate([apart, rows]), self.budget_bytes, moments)
        self._moments = tuple(moment - len(apart) for moment in packing.moments if moment >= len(apart))
        count = len(self.values)
        return packing.chosen[:count], [self.ways[at] for at in np.flatnonzero(packing.chosen[count:])], packing.optimal


def pack_split(values: NDArray[np.float64], rows: NDArray[np.int64], budget_bytes: int, able: list[Splittable]) -> SplitPacking:
    """Choose objects, and parts of those that may be split, of great total value whose live bytes fit the budget in every row.

    Parameters
    ----------
    values
        (n,) what an object in fast memory is worth; a part of it is worth its share of the object's heat.
    rows
        (moments, n) live bytes, as of `tierprof.placer.pack.Demand`.
    budget_bytes
        Fast memory.
    able
        Objects that may be split.

    Returns
    -------
    SplitPacking
        Without ways where none adds at least `LEAST_GAIN` to the best packing of whole objects.
    """
    whole = pack(values, rows, budget_bytes)
    bound = max(fractional_bound(values, rows, budget_bytes, able), whole.value)
    best = SplitPacking(whole.chosen, {}, whole.value, rows[:, whole.chosen].sum(axis=1), whole.optimal, whole.value, bound)
    able = [own for own in able if rows[:, own.place].max(initial=0) >= own.heat.size_bytes]
    if not able or budget_bytes <= 0 or whole.chosen[values > 0].all():
        return best
    options = _Options(values, rows, budget_bytes, able, whole.moments)
    for own in able:
        room_bytes = min(own.heat.whole_bytes, own.heat.room_bytes(rows[:, own.place].max(keepdims=True), budget_bytes))
        for halving in range(_HALVINGS):
            options.add(own, room_bytes >> halving)
    for _ in range(_ROUNDS):
        found = _packed(options, best)
        if found.value > best.value and found.value >= whole.value * (1 + LEAST_GAIN):
            best = found
        before = len(options.ways)
        _fill_up(options, found)
        if len(options.ways) == before:
            break
    return best


def _packed(options: _Options, before: SplitPacking) -> SplitPacking:
    chosen, ways, optimal = options.pack()
    live_bytes = options.rows[:, chosen].sum(axis=1) + sum(options.live_bytes(own, way) for own, way in ways)
    value = float(options.values[chosen].sum()) + sum(float(options.values[own.place]) * way.share for own, way in ways)
    return SplitPacking(chosen, {own.place: way for own, way in ways}, value, live_bytes, optimal, before.whole_value, before.bound)


def _fill_up(options: _Options, found: SplitPacking) -> None:
    """Seek ways for the room that a packing leaves: for each object with what it has, whole or in part, and the rest of the room."""
    for own in options.able:
        rows, way = options.rows[:, own.place], found.ways.get(own.place)
        has_bytes = own.heat.whole_bytes if found.chosen[own.place] else way.fast_bytes if way is not None else 0
        live = rows > 0
        options.add(own, has_bytes + own.heat.room_bytes(rows[live], (options.budget_bytes - found.live_bytes)[live]))


def fractional_bound(values: NDArray[np.float64], rows: NDArray[np.int64], budget_bytes: int, able: list[Splittable]) -> float:
    """What no packing can be worth more than, even if blocks and whole objects could be cut: the least of what single moments allow."""
    places = {own.place for own in able}
    whole = np.array([place for place in np.flatnonzero(values > 0) if place not in places], dtype=np.int64)
    worth = np.concatenate([values[whole], *(values[own.place] * own.heat.judged_by for own in able)])
    bounds = [float(worth.sum())]
    for row in rows[np.argsort(-rows.sum(axis=1), kind="stable")[:_MOMENTS]]:
        blocks = (_least_bytes(own, int(row[own.place])) for own in able)
        size = np.concatenate([row[whole].astype(np.float64), *blocks])
        bounds.append(_cut_to_fit(worth, size, budget_bytes))
    return min(bounds)


def _least_bytes(own: Splittable, live_bytes: int) -> NDArray[np.float64]:
    """(blocks,) what the blocks of an object take at least where so many bytes of it live."""
    heat = own.heat
    # Of which sizes they are is known only where all of them live.
    copies = float(live_bytes >= heat.whole_bytes) if heat.sizes else live_bytes / heat.size_bytes
    return copies * heat.bytes().astype(np.float64)


def _cut_to_fit(worth: NDArray[np.float64], size: NDArray[np.float64], budget_bytes: int) -> float:
    """The most that items are worth which fit together, the last of them cut: by worth for each byte."""
    order = np.argsort(-worth / np.maximum(size, 1e-9), kind="stable")
    before = np.cumsum(size[order]) - size[order]
    kept = np.clip((budget_bytes - before) / np.maximum(size[order], 1e-9), 0.0, 1.0)
    return float((worth[order] * np.where(size[order] > 0, kept, 1.0)).sum())
