"""How long a tier is busy with its traffic: by direction, mix, threads and block size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.tier import LINE_BYTES, PAGE_BYTES, Tier
from tierprof.models.timing.traffic import TierTraffic

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TierLoad:
    """How a tier is loaded, by slice: each (S, P).

    Attributes
    ----------
    busy_ns : ndarray
        The least time in which it can do its traffic.
    read_share : ndarray
        Reads among its lines.
    read_bytes, write_bytes : ndarray
        Lines that cross its bus (for a paged tier: pages).
    """

    busy_ns: Floats
    read_share: Floats
    read_bytes: Floats
    write_bytes: Floats


def tier_load(tier: Tier, traffic: TierTraffic, lanes: Lanes, threads_factor: float, filled: Floats | None = None) -> TierLoad:
    """The load of `tier` under `traffic`.

    Parameters
    ----------
    tier
        The tier.
    traffic
        By lane.
    lanes
        Of the profile.
    threads_factor
        How many threads each of the trace's stands for.
    filled
        Lines that are written to the tier besides (L, P), to keep them in a cache.
    """
    written = traffic.nt + traffic.evicted
    readers, writers = (_threads(lines, lanes) * threads_factor for lines in (traffic.lines, written))
    evicted = lanes.total(traffic.evicted) + (0.0 if filled is None else lanes.total(filled))
    lines, nt = lanes.total(traffic.lines), lanes.total(traffic.nt)
    blocks, nt_blocks = lanes.total(traffic.blocks), lanes.total(traffic.nt_blocks)
    evicted_blocks = lanes.total(traffic.evicted_blocks) + (0.0 if filled is None else lanes.total(filled))
    read_blocks = blocks + tier.read_combining_loss(readers) * (lines - blocks)
    write_blocks = nt_blocks + tier.write_combining_loss(writers) * (nt - nt_blocks)
    write_blocks += np.maximum(evicted_blocks, tier.eviction_blocks_per_line(writers) * evicted)
    read_ns = threads_factor * read_blocks * tier.block_bytes / tier.read_gb_s(readers)
    write_ns = threads_factor * write_blocks * tier.block_bytes / tier.write_gb_s(writers)
    media_ns = (read_ns + write_ns) / tier.mix(_share(read_ns, write_ns))
    moved_bytes = threads_factor * (PAGE_BYTES if tier.paged else LINE_BYTES)
    read_bytes, write_bytes = lines * moved_bytes, (nt + evicted) * moved_bytes
    return TierLoad(
        busy_ns=np.maximum(media_ns, (read_bytes + write_bytes) / tier.bus_gb_s),
        read_share=_share(read_bytes, write_bytes),
        read_bytes=read_bytes,
        write_bytes=write_bytes,
    )


def _threads(lines: Floats, lanes: Lanes) -> Floats:
    """How many threads share a slice's traffic: the number of equal ones that would be as uneven (inverse Simpson index)."""
    whole, squares = lanes.total(lines), lanes.total(lines**2)
    return np.divide(whole**2, squares, out=np.ones_like(whole), where=squares > 0)


def _share(reads: Floats, writes: Floats) -> Floats:
    whole = reads + writes
    return np.divide(reads, whole, out=np.ones_like(whole), where=whole > 0)
