"""Prediction from an exact run: the timing model (models/timing), as the curve and the labels take it."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import MachineError
from tierprof.models.timing.alone import Alone
from tierprof.models.timing.machine import Machine, machine_names
from tierprof.models.timing.sampling import ratio_half_width
from tierprof.models.timing.slices import slice_times
from tierprof.models.timing.solve import Timing
from tierprof.models.timing.tier import BUFFERED_BLOCK_BYTES, PAGE_BYTES
from tierprof.placer.predict.forecast import Anchors, Slowdowns, Span, Times
from tierprof.placer.predict.sampled import LatencyRatio
from tierprof.profiler.exact.profile import ExactProfile

#: Memory Mode is timed with DRAM for these shares of the objects' peak.
_MODE_SHARES = (0.25, 0.5)

#: DRAM that caches pages of a paged slow tier, as a share of the objects' peak.
_PAGE_CACHE_SHARE = 0.1

_PLANS_AT_ONCE = 16  # of which the times of all slices are held


class ExactForecast:
    """Run times by the timing model; a `Forecast`."""

    additive = False

    def __init__(self, profile: ExactProfile, machine: Machine, page_cache_bytes: int | None = None) -> None:
        self._timing = Timing(profile, machine, page_cache_bytes=page_cache_bytes)
        self.objects = np.asarray(self._timing.objects, dtype=np.int64)

    def run(self, slow_share: NDArray[np.float64]) -> Times:
        """Run times under plans (plans, n)."""
        found = self._timing.run(slow_share)
        return Times(*(np.atleast_1d(own) for own in (found.seconds, found.low_s, found.high_s)))

    def slowdowns(self, slow_share: NDArray[np.float64]) -> Slowdowns:
        """The same over everything in fast memory."""
        timing, lanes = self._timing, self._timing.lanes
        parts = np.array_split(slow_share, max(1, len(slow_share) // _PLANS_AT_ONCE))
        times_s = np.concatenate([_slice_seconds(timing, part) for part in parts], axis=1)
        fast_s = _slice_seconds(timing, np.zeros((1, len(self.objects))))
        value = (lanes.weight @ times_s) / max(float((lanes.weight @ fast_s)[0]), 1e-300)
        half = ratio_half_width(times_s, fast_s, lanes)
        return Slowdowns(value, np.maximum(value - half, 0.0), value + half)

    def anchors(self) -> Anchors:
        """Every object alone in either tier."""
        alone = self._alone
        return Anchors(float(alone.all_fast_s), float(alone.all_slow_s), alone.alone_slow_s, alone.alone_fast_s)

    @cached_property
    def _alone(self) -> Alone:
        return self._timing.alone()

    def pairs(self, top: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The costliest objects (k,), at most `top`, and what two of them together cost beyond the sum of each alone, seconds (k, k)."""
        extra_s = self._timing.pairs(top, self._alone)
        return extra_s.index.to_numpy(), extra_s.to_numpy()


def _slice_seconds(timing: Timing, slow_share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time of each slice under plans (plans, n): (slices, plans)."""
    return slice_times(timing.work(slow_share.T), timing.lanes).total_ns * 1e-9


def check_two_tiers(machine: Machine) -> None:
    """Refuse a machine that has only one kind of memory.

    Raises
    ------
    MachineError
        With the machines that come with tierprof.
    """
    if machine.fast == machine.slow:
        raise MachineError(
            f"machine {machine.name}",
            f"it has only {machine.fast}, and a prediction needs two tiers",
            f"take one of {', '.join(machine_names())}",
        )


def latency_ratio(machine: Machine) -> LatencyRatio:
    """Idle latency of the slow tier over the fast one's, for what samples cannot tell apart.

    Raises
    ------
    MachineError
        If the slow tier is paged: what a fault costs a program depends on how it uses its pages again, which samples do not tell.
    """
    if machine.tiers[machine.slow].paged is not None:
        why = f"{machine.slow} is reached by page faults, and samples do not tell how pages are used again"
        raise MachineError(f"machine {machine.name}", why, "record the program with `tierprof run --source exact`")
    fast, slow = machine.tiers[machine.fast], machine.tiers[machine.slow]
    return LatencyRatio(slow.near_ns / fast.near_ns, slow.far_ns / fast.far_ns)


def page_cache_bytes(machine: Machine, peak_bytes: int) -> int | None:
    """DRAM that caches the pages of a paged slow tier, beside what a budget gives to objects; None for any other tier.

    A tenth of the objects' peak, at most what the machine file says: a cache of a fixed size would swallow a small program whole.
    """
    paged = machine.tiers[machine.slow].paged
    return None if paged is None else max(PAGE_BYTES, min(paged.cache_bytes, int(_PAGE_CACHE_SHARE * peak_bytes)))


def memory_mode(profile: ExactProfile, machine: Machine, peak_bytes: int) -> dict[int, Span]:
    """Run times with everything in the slow tier and DRAM as its cache, by bytes of DRAM; empty for what has no such mode.

    Memory Mode is Optane's: the tier that moves 256 B blocks.
    """
    if machine.tiers[machine.slow].block_bytes != BUFFERED_BLOCK_BYTES:
        return {}
    found = {}
    for share in _MODE_SHARES:
        dram_bytes = int(share * peak_bytes)
        if dram_bytes > 0:
            timing = Timing(profile, machine, memory_mode_dram_bytes=dram_bytes)
            time = timing.run(np.ones(len(timing.objects)))
            found[dram_bytes] = Span(float(time.seconds), float(time.low_s), float(time.high_s))
    return found
