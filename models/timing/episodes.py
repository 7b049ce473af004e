"""What overlaps: the episodes of a run and their chains, and how long threads stall on them under a plan and load.

A chain's time is a constant (its L3 hits), plus what its nodes take on the fast tier, plus what they take on the slow one; load
multiplies the last two. An episode's time is that of its slowest chain, and stalls its thread for as much as exceeds its own compute. Both
are maxima of linear functions of the two multiples: at any point they are given as the linear function that holds there.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.nodes import L3, Nodes
from tierprof.models.timing.residence import Residence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows are timed so many figures at a time, which a core's cache holds.
_CACHED_DOUBLES = 1 << 14


@dataclass(frozen=True)
class Linear:
    """``fixed + fast x (fast tier's multiple) + slow x (slow tier's)``, in ns; arrays of one shape."""

    fixed: Floats
    fast: Floats
    slow: Floats

    def __call__(self, fast: Floats | float, slow: Floats | float) -> Floats:
        """The value under these multiples."""
        return self.fixed + self.fast * fast + self.slow * slow

    def plus(self, fixed: Floats | float = 0.0, fast: Floats | float = 0.0, slow: Floats | float = 0.0) -> "Linear":
        """With these added."""
        return Linear(self.fixed + fixed, self.fast + fast, self.slow + slow)


@dataclass(frozen=True)
class Chains:
    """The episodes and chains of a run on a machine.

    Rows of the episodes table are ordered by how many chains they have, most first, and chains by rank and then row: chain k of row i is
    at ``first[k] + i``, so that the k-th chains of all rows that have one lie side by side.

    Attributes
    ----------
    count, base_ns : ndarray
        Of each row: how many episodes, and the compute of one of them.
    lane : ndarray of int
        Of each row.
    first : ndarray of int
        Where each rank starts in the chains; one more at the end.
    fixed : ndarray
        L3 hits of each chain, in ns.
    fast, slow : csr_array
        What each chain takes on the idle tier by object, in ns: (chains, n).
    of_lane : csr_array
        Sums rows up by lane, each as often as it happened: (L, rows).
    """

    count: Floats
    base_ns: Floats
    lane: Ints
    first: Ints
    fixed: Floats
    fast: sparse.csr_array
    slow: sparse.csr_array
    of_lane: sparse.csr_array

    @classmethod
    def of(cls, episodes: pd.DataFrame, nodes: Nodes, machine: Machine, lanes: Lanes, objects: int) -> "Chains":
        """The episodes of a run, timed with the idle latencies of `machine`; their nodes as `nodes_of` gives them."""
        # One number a chain, dense, in the order of its episode and its own number.
        keys, chain = np.unique(nodes.episode * 256 + nodes.chain, return_inverse=True)
        owner = keys // 256
        chains_of = np.bincount(owner, minlength=len(episodes))
        order = np.argsort(-chains_of, kind="stable")
        rows = episodes.iloc[order[: np.count_nonzero(chains_of)]]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        rank = np.arange(len(keys)) - (np.cumsum(chains_of) - chains_of)[owner]
        first = np.concatenate([[0], np.cumsum(np.bincount(rank))]).astype(np.int64)
        count = rows["count"].to_numpy(np.float64)
        fixed, fast, slow = _node_times(nodes, (first[rank] + place[owner])[chain], machine, objects, len(keys))
        base_ns, lane = rows["base_cycles"].to_numpy(np.float64) / count / machine.ghz, lanes.lane(rows)
        of_lane = sparse.csr_array((count, (lane, np.arange(len(lane)))), shape=(lanes.count, len(lane)))
        return cls(count, base_ns, lane, first, fixed, fast, slow, of_lane)

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.lane)


def _node_times(
    nodes: Nodes, chain: Ints, machine: Machine, objects: int, chains: int
) -> tuple[Floats, sparse.csr_array, sparse.csr_array]:
    """L3 time of each chain, and its time by object on each idle tier."""
    l3 = nodes.node_class == L3
    fixed = np.asarray(np.bincount(chain[l3], nodes.count[l3] * machine.host.l3_ns, chains), dtype=np.float64)
    fast, slow = machine.tiers[machine.fast], machine.tiers[machine.slow]
    # A paged tier is reached by faults, which nothing overlaps: they are counted with the traffic.
    slow_ns = np.zeros(3) if slow.paged else np.array(slow.class_ns)
    at, count, of_class = (chain[~l3], nodes.column[~l3]), nodes.count[~l3], nodes.node_class[~l3] - 1
    fast_part, slow_part = (
        sparse.csr_array((count * class_ns[of_class], at), shape=(chains, objects)) for class_ns in (np.array(fast.class_ns), slow_ns)
    )
    return fixed, fast_part, slow_part


class EpisodeStalls:
    """The stalls of all lanes under P plans: every chain of every episode is timed.

    Parameters
    ----------
    chains
        Of the run.
    lanes
        Of the run.
    residence
        Of the plans.
    """

    def __init__(self, chains: Chains, lanes: Lanes, residence: Residence) -> None:
        self._chains, self._lanes = chains, lanes
        self._times = Linear(chains.fixed[:, None], np.asarray(chains.fast @ residence.fast), np.asarray(chains.slow @ residence.slow))
        self._parts = np.empty((3, chains.rows, residence.fast.shape[1]))

    def __call__(self, fast: Floats, slow: Floats) -> Linear:
        """The stalls as they are at these multiples of each slice (S, P): by lane (L, P)."""
        chains = self._chains
        slice_of_row = self._lanes.slice_of[chains.lane]
        step = max(1, _CACHED_DOUBLES // fast.shape[1])
        for start in range(0, chains.rows, step):
            rows = slice(start, min(start + step, chains.rows))
            at = slice_of_row[rows]
            won, longest = slowest_chain(chains.first, self._times, fast[at], slow[at], rows)
            counted = longest > chains.base_ns[rows, None]
            for to, part in zip(self._parts, (won.fixed - chains.base_ns[rows, None], won.fast, won.slow), strict=True):
                np.multiply(part, counted, out=to[rows])
        return Linear(*(np.asarray(chains.of_lane @ part) for part in self._parts))


def slowest_chain(first: Ints, times: Linear, fast: Floats, slow: Floats, rows: slice) -> tuple[Linear, Floats]:
    """Of some rows the chain that takes longest at these multiples, and how long.

    Parameters
    ----------
    first
        Where each rank starts in the chains (as of `Chains`).
    times
        Of all chains: (chains, P); `fixed` may be (chains, 1).
    fast, slow
        Multiples of each of the rows: (rows, P).
    rows
        Which.
    """
    of_rank = [slice(start + rows.start, min(start + rows.stop, stop)) for start, stop in pairwise(first.tolist())]
    head = of_rank[0]
    best = Linear(*np.array(np.broadcast_arrays(times.fixed[head], times.fast[head], times.slow[head])))
    longest = best(fast, slow)
    for rank in of_rank[1:]:
        having = rank.stop - rank.start
        if having <= 0:
            break
        rival = Linear(times.fixed[rank], times.fast[rank], times.slow[rank])
        value = rival(fast[:having], slow[:having])
        wins = value > longest[:having]
        for kept, other in ((longest, value), (best.fixed, rival.fixed), (best.fast, rival.fast), (best.slow, rival.slow)):
            np.copyto(kept[:having], other, where=wins)
    return best, longest
