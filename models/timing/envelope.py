"""The stalls of a run whose lines all come from one tier: of each lane a function of that tier's multiple alone, known exactly.

An episode stalls for the largest of some straight lines of the multiple. Their upper envelope is walked once, from the idle tier up; each
place where another line takes over is an event of the lane. The sums of all events up to a multiple are the lane's straight line there.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tierprof.models.timing.episodes import Chains
from tierprof.models.timing.lanes import Lanes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Envelope:
    """The stalls of all lanes by one tier's multiple.

    Parameters
    ----------
    chains
        Of the run.
    lanes
        Of the run.
    times
        What each chain takes on the idle tier, in ns (chains,).
    highest
        The largest multiple that is asked for.
    """

    def __init__(self, chains: Chains, lanes: Lanes, times: Floats, highest: float) -> None:
        self._span = highest + 1.0
        lane, place, fixed, slope = _events(chains, times, highest)
        order = np.argsort(self._key(lane, place), kind="stable")
        self._keys = self._key(lane, place)[order]
        self._fixed, self._slope = (np.concatenate([[0.0], np.cumsum(part[order])]) for part in (fixed, slope))
        self._begin = np.searchsorted(self._keys, np.arange(lanes.count).astype(np.float64), side="left")

    def __call__(self, multiple: Floats) -> tuple[Floats, Floats]:
        """The straight line of each lane at `multiple` (L, P): what it stalls at none, and by how much for each 1 of the multiple."""
        lane = np.arange(len(multiple))[:, None]
        upto = np.searchsorted(self._keys, self._key(lane, multiple).ravel(), side="right").reshape(multiple.shape)
        before = self._begin[:, None]
        return self._fixed[upto] - self._fixed[before], self._slope[upto] - self._slope[before]

    def _key(self, lane: Ints, multiple: Floats) -> Floats:
        """One number that orders by lane first: multiples take part of the way to the next one."""
        return np.asarray(lane + multiple / self._span, dtype=np.float64)


def _events(chains: Chains, times: Floats, highest: float) -> tuple[Ints, Floats, Floats, Floats]:
    """Lane, multiple, and by how much the lane's straight line changes there."""
    fixed, slope = _padded(chains, times)
    rows = np.arange(chains.rows)
    # At the idle tier the line that is highest there; of equal ones that which rises fastest.
    value = fixed + slope
    tied = value >= value.max(axis=1, keepdims=True)
    now = np.where(tied, slope, -1.0).argmax(axis=1)
    events = [(rows, np.ones(len(rows)), fixed[rows, now], slope[rows, now])]
    while len(rows):
        level, rise = fixed[rows, now][:, None], slope[rows, now][:, None]
        steeper = slope[rows] > rise
        gap, excess = level - fixed[rows], slope[rows] - rise
        meets = np.divide(gap, excess, out=np.full_like(gap, np.inf), where=steeper)
        first = meets.min(axis=1)
        going = first <= highest
        rows, meets, first = rows[going], meets[going], first[going]
        after = np.where(meets <= first[:, None], slope[rows], -1.0).argmax(axis=1)
        events.append((rows, np.maximum(first, 1.0), fixed[rows, after] - level[going, 0], slope[rows, after] - rise[going, 0]))
        now = after
    row, place, up, steeper_by = (np.concatenate(part) for part in zip(*events, strict=True))
    count = chains.count[row]
    return chains.lane[row], place, up * count, steeper_by * count


def _padded(chains: Chains, times: Floats) -> tuple[Floats, Floats]:
    """The lines of each row side by side: not stalling at all, and each chain above the row's own compute."""
    of_rank = [slice(start, stop) for start, stop in pairwise(chains.first.tolist())]
    fixed = np.full((chains.rows, len(of_rank) + 1), -np.inf)
    slope = np.zeros_like(fixed)
    fixed[:, 0] = 0.0
    for at, rank in enumerate(of_rank, start=1):
        rows = slice(0, rank.stop - rank.start)
        fixed[rows, at] = chains.fixed[rank] - chains.base_ns[rows]
        slope[rows, at] = times[rank]
    return fixed, slope
