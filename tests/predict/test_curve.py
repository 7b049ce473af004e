"""The curve: the best plan for each budget, against every other plan there is."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tierprof.placer.predict.curve import BEST, FIRST_TOUCH, LLC_MISSES, Curve, budget_steps, make_curve
from tierprof.placer.predict.forecast import Forecast
from tierprof.placer.predict.movable import UNSEEN, Movable
from tierprof.placer.predict.orders import densest_first
from tierprof.placer.predict.words import say_least

MakeForecast = Callable[..., Forecast]
MakeMovable = Callable[..., Movable]


def _curve(forecast: Forecast, objects: Movable, points: int = 9, **orders: NDArray[np.float64]) -> Curve:
    budgets = budget_steps(objects.peak_bytes, points)
    return make_curve(forecast, objects, budgets, orders)


def _least_by_trying(forecast: Forecast, objects: Movable, budget: int) -> float:
    plans = np.array(list(itertools.product([0.0, 1.0], repeat=len(objects))))
    fits = (objects.live_bytes @ plans.T <= budget).all(axis=0)
    return float(forecast.run(objects.slow_share(plans[fits])).seconds.min())


def test_budgets_go_from_nothing_to_the_peak() -> None:
    assert budget_steps(1000, 5).tolist() == [0, 250, 500, 750, 1000]


def test_the_best_plan_uses_the_budget_at_every_moment(linear: MakeForecast, movable: MakeMovable) -> None:
    # GIVEN two objects of 40 that never live together, and one of 60 that lives with either
    objects = movable([[40, 60, 0], [0, 60, 40]])
    curve = _curve(linear([2.0, 3.0, 2.0]), objects, points=6)
    # THEN with 40 the two that take turns are in fast memory, with 60 they still are (4 s against 3 s), with 100 all
    assert curve.peak_bytes == 100
    assert curve.best.times.seconds.tolist() == [17.0, 17.0, 13.0, 13.0, 13.0, 10.0]
    assert curve.best.slowdown.tolist() == [1.7, 1.7, 1.3, 1.3, 1.3, 1.0]
    assert curve.best.needed_bytes.tolist() == [0, 0, 40, 40, 40, 100]
    # AND the bounds of times and slowdowns came along
    assert curve.best.times.low_s[0] == 16.5
    assert (curve.best.slowdown_low[0], curve.best.slowdown_high[0]) == pytest.approx((1.6, 1.8))


_SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=7)


@settings(deadline=None, max_examples=40)
@given(sizes=_SIZES, data=st.data())
def test_with_costs_that_add_up_no_plan_is_better(
    linear: MakeForecast, movable: MakeMovable, sizes: list[int], data: st.DataObject
) -> None:
    costs = data.draw(st.lists(st.floats(0.01, 5), min_size=len(sizes), max_size=len(sizes)))
    forecast, objects = linear(costs), movable([sizes])
    curve = _curve(forecast, objects)
    tried = [_least_by_trying(forecast, objects, int(budget)) for budget in curve.budgets_bytes]
    assert curve.best.times.seconds == pytest.approx(tried)


@settings(deadline=None, max_examples=40)
@given(sizes=_SIZES, data=st.data())
def test_where_objects_share_bandwidth_it_never_rises_and_no_order_beats_it(
    bandwidth: MakeForecast, movable: MakeMovable, sizes: list[int], data: st.DataObject
) -> None:
    traffic = data.draw(st.lists(st.floats(0.1, 5), min_size=len(sizes), max_size=len(sizes)))
    _check_against_orders(bandwidth(traffic, sum(traffic) / 2), movable([sizes]), data)


@settings(deadline=None, max_examples=40)
@given(sizes=_SIZES, data=st.data())
def test_where_objects_are_waited_for_together_it_never_rises_and_no_order_beats_it(
    side_by_side: MakeForecast, movable: MakeMovable, sizes: list[int], data: st.DataObject
) -> None:
    costs = data.draw(st.lists(st.floats(0.1, 5), min_size=len(sizes), max_size=len(sizes)))
    _check_against_orders(side_by_side(costs), movable([sizes]), data)


def _check_against_orders(forecast: Forecast, objects: Movable, data: st.DataObject) -> None:
    misses = data.draw(st.lists(st.floats(0, 5), min_size=len(objects), max_size=len(objects)))
    order = densest_first(objects, np.array(misses), budget_steps(objects.peak_bytes, 9))
    halves = np.linspace(0.0, 1.0, 9)[:, None] * np.ones(len(objects))
    curve = _curve(forecast, objects, **{LLC_MISSES: order, FIRST_TOUCH: halves})
    best = curve.best.times.seconds
    assert (np.diff(best) <= 0).all()
    for line in curve.lines.values():
        assert (best <= line.times.seconds + 1e-9).all()
    assert (curve.best.needed_bytes <= curve.budgets_bytes).all()


def test_two_streams_that_fill_a_tier_together_are_worth_what_they_are_together(bandwidth: MakeForecast, movable: MakeMovable) -> None:
    # GIVEN two objects that each alone fit the slow tier's bandwidth, so that alone each costs nothing, and a third that is idle
    forecast, objects = bandwidth([3.0, 3.0, 0.1], 4.0), movable([[50, 40, 10]])
    curve = _curve(forecast, objects, points=11)
    # THEN from 40 bytes on the smaller one is in fast memory, and nothing is lost
    assert curve.best.times.seconds[3:5].tolist() == pytest.approx([12.0, 10.0])


def test_two_that_are_waited_for_side_by_side_move_together(side_by_side: MakeForecast, movable: MakeMovable) -> None:
    # GIVEN two equal chains: moving one of them to fast memory gains nothing
    curve = _curve(side_by_side([4.0, 4.0]), movable([[50, 50]]), points=5)
    assert curve.best.times.seconds.tolist() == [14.0, 14.0, 14.0, 14.0, 10.0]
    # AND no fast memory is spent on half of it
    assert curve.best.needed_bytes.tolist() == [0, 0, 0, 0, 100]


def test_what_the_run_never_touched_takes_memory_and_costs_nothing(linear: MakeForecast, movable: MakeMovable) -> None:
    # GIVEN an object that the forecast does not know
    known = movable([[50, 50]])
    objects = Movable(known.sites, known.keys, known.names, np.array([0, UNSEEN]), known.live_bytes, 100, 1)
    curve = _curve(linear([1.0]), objects, points=3)
    assert curve.best.times.seconds.tolist() == [11.0, 10.0, 10.0]
    assert curve.best.needed_bytes.tolist() == [0, 50, 50]


def test_each_plan_is_timed_once(linear: MakeForecast, movable: MakeMovable) -> None:
    # WHEN a curve of 100 points has only two different plans THEN the forecast is asked for few
    forecast = linear([1.0])
    _curve(forecast, movable([[50]]), points=100)
    assert forecast.plans <= 8  # type: ignore[attr-defined]


def test_one_sentence_says_what_is_needed_and_what_the_others_need(linear: MakeForecast, movable: MakeMovable) -> None:
    # GIVEN a small hot object, a large cool one, and an order that takes the large one first
    objects = movable([[20, 80]])
    order = densest_first(objects, np.array([1.0, 800.0]), budget_steps(100, 11))
    curve = _curve(linear([5.0, 0.2]), objects, points=11, **{LLC_MISSES: order})
    assert list(curve.lines) == [BEST, LLC_MISSES]
    assert say_least(curve, 0.05, "m") == "DRAM for 20B of 100B keeps the slowdown below 5% on m; LLC misses would need 100B"
    # AND a slowdown that not even everything in fast memory keeps is said to be one
    assert curve.lines[LLC_MISSES].least_bytes(-0.1) is None


def test_densest_first_passes_over_what_no_longer_fits(movable: MakeMovable) -> None:
    shares = densest_first(movable([[60, 50, 10]]), np.array([60.0, 40.0, 1.0]), np.array([0, 55, 70, 120]))
    assert shares.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]]
