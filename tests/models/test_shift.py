"""Shifts between samples, and how sure they are."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.models.shift import _arrangements, shift_interval


@given(st.integers(1, 5), st.integers(1, 5))
def test_orders_are_counted_as_by_hand(n: int, m: int) -> None:
    counts = [0] * (n * m + 1)
    for places in combinations(range(n + m), n):
        counts[sum(place - rank for rank, place in enumerate(places))] += 1
    assert _arrangements(n, m) == counts
    assert sum(counts) == comb(n + m, n)


@pytest.mark.parametrize(
    ("repeats", "confidence"), [(1, 0.0), (2, 1 - 2 / 6), (3, 1 - 2 / 20), (4, 1 - 2 / 70), (5, 1 - 8 / 252), (8, 1 - 2 * 321 / 12870)]
)
def test_the_confidence_is_what_so_few_values_give(repeats: int, confidence: float) -> None:
    values = np.arange(repeats, dtype=float)
    assert shift_interval(values + 10, values).confidence == pytest.approx(confidence)


def test_the_interval_is_of_the_differences() -> None:
    # GIVEN the 25 differences of two samples of five
    one, other = np.array([10.0, 11.5, 12.25, 13.0, 19.0]), np.array([1.0, 2.0, 4.0, 8.0, 8.5])
    ordered = sorted(a - b for a in one for b in other)
    # THEN two are left out on each side (2 P(U <= 2) = 8 / 252)
    assert shift_interval(one, other).interval == (ordered[12], ordered[2], ordered[22])


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=8), st.floats(-5, 5))
def test_a_sample_is_shifted_by_what_was_added(values: list[float], by: float) -> None:
    shifted = shift_interval(np.array(values) + by, values)
    assert shifted.interval.value == pytest.approx(by, abs=1e-9)
    assert shifted.interval.low <= by + 1e-9
    assert shifted.interval.high >= by - 1e-9


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    # GIVEN two thousand pairs of samples of five, skewed
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        found = shift_interval(rng.exponential(size=5) + 0.5, rng.exponential(size=5))
        held += not found.interval.excludes(0.5)
    assert held / 2000 == pytest.approx(found.confidence, abs=0.02)
