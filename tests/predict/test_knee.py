"""The knee, and the least budgets."""

import numpy as np
import pytest

from tierprof.placer.predict.knee import knee, least_budget

BUDGETS = np.linspace(0.0, 100.0, 11)


def test_the_knee_is_farthest_below_the_line_from_end_to_end() -> None:
    # GIVEN a curve that falls by 9 of 10 over its first three steps
    seconds = np.array([20, 17, 14, 11, 10.9, 10.8, 10.6, 10.4, 10.2, 10.1, 10.0])
    assert knee(BUDGETS, seconds) == 3
    # AND scaling either axis moves nothing
    assert knee(BUDGETS * 1e9, 5 * seconds) == 3


@pytest.mark.parametrize("seconds", [np.full(11, 10.0), np.linspace(20, 10, 11), 20 - np.linspace(0, 3.2, 11) ** 2])
def test_a_flat_a_straight_and_a_hanging_curve_have_none(seconds: np.ndarray) -> None:
    assert knee(BUDGETS, seconds) is None


def test_a_fall_that_nobody_would_notice_is_no_knee() -> None:
    assert knee(BUDGETS, np.array([10.005, *np.full(10, 10.0)])) is None


def test_the_least_budget_is_the_one_from_which_on_it_holds() -> None:
    # GIVEN an order whose slowdown rises again
    slowdown = np.array([1.5, 1.04, 1.2, 1.04, 1.0])
    assert (least_budget(slowdown, 0.05), least_budget(slowdown, 0.2), least_budget(slowdown, 0.5)) == (3, 1, 0)
    assert least_budget(np.array([2.0, 1.5]), 0.1) is None
