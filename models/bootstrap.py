"""Medians and means with percentile bootstrap intervals: the one statistic that every measured figure is printed with."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 2000
CONFIDENCE = 0.95

Statistic = Callable[..., NDArray[np.float64]]


class Interval(NamedTuple):
    """A statistic and its bootstrap interval, in the unit of the data.

    With fewer than about six values a percentile interval of a median is at most their range: for three it covers the true median in three
    cases of four. It is printed all the same, with the number of repeats beside it.
    """

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval."""
        return not self.low <= value <= self.high

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


def median_interval(values: ArrayLike, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The median of `values` (shape (n,)) and its percentile bootstrap interval."""
    return _bootstrap(_median, [values], confidence, seed)


def mean_interval(values: ArrayLike, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean of `values` (shape (n,)) and its percentile bootstrap interval."""
    return _bootstrap(lambda sample: sample.mean(axis=-1), [values], confidence, seed)


def difference_interval(values: ArrayLike, reference: ArrayLike, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """Median of `values` minus median of `reference` (any lengths), both resampled on their own."""
    return _bootstrap(lambda sample, other: _median(sample) - _median(other), [values, reference], confidence, seed)


def _median(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.median(sample, axis=-1))


def _bootstrap(statistic: Statistic, groups: list[ArrayLike], confidence: float, seed: int) -> Interval:
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if any(array.size == 0 for array in arrays):
        return Interval(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    resampled = [array[rng.integers(0, array.size, (ROUNDS, array.size))] for array in arrays]
    tail = (1 - confidence) / 2
    low, high = np.quantile(statistic(*resampled), [tail, 1 - tail])
    return Interval(float(statistic(*arrays)), float(low), float(high))
