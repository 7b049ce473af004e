"""Memory Mode: DRAM as a direct-mapped cache of lines in front of the slow tier."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.residence import Residence
from tierprof.models.timing.reuse import ReuseDistances, direct_mapped
from tierprof.models.timing.tier import LINE_BYTES

Floats = NDArray[np.float64]


class MemoryMode:
    """Who answers in Memory Mode: DRAM always, for the tag is there, and the slow tier after it on a miss, whose line is then filled in.

    A line that was written is written again to the slow tier when it is replaced: as often as lines of its object are missed.

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
        If the trace has no reuse distances of lines.
    """

    def __init__(self, reuse: pd.DataFrame, objects: NDArray[np.int64], dram_bytes: float) -> None:
        self._distances = ReuseDistances(reuse, LINE_BYTES, objects)
        self._lines = max(dram_bytes / LINE_BYTES, 1.0)

    def __call__(self, slow_share: Floats) -> Residence:
        """The residence for `slow_share` (n, P)."""
        missed = slow_share * self._distances.miss_ratio(slow_share, self._lines, direct_mapped)
        return Residence(fast=np.ones_like(slow_share), slow=missed, fill=missed)
