"""By how much one sample lies above another, with an interval that is exact however few the values are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tierprof.models.bootstrap import CONFIDENCE, Interval


class Shift(NamedTuple):
    """A shift with its interval, and how often such an interval holds the true one: less than was asked for where values are few."""

    interval: Interval
    confidence: float


def shift_interval(values: ArrayLike, reference: ArrayLike, *, confidence: float = CONFIDENCE) -> Shift:
    """The median of all differences between two samples, and the interval that the Mann-Whitney test gives them.

    It assumes nothing of the distributions but that one is the other, shifted. (Hodges and Lehmann, Estimates of location based on rank
    tests, 1963; Hollander and Wolfe, Nonparametric statistical methods, section 4.3.)

    Parameters
    ----------
    values, reference
        Shapes (n,) and (m,), neither empty.
    confidence
        The least that is wanted. Four values of each are the fewest that give 0.95.
    """
    one, other = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    differences = np.sort(np.subtract.outer(one, other), axis=None)
    ways = _arrangements(len(one), len(other))
    left_out = np.cumsum([count / sum(ways) for count in ways]) * 2  # by k: the chance of missing, without the k + 1 outermost of each side
    k = max(int(np.searchsorted(left_out, 1 - confidence, side="right")) - 1, 0)
    interval = Interval(float(np.median(differences)), float(differences[k]), float(differences[-1 - k]))
    return Shift(interval, max(1 - float(left_out[k]), 0.0))


def _arrangements(n: int, m: int) -> list[int]:
    """In how many orders of n and m values each number of pairs is the wrong way round: the coefficients of a Gaussian binomial."""
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for place in range(n * m, m + i - 1, -1):
            ways[place] -= ways[place - m - i]
        for place in range(i, n * m + 1):
            ways[place] += ways[place - i]
    return ways
