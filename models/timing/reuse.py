"""How often a cache of DRAM in front of the slow tier misses, from the trace's reuse distances."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import ModelError

Floats = NDArray[np.float64]

_BINS = 48

#: Chance of a miss at a reuse distance (first) in a cache of so many granules (second), elementwise.
MissChance = Callable[[Floats, Floats], Floats]


def direct_mapped(distance: Floats, granules: Floats) -> Floats:
    """A miss if any of `distance` granules in between fell on the same place of `granules`: 1 - (1 - 1/N)^d.

    The places are independent, as physical pages lie anywhere (A. Smith, Computing Surveys 14(3), 1982; M. Hill and A. Smith, IEEE TC
    38(12), 1989).
    """
    return np.asarray(-np.expm1(distance * np.log1p(-1 / np.maximum(granules, 1 + 1e-9))))


def least_recently_used(distance: Floats, granules: Floats) -> Floats:
    """A miss if the distance exceeds the cache; a bin that it falls into is taken as even on its logarithmic scale."""
    return np.asarray(np.clip(np.log2(distance / granules) + 0.5, 0, 1))


class ReuseDistances:
    """The reuse distances of a run's objects at one granularity.

    Parameters
    ----------
    table
        The trace's exact_reuse.
    granule_bytes
        64 or 4096.
    objects
        Of the run, in order; one that the table lacks is taken to be like all together.

    Raises
    ------
    ModelError
        If the table holds none of this granularity.
    """

    def __init__(self, table: pd.DataFrame, granule_bytes: int, objects: NDArray[np.int64]) -> None:
        own = table[(table["granule_bytes"] == granule_bytes) & table["object"].isin(objects)]
        if len(own) == 0:
            why = f"the trace has no reuse distances of {granule_bytes} B"
            raise ModelError("a cache in front of the slow tier cannot be timed", why, "record it again, without reuse_every 0")
        at = np.searchsorted(objects, own["object"].to_numpy(np.int64))
        self._uses = np.zeros((len(objects), _BINS))
        np.add.at(self._uses, (at, own["bin"].to_numpy(np.int64)), own["weight"].to_numpy(np.float64))
        self.footprint = np.zeros(len(objects))
        self.footprint[at] = own["cold"].to_numpy(np.float64)
        unseen = self._uses.sum(axis=1) + self.footprint == 0
        self._first = np.where(unseen, self.footprint.sum(), self.footprint)
        self._uses[unseen] = self._uses.sum(axis=0)

    def miss_ratio(self, slow_share: Floats, granules: float, chance: MissChance) -> Floats:
        """Of an object's lines that lie behind the cache, the share that misses it: (n, P).

        Parameters
        ----------
        slow_share
            What lies behind the cache of each object under P plans (n, P). What does not is not in its way: distances shrink with it.
        granules
            What the cache holds.
        chance
            Of a miss at a distance.

        Notes
        -----
        A first use counts as one after everything else behind the cache was used: memory that the program filled itself is still there if
        all of it fits.
        """
        behind = self.footprint @ slow_share / max(self.footprint.sum(), 1e-300)
        holds = granules / np.maximum(behind, 1e-12)
        distance: Floats = np.exp2(np.arange(_BINS, dtype=np.float64) + 0.5)
        missed = self._uses @ chance(distance[:, None], holds[None, :])
        missed += self._first[:, None] * chance(np.full((1, 1), max(self.footprint.sum(), 1.0)), holds[None, :])
        return np.asarray(missed / (self._uses.sum(axis=1) + self._first)[:, None])
