"""What every prediction rests on: the time of a run with given objects in the slow tier, whoever works it out."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Times(NamedTuple):
    """Run times of some plans, in seconds, with 95 % intervals; all arrays (plans,)."""

    seconds: NDArray[np.float64]
    low_s: NDArray[np.float64]
    high_s: NDArray[np.float64]

    def at(self, plan: int) -> "Span":
        """One plan's time and interval."""
        return Span(float(self.seconds[plan]), float(self.low_s[plan]), float(self.high_s[plan]))


class Slowdowns(NamedTuple):
    """Run times of some plans over that with everything in fast memory, 1 for no slower, with 95 % intervals; all arrays (plans,).

    The interval is the ratio's own: what both runs share of an error is not in it.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def at(self, plan: int) -> "Span":
        """One plan's slowdown and interval."""
        return Span(float(self.value[plan]), float(self.low[plan]), float(self.high[plan]))


class Span(NamedTuple):
    """A figure and its interval, in one unit."""

    value: float
    low: float
    high: float


class Anchors(NamedTuple):
    """The two plain runs, and each object's way from the one towards the other; seconds, arrays (n,) as `Forecast.objects`."""

    all_fast_s: float
    all_slow_s: float
    alone_slow_s: NDArray[np.float64]  # run time with this object alone in the slow tier
    alone_fast_s: NDArray[np.float64]  # run time with this object alone in the fast tier


class Forecast(Protocol):
    """Predicts run times of one traced program on one machine.

    Attributes
    ----------
    objects
        (n,) what can be put somewhere: rows of the trace's sites, and below zero the memory of no site (stack, static data).
    additive
        Whether the objects' costs simply add up, so that no plan can surprise.
    """

    objects: NDArray[np.int64]
    additive: bool

    def run(self, slow_share: NDArray[np.float64]) -> Times:
        """Run times under plans (plans, n): the share, 0 to 1, of each object that is in the slow tier."""

    def slowdowns(self, slow_share: NDArray[np.float64]) -> Slowdowns:
        """The same over everything in fast memory."""

    def anchors(self) -> Anchors:
        """Every object alone in either tier."""
