"""How fast threads write to a tier, by their number: what it bears before more of them make it slower."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierprof.models.timing.bandwidth import tier_load
from tierprof.models.timing.host import Host
from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.tier import BUFFERED_BLOCK_BYTES, LINE_BYTES, Tier
from tierprof.models.timing.traffic import TierTraffic

Floats = NDArray[np.float64]

_LINES = 1024.0  # of each thread; the figure falls out
_BEST = 0.98  # of the highest bandwidth: there, adding threads has stopped helping
_FALLEN = 0.95  # of the highest bandwidth: below that it has fallen


@dataclass(frozen=True)
class WriteThreads:
    """Bandwidth of writers in order, by their number.

    Attributes
    ----------
    gb_s : ndarray
        (threads,) what 1, 2, .. threads write together, GB/s of the program's own bytes.
    enough : int
        Threads that reach the highest bandwidth, to 2 %.
    most : int or None
        Threads beyond which it is more than 5 % lower; None: as many as the host has cores do no harm.
    """

    gb_s: Floats
    enough: int
    most: int | None


def write_threads(tier: Tier, host: Host, *, temporal: bool) -> WriteThreads:
    """What threads that write whole blocks one after the other get of a tier.

    Each thread is bound by its miss buffers (Little's law on the idle latency), all together by the tier as the timing model has it.

    Parameters
    ----------
    tier
        The tier.
    host
        Whose threads, up to its number of cores.
    temporal
        Plain stores, which fetch each line and write it when caches evict it; else non-temporal ones.
    """
    threads = np.arange(1, host.cores + 1)
    whole = np.array([_together_gb_s(tier, int(count), temporal=temporal) for count in threads])
    # Stores of one buffered block are under way together, and take as long as the block does (traffic.py).
    store_ns = tier.mid_ns if tier.block_bytes == BUFFERED_BLOCK_BYTES else tier.near_ns
    line_ns = store_ns + host.evict_ns if temporal else tier.nt_ns
    gb_s = np.minimum(threads * host.miss_buffers * LINE_BYTES / line_ns, whole)
    highest = float(gb_s.max())
    enough = int(np.flatnonzero(gb_s >= _BEST * highest)[0])
    fallen = np.flatnonzero(gb_s[enough:] < _FALLEN * highest)
    return WriteThreads(gb_s, enough + 1, int(enough + fallen[0]) if len(fallen) else None)


def _together_gb_s(tier: Tier, threads: int, *, temporal: bool) -> float:
    """What the tier itself does for so many threads."""
    blocks = _LINES * LINE_BYTES / tier.block_bytes if tier.block_bytes == BUFFERED_BLOCK_BYTES else _LINES
    none, lines, whole_blocks = (np.full((1, 1), value) for value in (0.0, _LINES, blocks))
    reads, evictions, stores = (lines, lines, none) if temporal else (none, none, lines)
    read_blocks, evicted_blocks, nt_blocks = (whole_blocks, whole_blocks, none) if temporal else (none, none, whole_blocks)
    traffic = TierTraffic(
        lines=reads,
        blocks=read_blocks,
        nt=stores,
        nt_blocks=nt_blocks,
        evicted=evictions,
        evicted_blocks=evicted_blocks,
        waits_ns=none,
        streams_ns=none,
        streams_busy_ns=none,
        posted_ns=none,
        stalls_ns=none,
        fixed_ns=none,
    )
    load = tier_load(tier, traffic, _ONE_LANE, threads)
    return float(threads * _LINES * LINE_BYTES / load.busy_ns[0, 0])


_ZERO, _ONE = np.zeros(1), np.ones(1)
#: One thread in one slice.
_ONE_LANE = Lanes(
    slice_of=np.zeros(1, np.int64),
    starts=np.zeros(1, np.int64),
    weight=_ONE,
    instructions=_ONE,
    base_cycles=_ZERO,
    fences=_ZERO,
    _keys=np.zeros(1, np.int64),
    _threads=1,
)
