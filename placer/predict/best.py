"""The best plan found for each budget: exact packings, valued anew where what an object is worth depends on where the others are.

The greatest value for a budget is found exactly (pack.py), but the values are not fixed: two streams that share a tier's bandwidth cost
more together than apart, and of two chains that are waited for side by side the second costs nothing. So budgets are packed in turn with
what each object costs alone in the slow tier and with what it saves alone in the fast one, and every packing is timed whole. Around the
winners at a few budgets each object in play is then moved on its own; the differences are the values of another packing there. Every plan
that was timed stays in the pool, and the best that fits a budget is taken, whatever it came from.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tierprof.placer.pack import pack_budgets, pack_in_order
from tierprof.placer.predict.forecast import Forecast
from tierprof.placer.predict.movable import UNSEEN, Movable
from tierprof.placer.predict.pool import Pool

_TIME_LIMIT_S = 1.0  # for one packing: beyond it the best found so far serves
_GAP = 1e-4  # of the greatest sum of values: nearer than the values themselves are to the truth
_NEGLIGIBLE = 1e-5  # of the sum of values: packed in order of density into what is left
_SAME_VALUES = 0.01  # of their sum: values that differ by less pack alike
_REVALUED = 4  # budgets whose winners are valued anew
_IN_PLAY = 16  # objects that are moved there


#: How often `improve` calls `on_step`, at most.
STEPS = 1 + _REVALUED


def improve(
    pool: Pool, forecast: Forecast, movable: Movable, budgets_bytes: NDArray[np.int64], on_step: Callable[[], None] = lambda: None
) -> None:
    """Add good plans for each of the budgets (budgets,) to the pool."""
    anchors = forecast.anchors()
    costs = _of_movable(movable, anchors.alone_slow_s - anchors.all_fast_s)
    gains = _of_movable(movable, anchors.all_slow_s - anchors.alone_fast_s)
    alike = np.abs(costs - gains).max(initial=0.0) <= _SAME_VALUES * max(costs.sum(), gains.sum())
    if forecast.additive or alike:
        pool.add(packings(costs, movable, budgets_bytes))
    else:
        pool.add(np.concatenate([packings(costs, movable, budgets_bytes[::2]), packings(gains, movable, budgets_bytes[1::2])]))
    on_step()
    if forecast.additive or len(movable) < 2:
        return
    in_play = np.argsort(-np.maximum(costs, gains), kind="stable")[:_IN_PLAY]
    steps = np.unique(np.linspace(0, len(budgets_bytes) - 1, _REVALUED + 2).astype(np.int64)[1:-1])
    for budget in budgets_bytes[steps]:
        values = _values_around(pool, int(pool.best(np.array([budget]))[0]), np.maximum(costs, gains), in_play)
        pool.add(packings(values, movable, np.array([budget])))
        on_step()


def _of_movable(movable: Movable, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) of a forecast's objects as values (m,), nothing for what it never saw."""
    return np.where(movable.column == UNSEEN, 0.0, values[movable.column]).clip(min=0.0)


def packings(values: NDArray[np.float64], movable: Movable, budgets_bytes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fast shares (budgets, m), whole objects: the greatest sum of values (m,) in each budget."""
    large = values > _NEGLIGIBLE * values.sum()
    budgets = [int(budget) for budget in budgets_bytes]
    packed = pack_budgets(np.where(large, values, 0.0), movable.live_bytes, budgets, time_limit_s=_TIME_LIMIT_S, gap=_GAP)
    rest = np.flatnonzero((values > 0) & ~large)
    chosen = np.stack([packing.chosen for packing in packed])
    if len(rest):
        for own, budget in zip(chosen, budgets, strict=True):
            own[rest] = _fill_up(values[rest], movable.live_bytes[:, rest], movable.live_bytes[:, own].sum(axis=1), budget)
    return chosen.astype(np.float64)


def _fill_up(values: NDArray[np.float64], live_bytes: NDArray[np.int64], taken: NDArray[np.int64], budget_bytes: int) -> NDArray[np.bool_]:
    """Which of the objects (n,) to add, most value per byte first, where so much (moments,) is taken already."""
    density = values / np.maximum(live_bytes.max(axis=0), 1)
    # What is taken is one more object, the first in the order: it always fits.
    return pack_in_order(np.append(np.inf, density), np.column_stack([taken, live_bytes]), budget_bytes)[1:]


def _values_around(pool: Pool, place: int, known: NDArray[np.float64], in_play: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values (m,): for objects in play what moving each one costs or saves from the plan at `place`, for the others what is known."""
    plan, seconds = pool.fast_share[place], pool.times.seconds[place]
    moved = np.repeat(plan[None, :], len(in_play), axis=0)
    moved[np.arange(len(in_play)), in_play] = plan[in_play] < 0.5
    values = known.copy()
    places = pool.add(moved)
    values[in_play] = np.abs(pool.times.seconds[places] - seconds)
    return values
