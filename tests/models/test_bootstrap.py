"""Medians, means and their intervals."""

import numpy as np
import pytest

from tierprof.models.bootstrap import difference_interval, mean_interval, median_interval


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert median_interval([3.0, 3.0, 3.0]) == (3.0, 3.0, 3.0)


def test_one_value_is_its_own_interval() -> None:
    assert median_interval([2.5]) == (2.5, 2.5, 2.5)


def test_no_value_gives_nan() -> None:
    assert np.isnan(median_interval([])).all()


def test_median_interval_lies_in_the_range_and_holds_the_median() -> None:
    # GIVEN eleven values with an outlier
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 100.0]
    # WHEN the interval is computed
    interval = median_interval(values)
    # THEN it holds the median, and the outlier does not reach it
    assert interval.value == 1.5
    assert 1.0 <= interval.low < 1.5 < interval.high < 100.0


def test_difference_interval_has_the_sign_of_the_difference() -> None:
    interval = difference_interval([5.0, 5.1, 5.2], [3.0, 3.1, 3.2])
    assert interval.value == pytest.approx(2.0)
    assert (interval.low, interval.high) == pytest.approx((1.8, 2.2))
    assert interval.excludes(0.0)
    assert not interval.excludes(2.0)
    assert interval.half_width == pytest.approx(0.2)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).normal(size=9)
    assert mean_interval(values, seed=4) == mean_interval(values, seed=4)
    assert mean_interval(values, seed=4) != mean_interval(values, seed=5)


def test_median_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    # GIVEN 200 sets of 25 values around zero
    rng = np.random.default_rng(0)
    # WHEN each gets a 95 % interval
    covered = sum(not median_interval(rng.normal(size=25)).excludes(0.0) for _ in range(200))
    # THEN the percentile bootstrap covers zero nearly as often (it is known to be a little narrow)
    assert 176 <= covered <= 199
