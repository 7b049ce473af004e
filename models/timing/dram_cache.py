"""DRAM as a cache in front of the slow tier: of lines in Memory Mode, of pages before a paged device."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.residence import Residence
from tierprof.models.timing.reuse import MissChance, ReuseDistances, direct_mapped, least_recently_used
from tierprof.models.timing.tier import LINE_BYTES, PAGE_BYTES

Floats = NDArray[np.float64]


class DramCache:
    """Who answers: DRAM always, and the slow tier on a miss, whose granule is then filled in.

    A granule that was written is written again to the slow tier when it is replaced: as often as granules of its object are missed.

    Parameters
    ----------
    granule_bytes
        What is fetched on a miss.
    chance
        Of a miss at a reuse distance.
    reuse
        The trace's exact_reuse.
    objects
        Of the run.
    dram_bytes
        Of the cache.

    Raises
    ------
    ModelError
        If the trace has no reuse distances of that granularity.
    """

    def __init__(self, granule_bytes: int, chance: MissChance, reuse: pd.DataFrame, objects: NDArray[np.int64], dram_bytes: float) -> None:
        self._distances = ReuseDistances(reuse, granule_bytes, objects)
        self._granules = max(dram_bytes / granule_bytes, 1.0)
        self._lines_each = granule_bytes / LINE_BYTES
        self._chance = chance

    def __call__(self, slow_share: Floats) -> Residence:
        """The residence for `slow_share` (n, P)."""
        missed = slow_share * self._distances.miss_ratio(slow_share, self._granules, self._chance)
        return Residence(fast=np.ones_like(slow_share), slow=missed, fill=missed * self._lines_each)


def memory_mode(reuse: pd.DataFrame, objects: NDArray[np.int64], dram_bytes: float) -> DramCache:
    """Memory Mode: a direct-mapped cache of lines, whose tag is looked up in DRAM before the slow tier is asked."""
    return DramCache(LINE_BYTES, direct_mapped, reuse, objects, dram_bytes)


def page_cache(reuse: pd.DataFrame, objects: NDArray[np.int64], dram_bytes: float) -> DramCache:
    """The cache before a device of pages: least recently used first; a fault asks the device."""
    return DramCache(PAGE_BYTES, least_recently_used, reuse, objects, dram_bytes)
