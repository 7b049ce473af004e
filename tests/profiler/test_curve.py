"""The curve of heat: exact on counts, and on samples around the truth, which is known here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.profiler.curve import Curve, counted_curve, sampled_curve

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)


def zipf(units: int, exponent: float, offset: float = 0.0) -> np.ndarray:
    chances = (1.0 + offset + np.arange(units)) ** -exponent
    return chances / chances.sum()


def sampled(chances: np.ndarray, samples: int, seed: int) -> Curve:
    counts = np.random.default_rng(seed).multinomial(samples, chances)
    return sampled_curve(counts[counts > 0], len(chances))


def truth(chances: np.ndarray, share: float) -> float:
    return float(np.sort(chances)[::-1][: round(share * len(chances))].sum())


def test_counts_are_told_as_they_are() -> None:
    # GIVEN four of eight units that took 50, 30, 15 and 5 of 100 accesses
    curve = counted_curve([5, 30, 50, 15], 8)
    # THEN the hottest are what they are, and there is no doubt
    assert curve.caught(1 / 8) == pytest.approx((0.5, 0.5, 0.5))
    assert curve.caught(0.25) == pytest.approx((0.8, 0.8, 0.8))
    assert curve.caught(3 / 16).value == pytest.approx(0.65)
    assert curve.needed(0.8) == pytest.approx((0.25, 0.25, 0.25))
    assert curve.needed(1.0).value == pytest.approx(0.5)
    assert (curve.caught(1.0).value, curve.samples, curve.units) == (1.0, 100, 8)


def test_left_out_samples_are_found_by_the_others() -> None:
    # GIVEN two units with two samples each, and two without
    curve = sampled_curve([2, 2], 4)
    # THEN a left-out sample's unit has one of the others, the other unit two: it is always second
    # (what is sure beyond the error of two units, not of four samples, is no more than an even share)
    assert curve.caught(0.38).low == pytest.approx(max(0.52 - 1.96 * np.sqrt(0.52 * 0.48 / 2), 0.38))
    assert curve.caught(0.5).low == 1.0


def brute_force_left_out(counts: list[int], units: int, budget: int) -> float:
    """Share of the samples that are in the best `budget` units by all other samples, ties in random order."""
    caught = 0.0
    for at, count in enumerate(counts):
        others = [other - (number == at) for number, other in enumerate(counts)] + [0] * (units - len(counts))
        above = sum(other > count - 1 for other in others)
        equal = sum(other == count - 1 for other in others)
        caught += count * min(max((budget - above) / equal, 0.0), 1.0)
    return caught / sum(counts)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(0, 8), st.integers(0, 20))
def test_the_lower_bound_is_leaving_each_sample_out(counts: list[int], unmet: int, budget: int) -> None:
    # GIVEN any counts WHEN the bound is taken without its margin
    from tierprof.profiler.curve import _left_out

    number, many = np.unique(counts, return_counts=True)
    units = len(counts) + unmet
    shares, line = _left_out(number, many, units)
    budget = min(budget, units)
    # THEN it is what leaving out every sample, one by one, gives
    assert np.interp(budget / units, shares, line) == pytest.approx(brute_force_left_out(counts, units, budget))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1_000, 20_000]),
    st.floats(0.0, 1.4),
    st.floats(0.0, 50.0),
    st.sampled_from([50, 1_000, 20_000]),
    st.integers(0, 2**32 - 1),
)
def test_the_truth_is_in_the_interval(units: int, exponent: float, offset: float, samples: int, seed: int) -> None:
    # GIVEN samples, few or many, of rows with Zipf's or Mandelbrot's distribution, from even to steep
    chances = zipf(units, exponent, offset)
    curve = sampled(chances, samples, seed)
    # THEN the interval holds the truth; a little beyond it lies what happens once in a thousand times
    slack = 1.5 / np.sqrt(samples)
    for share in SHARES:
        told = curve.caught(share)
        assert told.low - slack <= truth(chances, share) <= told.high + slack
        assert told.low <= told.value <= told.high


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.05, 1.3])
def test_with_ten_samples_a_row_the_estimate_is_near(exponent: float) -> None:
    # GIVEN ten samples a row
    chances = zipf(5_000, exponent)
    curve = sampled(chances, 50_000, 7)
    # THEN the estimate is within three hundredths everywhere
    for share in SHARES:
        assert curve.caught(share).value == pytest.approx(truth(chances, share), abs=0.03)


def test_two_levels_are_told_apart() -> None:
    # GIVEN a tenth of the rows that takes nine tenths of the accesses, evenly, and three samples a row
    chances = np.full(10_000, 0.1 / 9_000)
    chances[:1_000] = 0.9 / 1_000
    curve = sampled(chances, 30_000, 3)
    # THEN it is not taken for a Zipf: half of the hot ones take half of it
    assert curve.caught(0.1).value == pytest.approx(0.9, abs=0.02)
    assert curve.caught(0.05).value == pytest.approx(0.45, abs=0.06)
    assert curve.needed(0.9).value == pytest.approx(0.1, abs=0.02)


def test_few_samples_on_many_rows_tell_little_and_say_so() -> None:
    # GIVEN rows that are all alike, and one sample on every hundredth of them
    curve = sampled(zipf(100_000, 0.0), 1_000, 5)
    told = curve.caught(0.1)
    # THEN what was met is not taken for hot: the interval reaches from even to nearly all
    assert told.low == pytest.approx(0.1, abs=0.03)
    assert told.high == 1.0
    # AND the estimate is nearer to even than the samples as they lie
    assert told.value < 0.5


def test_no_samples_tell_nothing() -> None:
    curve = sampled_curve([], 10)
    assert curve.caught(0.5) == (0.5, 0.5, 1.0)


def test_lines_only_rise() -> None:
    curve = sampled(zipf(2_000, 1.1), 3_000, 11)
    for line in (curve.shares, curve.low, curve.value, curve.high):
        assert (np.diff(line) >= -1e-12).all()
        assert line[-1] == pytest.approx(1.0)
