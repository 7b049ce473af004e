"""How long each slice takes: its slowest thread, or the busiest tier, with the latency that this very load brings about.

A slice of time T loads each tier to ``busy / T``, which sets the multiple of its latency, which sets how long its threads take: f(T). As
latency only rises with load, f never rises with T, so there is exactly one T = f(T), and any T is on one side of it and f(T) on the other.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tierprof.models.timing.bandwidth import TierLoad
from tierprof.models.timing.episodes import Linear
from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.tier import Tier

Floats = NDArray[np.float64]

TOLERANCE = 1e-9
# Where latency rises steeply f falls steeply: T must be known much better than T = f(T) is to hold.
_BISECTED = 1e-13
_MOST_ROUNDS = 60
_MOST_BISECTIONS = 80


class Stalls(Protocol):
    """The stalls of all lanes (L, P) as the linear function that holds at these multiples of each slice (S, P)."""

    def __call__(self, fast: Floats, slow: Floats) -> Linear:
        """The function; it must not exceed the true stalls anywhere else (they are a maximum of such functions)."""


@dataclass(frozen=True)
class Streams:
    """What prefetchers fetch from one tier for each lane (L, P).

    A stream is within one page at a time, and pages are dealt out to DIMMs: the lines under way queue at one of them, however idle the
    others are (FAST20: 4 KiB interleaving).

    Attributes
    ----------
    flights_ns : ndarray
        Idle latency of the lines, shared out over the buffers beyond L2.
    busy_ns : ndarray
        How long one DIMM is busy with them; 0 if they are not interleaved so.
    """

    flights_ns: Floats
    busy_ns: Floats


@dataclass(frozen=True)
class Work:
    """What there is to do in every slice under P plans.

    Attributes
    ----------
    compute_ns : ndarray
        Of each lane (L, 1).
    stalls : Stalls
        Of each lane, overlap taken into account.
    serial : Linear
        Stalls of each lane that nothing overlaps (L, P).
    occupied : tuple of Linear
        Least times of each lane by its miss buffers, and by the buffers beyond L2 (L, P); the latter without `streams`.
    streams : tuple of Streams
        Of the fast and of the slow tier.
    loads : tuple of TierLoad
        Of the fast and of the slow tier (S, P).
    tiers : tuple of Tier
        The two.
    """

    compute_ns: Floats
    stalls: Stalls
    serial: Linear
    occupied: tuple[Linear, Linear]
    streams: tuple[Streams, ...]
    loads: tuple[TierLoad, TierLoad]
    tiers: tuple[Tier, Tier]


@dataclass(frozen=True)
class SliceTimes:
    """How long the slices take under P plans and what bounds them, in ns: each (S, P); the four parts sum to `total_ns`.

    Attributes
    ----------
    total_ns : ndarray
        Of each slice.
    compute_ns, latency_ns, occupancy_ns, bandwidth_ns : ndarray
        The slowest thread's compute; what stalls add to it; what full buffers add; what busy tiers add.
    gap : float
        The largest relative difference between a slice's time and what its own load brings about.
    """

    total_ns: Floats
    compute_ns: Floats
    latency_ns: Floats
    occupancy_ns: Floats
    bandwidth_ns: Floats
    gap: float


def slice_times(work: Work, lanes: Lanes) -> SliceTimes:
    """The times of all slices.

    The stalls are a maximum of linear functions of the multiples. Each round solves with those that hold where the last one ended; they
    never exceed the truth, so the times only rise, towards the one solution, and stay when no function changes.
    """
    time = np.full_like(work.loads[0].busy_ns, np.inf)
    for _ in range(_MOST_ROUNDS):
        stalls = work.stalls(*_multiples(work, time))
        parts = _parts(work, lanes, stalls, time)
        gap = float(np.max(np.abs(parts[-1] - time) / np.maximum(parts[-1], 1e-300), initial=0.0))
        if gap <= TOLERANCE:
            break
        time = _solved(work, lanes, stalls)
    compute, stalled, threads, total = parts
    return SliceTimes(total, compute, stalled - compute, threads - stalled, total - threads, gap)


def _multiples(work: Work, time: Floats) -> tuple[Floats, Floats]:
    """Of the two tiers' latency, when the slices take `time` (S, P)."""
    fast, slow = (
        tier.loaded(np.divide(load.busy_ns, time, out=np.zeros_like(time), where=time > 0).clip(0, 1), load.read_share)
        for tier, load in zip(work.tiers, work.loads, strict=True)
    )
    return fast, slow


def _parts(work: Work, lanes: Lanes, stalls: Linear, time: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each slice the least time by compute, then by stalls too, then by buffers too, then by tiers too: (S, P) each.

    `time` (S, P) is how long they are taken to last, which sets the load.
    """
    fast, slow = (lanes.spread(multiple) for multiple in _multiples(work, time))
    threads = work.compute_ns + stalls(fast, slow) + work.serial(fast, slow)
    compute = lanes.slowest(np.broadcast_to(work.compute_ns, threads.shape))
    stalled = lanes.slowest(threads)
    missing, beyond_l2 = (bound(fast, slow) for bound in work.occupied)
    for streams, tier, multiple in zip(work.streams, work.tiers, (fast, slow), strict=True):
        beyond_l2 += streams.flights_ns * np.maximum(multiple, _queue(streams, tier, lanes.spread(time)))
        threads = np.maximum(threads, streams.busy_ns)
    occupied = lanes.slowest(np.maximum(threads, np.maximum(missing, beyond_l2)))
    return compute, stalled, occupied, np.maximum(occupied, np.maximum(*(load.busy_ns for load in work.loads)))


def _queue(streams: Streams, tier: Tier, time: Floats) -> Floats:
    """The multiple of the latency at the DIMM that a lane's stream is in, when the lane takes `time` (L, P)."""
    utilisation = np.divide(streams.busy_ns, time, out=np.zeros_like(time), where=time > 0).clip(0, 1)
    return tier.loaded(utilisation, np.ones_like(utilisation))


def _solved(work: Work, lanes: Lanes, stalls: Linear) -> Floats:
    """The one T = f(T) of each slice and plan, for the given linear stalls."""

    def f(time: Floats) -> Floats:
        return _parts(work, lanes, stalls, time)[-1]

    low = f(np.full_like(work.loads[0].busy_ns, np.inf))
    high = f(low)
    for _ in range(_MOST_BISECTIONS):
        if np.all(high - low <= _BISECTED * high):
            break
        middle = (low + high) / 2
        found = f(middle)
        above = found > middle
        low = np.where(above, middle, np.maximum(low, found))
        high = np.where(above, np.minimum(high, found), middle)
    return (low + high) / 2
