"""What each point of the curve saves: the DRAM that is not bought, less the slow memory that is, in money, watts and embodied carbon."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.placer.predict.curve import Curve
from tierprof.placer.predict.movable import Movable
from tierprof.placer.predict.rates import GB, MEASURES, Range, Rate, Rates

_TIB = 2**40


class Savings(NamedTuple):
    """Savings of the best plan at each budget of a curve; below zero they are costs.

    Bought is what the plan needs of either tier, which may be less than its budget.
    """

    slow_bytes: NDArray[np.int64]  # (budgets,) slow memory that the plan needs
    by_measure: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]  # measure -> low and high (budgets,), in the measure's unit
    per_tib: dict[str, Range]  # measure -> for each TiB of DRAM that the same bytes of slow memory replace
    unknown: tuple[str, ...]  # measures that lack a published figure for one of the tiers


def savings(curve: Curve, movable: Movable, fast: Rates, slow: Rates, page_cache_bytes: int = 0) -> Savings:
    """What the best plans save over DRAM for the whole peak.

    Parameters
    ----------
    curve, movable
        The program's budgets and objects.
    fast, slow
        Rates of the two tiers.
    page_cache_bytes
        DRAM that caches pages of the slow tier, wherever it holds anything.
    """
    slow_bytes = movable.needed_bytes(1.0 - curve.best.fast_share)
    cached_bytes = np.where(slow_bytes > 0, page_cache_bytes, 0)
    spared_gb, bought_gb = (curve.peak_bytes - curve.best.needed_bytes - cached_bytes) / GB, slow_bytes / GB
    known = [measure for measure in MEASURES if measure in fast and measure in slow]
    by_measure = {}
    per_tib = {}
    for measure in known:
        by_measure[measure] = _difference(spared_gb, fast[measure], bought_gb, slow[measure])
        low, high = _difference(np.array([_TIB / GB]), fast[measure], np.array([_TIB / GB]), slow[measure])
        per_tib[measure] = Range(float(low[0]), float(high[0]))
    return Savings(slow_bytes, by_measure, per_tib, tuple(measure for measure in MEASURES if measure not in known))


def _difference(
    spared_gb: NDArray[np.float64], fast: Rate, bought_gb: NDArray[np.float64], slow: Rate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and most of what is spared less what is bought; each figure anywhere in its range.

    Linear in either figure, so that the ends lie at ends of the ranges; a slow figure that is a multiple of the fast one moves with it.
    """
    ends = np.stack(
        [spared_gb * dram - bought_gb * (dram * other if slow.of_fast else other) for dram in fast.per_gb for other in slow.per_gb]
    )
    return ends.min(axis=0), ends.max(axis=0)
