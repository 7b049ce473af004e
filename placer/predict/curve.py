"""Run time against the DRAM that a program is given: for the best plan, and for the orders that need none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierprof.placer.predict import best
from tierprof.placer.predict.forecast import Forecast, Slowdowns, Times
from tierprof.placer.predict.knee import knee, least_budget
from tierprof.placer.predict.movable import Movable
from tierprof.placer.predict.pool import Pool

#: How often `make_curve` calls `on_step`, at most.
STEPS = 1 + best.STEPS

BEST, LLC_MISSES, ACCESSES, FIRST_TOUCH = "best plan", "LLC misses", "accesses", "first touch"


@dataclass(frozen=True)
class Line:
    """One order: what becomes of each budget; arrays have one entry a budget."""

    times: Times
    slowdown: NDArray[np.float64]  # over everything in fast memory
    slowdown_low: NDArray[np.float64]
    slowdown_high: NDArray[np.float64]
    fast_share: NDArray[np.float64]  # (budgets, m) of each movable object
    needed_bytes: NDArray[np.int64]  # most fast memory in use at any moment, at most the budget

    def least_bytes(self, tolerated: float) -> int | None:
        """Least fast memory from which on the slowdown stays within 1 + `tolerated`; None: no budget is enough."""
        place = least_budget(self.slowdown, tolerated)
        return None if place is None else int(self.needed_bytes[place])


@dataclass(frozen=True)
class Curve:
    """Slowdown against budget."""

    budgets_bytes: NDArray[np.int64]  # rising, from 0 to the peak
    peak_bytes: int  # most bytes of all movable objects live at once
    lines: Mapping[str, Line]  # `BEST` first

    @property
    def best(self) -> Line:
        """The best plans found."""
        return self.lines[BEST]

    @property
    def knee(self) -> int | None:
        """Place of the best line's knee (knee.py)."""
        return knee(self.budgets_bytes.astype(np.float64), self.best.times.seconds)


def budget_steps(peak_bytes: int, count: int) -> NDArray[np.int64]:
    """`count` budgets (at least 2), evenly from 0 to the peak."""
    return np.rint(np.linspace(0, peak_bytes, max(count, 2))).astype(np.int64)


def make_curve(
    forecast: Forecast,
    movable: Movable,
    budgets_bytes: NDArray[np.int64],
    orders: Mapping[str, NDArray[np.float64]],
    *,
    on_step: Callable[[], None] = lambda: None,
) -> Curve:
    """Time the orders and the best plans.

    Parameters
    ----------
    forecast, movable
        The run, and its objects.
    budgets_bytes
        (budgets,) rising.
    orders
        Name -> fast shares (budgets, m); each is a candidate for the best plan too, so that no order can beat it.
    on_step
        Called now and then, at most `STEPS` times.
    """
    pool = Pool(forecast, movable)
    places = {name: pool.add(shares, _within(movable, shares, budgets_bytes)) for name, shares in orders.items()}
    on_step()
    best.improve(pool, forecast, movable, budgets_bytes, on_step)
    picked = {BEST: pool.best(budgets_bytes), **places}
    lines = {name: _line(pool, own, forecast, movable) for name, own in picked.items()}
    return Curve(budgets_bytes, movable.peak_bytes, lines)


def _within(movable: Movable, fast_share: NDArray[np.float64], budgets_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the plans need; an object's mean share, held against its peak, may say more than its order's budget ever gave it."""
    return np.minimum(movable.needed_bytes(fast_share), budgets_bytes)


def _line(pool: Pool, places: NDArray[np.int64], forecast: Forecast, movable: Movable) -> Line:
    times = Times(*(own[places] for own in pool.times))
    value, low, high = _slowdowns(pool, places, forecast, movable)
    return Line(times, value, low, high, pool.fast_share[places], pool.needed_bytes[places])


def _slowdowns(pool: Pool, places: NDArray[np.int64], forecast: Forecast, movable: Movable) -> Slowdowns:
    """Of the plans at these places; without intervals a plain quotient of what is known already."""
    fastest = pool.add(np.ones((1, len(movable))))
    times = pool.times
    if (times.low_s == times.high_s).all():
        ratio = times.seconds[places] / times.seconds[fastest]
        return Slowdowns(ratio, ratio, ratio)
    distinct, which = np.unique(places, return_inverse=True)
    return Slowdowns(*(own[which] for own in forecast.slowdowns(movable.slow_share(pool.fast_share[distinct]))))
