"""The run time of an exact run on a machine, under any plan."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tierprof.base.errors import ModelError
from tierprof.models.timing.alone import Alone, alone
from tierprof.models.timing.bandwidth import TierLoad, tier_load
from tierprof.models.timing.dram_cache import memory_mode, page_cache
from tierprof.models.timing.episodes import Chains, EpisodeStalls, Linear
from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.nodes import Core, nodes_of
from tierprof.models.timing.residence import Reside, side_by_side
from tierprof.models.timing.sampling import half_width_s
from tierprof.models.timing.slices import SliceTimes, Stalls, Streams, Work, slice_times
from tierprof.models.timing.traffic import ObjectRows, TierCounts
from tierprof.profiler.exact.profile import ExactProfile

Floats = NDArray[np.float64]

_NS = 1e-9


@dataclass(frozen=True)
class RunTime:
    """How long the run takes; every figure is a scalar for one plan, an array (P,) for P plans.

    Attributes
    ----------
    seconds : ndarray
        The run.
    low_s, high_s : ndarray
        Its 95 % interval by the sampling of intervals; both `seconds` if everything was measured. The model's own error is not in it.
    fast_read_bytes, fast_write_bytes, slow_read_bytes, slow_write_bytes : ndarray
        What crosses each tier's bus.
    fast_utilisation, slow_utilisation : ndarray
        Share of the run in which a tier could have done its traffic at best.
    compute_share, latency_share, occupancy_share, bandwidth_share : ndarray
        What bounds the run: the slowest threads' compute, their stalls, their full miss buffers, busy tiers. They sum to 1.
    """

    seconds: Floats
    low_s: Floats
    high_s: Floats
    fast_read_bytes: Floats
    fast_write_bytes: Floats
    slow_read_bytes: Floats
    slow_write_bytes: Floats
    fast_utilisation: Floats
    slow_utilisation: Floats
    compute_share: Floats
    latency_share: Floats
    occupancy_share: Floats
    bandwidth_share: Floats

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The plans of several, one after the other."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__})

    def __getitem__(self, plan: int) -> "RunTime":
        """One plan of several."""
        return RunTime(**{name: getattr(self, name)[plan] for name in self.__dataclass_fields__})


class Timing:
    """Times a run on a machine.

    Parameters
    ----------
    profile
        The run.
    machine
        The machine.
    threads_factor
        How many threads each of the trace's stands for: they all do the same at the same time, and share the tiers.
    memory_mode_dram_bytes
        Uses the slow tier in Memory Mode: so much DRAM is a direct-mapped cache in front of what a plan puts on the slow tier.
    page_cache_bytes
        DRAM that holds pages of a paged slow tier; the machine file's figure unless given.

    Raises
    ------
    ModelError
        If nothing was measured, or the trace lacks what this use of the machine needs.
    """

    #: Doubles that one chunk of plans may hold at once in each of a few arrays.
    chunk_doubles = 4_000_000

    def __init__(
        self,
        profile: ExactProfile,
        machine: Machine,
        threads_factor: float = 1,
        memory_mode_dram_bytes: float | None = None,
        page_cache_bytes: float | None = None,
    ) -> None:
        self.machine = machine
        self.objects: NDArray[np.int64] = np.asarray(profile.object_ids, dtype=np.int64)
        self._factor = float(threads_factor)
        self._tiers = (machine.tiers[machine.fast], machine.tiers[machine.slow])
        self.lanes = Lanes.of(profile)
        rows = ObjectRows.of(profile.objects, self.lanes, self.objects)
        core = {**machine.host.simulated, **profile.config}
        nodes = nodes_of(profile, rows, self.lanes, self.objects, Core(core["miss_buffers"], core["window_instructions"]))
        self.chains = Chains.of(profile.episodes, nodes, machine, self.lanes, len(self.objects))
        self._counts = tuple(TierCounts(tier, rows, self.lanes, len(self.objects)) for tier in self._tiers)
        self._l3_ns = self.lanes.counted(rows.lane, rows.l3_hits)[:, None] * machine.host.l3_ns
        self._evict_ns = self.lanes.counted(rows.lane, rows.evicted)[:, None] * machine.host.evict_ns
        self._compute_ns = self.lanes.base_cycles[:, None] / machine.ghz
        self.reside: Reside = self._use(profile.reuse, memory_mode_dram_bytes, page_cache_bytes)

    def _use(self, reuse: pd.DataFrame, memory_mode_dram_bytes: float | None, page_cache_bytes: float | None) -> Reside:
        paged = self._tiers[1].paged
        if paged and memory_mode_dram_bytes is not None:
            raise ModelError(
                f"{self.machine.name} cannot be timed in Memory Mode", "its slow tier is paged", "give the size of the page cache"
            )
        if paged:
            return page_cache(reuse, self.objects, paged.cache_bytes if page_cache_bytes is None else page_cache_bytes)
        if memory_mode_dram_bytes is not None:
            return memory_mode(reuse, self.objects, memory_mode_dram_bytes)
        return side_by_side

    @property
    def addressed(self) -> bool:
        """Whether the program addresses both tiers, with no cache in front of the slow one."""
        return self.reside is side_by_side

    @property
    def highest_multiple(self) -> float:
        """The largest multiple of the idle latency that either tier's curves know."""
        return max(tier.loaded.highest for tier in self._tiers)

    def run(self, slow_share: ArrayLike) -> RunTime:
        """The run time under one plan or many.

        Parameters
        ----------
        slow_share
            Share of each of `objects` that is on the slow tier: (n,), or (P, n) for P plans.

        Raises
        ------
        ModelError
            If the shape is another, or a share is outside of [0, 1].
        """
        plans = np.asarray(slow_share, dtype=np.float64)
        if plans.ndim not in (1, 2) or plans.shape[-1] != len(self.objects):
            why = f"it has the shape {plans.shape}, the run {len(self.objects)} objects"
            raise ModelError("the plan cannot be timed", why, "give one share for each of `objects`")
        if not np.all((plans >= 0) & (plans <= 1)):
            raise ModelError(
                "the plan cannot be timed", "a share is outside of 0 to 1", "give the share of each object that is on the slow tier"
            )
        if plans.ndim == 1:
            return self._run(plans[:, None])[0]
        step = self._plans_at_once()
        return RunTime.joined([self._run(plans[at : at + step].T) for at in range(0, len(plans), step)])

    def alone(self) -> Alone:
        """Every object alone on the slow tier, and alone on the fast one."""
        return alone(self)

    def pairs(self, top: int, alone: Alone | None = None) -> pd.DataFrame:
        """How much more two objects cost together than each by itself, where bandwidth or a common episode couples them.

        Parameters
        ----------
        top
            How many objects: those that cost most alone on the slow tier.
        alone
            What `alone` said, if it has been asked already.

        Returns
        -------
        DataFrame
            Seconds: the run with both on the slow tier, less the run without, less what each adds alone. Symmetric, with zeros on its
            diagonal; rows and columns are the objects, costliest first.
        """
        found = alone or self.alone()
        cost = found.alone_slow_s - found.all_fast_s
        first = np.argsort(-cost, kind="stable")[:top]
        one, other = np.triu_indices(len(first), 1)
        plans = np.zeros((len(one), len(self.objects)))
        plans[np.arange(len(one)), first[one]] = plans[np.arange(len(one)), first[other]] = 1.0
        matrix = np.zeros((len(first), len(first)))
        if len(one):
            together = self.run(plans).seconds - found.all_fast_s - cost[first[one]] - cost[first[other]]
            matrix[one, other] = matrix[other, one] = together
        return pd.DataFrame(matrix, index=self.objects[first], columns=self.objects[first])

    def _plans_at_once(self) -> int:
        return max(1, self.chunk_doubles // max(len(self.chains.fixed), 10 * self.lanes.count, 1))

    def _run(self, slow_share: Floats) -> RunTime:
        return self.timed(self.work(slow_share))

    def timed(self, work: Work) -> RunTime:
        """The run time of P plans by their work."""
        return self._summed(slice_times(work, self.lanes), work.loads)

    def work(self, slow_share: Floats, stalls: Stalls | None = None) -> Work:
        """What there is to do under P plans (n, P); `stalls`: as a pass over all episodes finds them, unless given."""
        residence = self.reside(slow_share)
        stalls = EpisodeStalls(self.chains, self.lanes, residence) if stalls is None else stalls
        fast, slow = (counts.traffic(share) for counts, share in zip(self._counts, (residence.fast, residence.slow), strict=True))
        filled = None if residence.fill is None else self._counts[0].traffic(residence.fill).lines
        host = self.machine.host
        held_ns = self._l3_ns + self._evict_ns + fast.posted_ns + slow.posted_ns
        return Work(
            compute_ns=self._compute_ns,
            stalls=stalls,
            serial=Linear(fast.fixed_ns + slow.fixed_ns, fast.stalls_ns, slow.stalls_ns),
            occupied=(
                Linear(held_ns / host.miss_buffers, fast.waits_ns / host.miss_buffers, slow.waits_ns / host.miss_buffers),
                Linear(self._l3_ns / host.l2_buffers, fast.waits_ns / host.l2_buffers, slow.waits_ns / host.l2_buffers),
            ),
            streams=tuple(Streams(tier.streams_ns / host.l2_buffers, tier.streams_busy_ns) for tier in (fast, slow)),
            loads=(
                tier_load(self._tiers[0], fast, self.lanes, self._factor, filled),
                tier_load(self._tiers[1], slow, self.lanes, self._factor),
            ),
            tiers=self._tiers,
        )

    def _summed(self, times: SliceTimes, loads: tuple[TierLoad, TierLoad]) -> RunTime:
        def whole(values: Floats) -> Floats:
            return np.asarray(self.lanes.weight @ values)

        total_ns = whole(times.total_ns)
        known = np.maximum(total_ns, 1e-300)
        half = half_width_s(times.total_ns * _NS, self.lanes)
        seconds = total_ns * _NS
        return RunTime(
            seconds=seconds,
            low_s=np.maximum(seconds - half, 0.0),
            high_s=seconds + half,
            fast_read_bytes=whole(loads[0].read_bytes),
            fast_write_bytes=whole(loads[0].write_bytes),
            slow_read_bytes=whole(loads[1].read_bytes),
            slow_write_bytes=whole(loads[1].write_bytes),
            fast_utilisation=whole(loads[0].busy_ns) / known,
            slow_utilisation=whole(loads[1].busy_ns) / known,
            compute_share=whole(times.compute_ns) / known,
            latency_share=whole(times.latency_ns) / known,
            occupancy_share=whole(times.occupancy_ns) / known,
            bandwidth_share=whole(times.bandwidth_ns) / known,
        )
