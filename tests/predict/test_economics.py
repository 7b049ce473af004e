"""What a point of the curve saves."""

from collections.abc import Callable

import numpy as np
import pytest

from tierprof.placer.predict.curve import BEST, Curve, Line
from tierprof.placer.predict.economics import savings
from tierprof.placer.predict.forecast import Times
from tierprof.placer.predict.movable import Movable
from tierprof.placer.predict.rates import GB, Range, Rate

DRAM = {"price": Rate(Range(4.0, 10.0), "a"), "watts": Rate(Range(0.5, 0.5), "b"), "carbon": Rate(Range(1.0, 2.0), "c")}
OTHER = {"price": Rate(Range(1.0, 3.0), "a"), "watts": Rate(Range(0.1, 0.2), "b")}


@pytest.fixture
def curve() -> Curve:
    """Budgets of 0, 5 and 10 GB; objects of 4 and 6 GB, the first of them fast from 5 GB on."""
    shares = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    times = Times(*(np.array([3.0, 2.0, 1.0]) for _ in range(3)))
    line = Line(times, times.seconds, times.seconds, times.seconds, shares, np.array([0, 4 * GB, 10 * GB]))
    return Curve(np.array([0, 5 * GB, 10 * GB]), 10 * GB, {BEST: line})


def test_dram_spared_less_slow_memory_bought(curve: Curve, movable: Callable[..., Movable]) -> None:
    found = savings(curve, movable([[4 * GB, 6 * GB]]), DRAM, OTHER)
    # THEN what is bought of either tier is what the plan needs, not what the budget would allow
    assert found.slow_bytes.tolist() == [10 * GB, 6 * GB, 0]
    low, high = found.by_measure["price"]
    assert low.tolist() == pytest.approx([40 - 30, 24 - 18, 0])
    assert high.tolist() == pytest.approx([100 - 10, 60 - 6, 0])
    assert found.by_measure["watts"][0].tolist() == pytest.approx([5 - 2, 3 - 1.2, 0])
    assert found.per_tib["price"] == pytest.approx((1 * 2**40 / GB, 9 * 2**40 / GB))


def test_goods_of_the_same_kind_are_bought_on_the_same_day(curve: Curve, movable: Callable[..., Movable]) -> None:
    # GIVEN a slow tier that costs half of the fast one to as much, whatever that costs
    found = savings(curve, movable([[4 * GB, 6 * GB]]), DRAM, {"price": Rate(Range(0.5, 1.0), "a", of_fast=True)})
    low, high = found.by_measure["price"]
    assert (low.tolist(), high.tolist()) == (pytest.approx([0, 0, 0]), pytest.approx([50, 30, 0]))


def test_objects_that_take_turns_need_the_slow_memory_once(curve: Curve, movable: Callable[..., Movable]) -> None:
    found = savings(curve, movable([[4 * GB, 0], [0, 6 * GB]]), DRAM, OTHER)
    assert found.slow_bytes.tolist() == [6 * GB, 6 * GB, 0]


def test_what_nobody_has_published_is_unknown_not_nothing(curve: Curve, movable: Callable[..., Movable]) -> None:
    found = savings(curve, movable([[4 * GB, 6 * GB]]), DRAM, OTHER)
    assert found.unknown == ("carbon",)
    assert "carbon" not in found.by_measure
