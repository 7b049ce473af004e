"""A paged tier: DRAM holds the pages that were used last, and a fault fetches one that it does not."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.residence import Residence
from tierprof.models.timing.reuse import ReuseDistances, least_recently_used
from tierprof.models.timing.tier import LINE_BYTES, PAGE_BYTES

Floats = NDArray[np.float64]


class PageCache:
    """Who answers when the slow tier is a device of pages: DRAM always, and the device before it on a fault.

    Pages are replaced least recently used first; a written page is written back when it is replaced.

    Parameters
    ----------
    reuse
        The trace's exact_reuse.
    objects
        Of the run.
    dram_bytes
        Of the cache.

    Raises
    ------
    ModelError
        If the trace has no reuse distances of pages.
    """

    def __init__(self, reuse: pd.DataFrame, objects: NDArray[np.int64], dram_bytes: float) -> None:
        self._distances = ReuseDistances(reuse, PAGE_BYTES, objects)
        self._pages = max(dram_bytes / PAGE_BYTES, 1.0)

    def __call__(self, slow_share: Floats) -> Residence:
        """The residence for `slow_share` (n, P)."""
        faults = slow_share * self._distances.miss_ratio(slow_share, self._pages, least_recently_used)
        return Residence(fast=np.ones_like(slow_share), slow=faults, fill=faults * (PAGE_BYTES / LINE_BYTES))
