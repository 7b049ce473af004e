"""Every object alone on the slow tier, and alone on the fast one: only the episodes that it takes part in are timed again.

All other episodes see only how the load changes that it takes from one tier to the other: an `Envelope` knows them at any load. What comes
out is what a run of each such plan would give, for the cost of a few passes over the nodes instead of one over all episodes a plan.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierprof.models.timing.envelope import Envelope
from tierprof.models.timing.episodes import Chains, Linear, slowest_chain
from tierprof.models.timing.lanes import Lanes

if TYPE_CHECKING:
    from tierprof.models.timing.solve import Timing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Alone:
    """What each object costs by itself, in seconds of run time.

    Attributes
    ----------
    all_fast_s, all_slow_s : float
        Everything on one tier.
    alone_slow_s, alone_fast_s : ndarray
        Of each object: it alone on that tier, everything else on the other (n,).
    """

    all_fast_s: float
    all_slow_s: float
    alone_slow_s: Floats
    alone_fast_s: Floats


def alone(timing: "Timing") -> Alone:
    """Times every object alone on either tier."""
    objects = len(timing.objects)
    both = timing.run(np.array([np.zeros(objects), np.ones(objects)])).seconds
    slow, fast = (_each(timing, slow=slow) if timing.addressed else _as_plans(timing, slow=slow) for slow in (True, False))
    return Alone(float(both[0]), float(both[1]), slow, fast)


def _as_plans(timing: "Timing", *, slow: bool) -> Floats:
    """With a cache in front of the slow tier each object changes what the others find in it: every plan is a run of its own."""
    return timing.run(np.abs(np.eye(len(timing.objects)) - (0.0 if slow else 1.0))).seconds


def _each(timing: "Timing", *, slow: bool) -> Floats:
    objects, lanes = len(timing.objects), timing.lanes
    others = _Others(timing.chains, lanes, timing.highest_multiple, base_is_fast=slow)
    step = max(1, timing.chunk_doubles // max(10 * lanes.count, 1))
    seconds = []
    for first in range(0, objects, step):
        own = np.arange(first, min(first + step, objects))
        plans = np.full((objects, len(own)), 0.0 if slow else 1.0)
        plans[own, np.arange(len(own))] = 1.0 if slow else 0.0
        seconds.append(timing.timed(timing.work(plans, _AloneStalls(others, own))).seconds)
    return np.concatenate(seconds) if seconds else np.zeros(0)


class _Others:
    """The run with everything on one tier, the base, and who takes part in which episode.

    Parameters
    ----------
    chains, lanes
        Of the run.
    highest
        The largest multiple of either tier.
    base_is_fast
        Which tier is the base.
    """

    def __init__(self, chains: Chains, lanes: Lanes, highest: float, *, base_is_fast: bool) -> None:
        self.chains, self.lanes, self.base_is_fast = chains, lanes, base_is_fast
        base, other = (chains.fast, chains.slow) if base_is_fast else (chains.slow, chains.fast)
        self.times = np.asarray(base.sum(axis=1), dtype=np.float64).ravel()
        self.envelope = Envelope(chains, lanes, self.times, highest)
        self.base, self.other = _Entries(base), _Entries(other)
        chain, column = chains.fast.tocoo().coords
        rank = np.searchsorted(chains.first, chain, side="right") - 1
        # Ordered by object; each object and row once.
        self._pairs = np.unique(column.astype(np.int64) * max(chains.rows, 1) + (chain - chains.first[rank]))

    def pairs(self, columns: Ints) -> tuple[Ints, Ints]:
        """Of these objects, a range, the rows that each takes part in: object and row, ordered by row."""
        rows = max(self.chains.rows, 1)
        start, stop = np.searchsorted(self._pairs, [columns[0] * rows, (columns[-1] + 1) * rows])
        found = self._pairs[start:stop]
        order = np.argsort(found % rows, kind="stable")
        return (found // rows)[order], (found % rows)[order]


class _Entries:
    """Looks entries of a sparse array up, many at once."""

    def __init__(self, array: sparse.csr_array) -> None:
        whole = array.copy()
        whole.sum_duplicates()
        row, column = whole.tocoo().coords
        self._width = array.shape[1]
        self._keys = row.astype(np.int64) * self._width + column
        self._values = np.concatenate([whole.data, [0.0]])

    def __call__(self, row: Ints, column: Ints) -> Floats:
        """The entries, 0 where there is none."""
        key = row * self._width + column
        at = np.searchsorted(self._keys, key)
        found = at < len(self._keys)
        found[found] = self._keys[at[found]] == key[found]
        return self._values[np.where(found, at, -1)]


class _AloneStalls:
    """The stalls of all lanes with one object each on the other tier.

    Parameters
    ----------
    others
        The run without them.
    columns
        The objects, one a plan: a range.
    """

    def __init__(self, others: _Others, columns: Ints) -> None:
        self._others, self._plans = others, len(columns)
        chains = others.chains
        column, self._row = others.pairs(columns)
        self._plan = column - columns[0]
        self._lane = chains.lane[self._row]
        # The chains of each pair's row, rank by rank, as the chains themselves are ordered.
        having = np.searchsorted(self._row, np.diff(chains.first))
        self._first = np.concatenate([[0], np.cumsum(having)]).astype(np.int64)
        rank = np.repeat(np.arange(len(having)), having)
        pair = np.arange(self._first[-1]) - self._first[rank]
        chain = chains.first[rank] + self._row[pair]
        own, moved = others.base(chain, column[pair]), others.other(chain, column[pair])
        self._fixed = chains.fixed[chain][:, None]
        self._times = others.times[chain][:, None]
        self._rest, self._moved = self._times - own[:, None], moved[:, None]

    def __call__(self, fast: Floats, slow: Floats) -> Linear:
        """The stalls at these multiples of each slice (S, P), by lane (L, P)."""
        base, other = (fast, slow) if self._others.base_is_fast else (slow, fast)
        lanes = self._others.lanes
        fixed, slope = self._others.envelope(lanes.spread(base))
        none = np.zeros_like(fixed)
        if len(self._row) == 0:
            return self._linear(fixed, slope, none)
        at = (lanes.slice_of[self._lane], self._plan)
        multiple, moved = base[at][:, None], other[at][:, None]
        before = self._stalled(Linear(self._fixed, self._times, np.zeros_like(self._times)), multiple, moved)
        after = self._stalled(Linear(self._fixed, self._rest, self._moved), multiple, moved)
        return self._linear(fixed + after.fixed - before.fixed, slope + after.fast - before.fast, after.slow)

    def _stalled(self, times: Linear, base: Floats, other: Floats) -> Linear:
        """The stalls of the pairs' rows, by lane and plan; `fast` stands for the base."""
        chains = self._others.chains
        compute = chains.base_ns[self._row][:, None]
        won, longest = slowest_chain(self._first, times, base, other, slice(0, len(self._row)))
        counted = np.where(longest > compute, chains.count[self._row][:, None], 0.0)
        place = self._lane * self._plans + self._plan
        shape = (self._others.lanes.count, self._plans)
        parts = ((won.fixed - compute) * counted, won.fast * counted, won.slow * counted)
        return Linear(*(np.asarray(np.bincount(place, part[:, 0], shape[0] * shape[1]), dtype=np.float64).reshape(shape) for part in parts))

    def _linear(self, fixed: Floats, base: Floats, other: Floats) -> Linear:
        return Linear(fixed, base, other) if self._others.base_is_fast else Linear(fixed, other, base)
