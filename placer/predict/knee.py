"""Where a curve of slowdown against budget stops being worth its next byte: the knee, and the least budgets for given slowdowns."""

import numpy as np
from numpy.typing import NDArray

#: Slowdowns over everything in fast memory that a budget is looked for.
TOLERATED = (0.05, 0.10, 0.20)

#: A curve that falls by less than this, as a share of its last value, has no knee.
_LEAST_FALL = 1e-3


def knee(budgets_bytes: NDArray[np.float64], seconds: NDArray[np.float64]) -> int | None:
    """Place of the knee of a falling curve.

    The point that lies farthest below the straight line from the curve's first point to its last, both axes scaled to 0..1: the greatest
    value of Kneedle's difference curve (V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a Kneedle in a Haystack", ICDCSW 2011).
    The whole curve is known and does not rise, so neither its smoothing nor its sensitivity is needed.

    Parameters
    ----------
    budgets_bytes
        (points,) rising.
    seconds
        (points,) falling.

    Returns
    -------
    int or None
        None for a curve that is flat, or nowhere below that line.
    """
    fall = seconds[0] - seconds[-1]
    if len(seconds) < 3 or budgets_bytes[-1] <= budgets_bytes[0] or fall <= _LEAST_FALL * seconds[-1]:
        return None
    x = (budgets_bytes - budgets_bytes[0]) / (budgets_bytes[-1] - budgets_bytes[0])
    y = (seconds - seconds[-1]) / fall
    difference = (1.0 - x) - y
    place = int(difference.argmax())
    return place if difference[place] > 1e-9 else None


def least_budget(slowdown: NDArray[np.float64], tolerated: float) -> int | None:
    """First place from which on the slowdown (points,), 1.0 for none, stays within 1 + `tolerated`; None if it never does."""
    over = np.flatnonzero(slowdown > 1.0 + tolerated + 1e-12)
    first = int(over[-1]) + 1 if len(over) else 0
    return first if first < len(slowdown) else None
