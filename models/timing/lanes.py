"""Lanes: one thread in one slice each, the rows that everything of a run is summed up by."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import ModelError
from tierprof.profiler.exact.profile import ExactProfile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lanes:
    """The lanes of a run, slice by slice. Of L lanes and S slices.

    Attributes
    ----------
    slice_of : ndarray of int
        Of each lane, rising (L,).
    starts : ndarray of int
        First lane of each slice (S,).
    weight : ndarray
        How many instructions each of a slice's stands for (S,).
    instructions : ndarray
        Measured in each slice, by all threads (S,).
    base_cycles, fences : ndarray
        Of each lane (L,).
    """

    slice_of: Ints
    starts: Ints
    weight: Floats
    instructions: Floats
    base_cycles: Floats
    fences: Floats
    _keys: Ints
    _threads: int

    @classmethod
    def of(cls, profile: ExactProfile) -> "Lanes":
        """The lanes of a profile.

        Raises
        ------
        ModelError
            If nothing was measured.
        """
        threads = profile.threads
        if len(threads) == 0:
            raise ModelError("the run cannot be timed", "nothing of it was measured", "check --region, --start-after and --stop-after")
        width = int(max(threads["thread"].max(), _most(profile.objects), _most(profile.episodes))) + 1
        rows = threads.assign(key=_key(threads, width)).groupby("key")[["base_cycles", "fences", "instructions"]].sum()
        keys = np.unique(np.concatenate([_key(frame, width) for frame in (threads, profile.objects, profile.episodes)]))
        rows = rows.reindex(keys, fill_value=0)
        numbers, starts, slice_of = np.unique(keys // width, return_index=True, return_inverse=True)
        weight = threads.groupby("slice")["weight"].first().reindex(numbers, fill_value=1.0)
        return cls(
            slice_of=slice_of.astype(np.int64),
            starts=starts.astype(np.int64),
            weight=weight.to_numpy(np.float64),
            instructions=np.add.reduceat(rows["instructions"].to_numpy(np.float64), starts),
            base_cycles=rows["base_cycles"].to_numpy(np.float64),
            fences=rows["fences"].to_numpy(np.float64),
            _keys=keys,
            _threads=width,
        )

    @property
    def count(self) -> int:
        """L."""
        return len(self.slice_of)

    def lane(self, rows: pd.DataFrame) -> Ints:
        """The lane of each row, by its slice and thread."""
        return np.searchsorted(self._keys, _key(rows, self._threads)).astype(np.int64)

    def counted(self, lane: Ints, values: Floats) -> Floats:
        """The sums of `values` by `lane`, of any rows: (L,)."""
        return np.asarray(np.bincount(lane, values, self.count), dtype=np.float64)

    def total(self, values: Floats) -> Floats:
        """The sums over each slice's lanes: (L, ...) to (S, ...)."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def slowest(self, values: Floats) -> Floats:
        """The largest of each slice's lanes: (L, ...) to (S, ...)."""
        return np.asarray(np.maximum.reduceat(values, self.starts, axis=0))

    def spread(self, values: Floats) -> Floats:
        """Each slice's value for every lane of it: (S, ...) to (L, ...)."""
        return values[self.slice_of]


def _key(rows: pd.DataFrame, width: int) -> Ints:
    return rows["slice"].to_numpy(np.int64) * width + rows["thread"].to_numpy(np.int64)


def _most(rows: pd.DataFrame) -> int:
    return int(rows["thread"].max()) if len(rows) else 0
