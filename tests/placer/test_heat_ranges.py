"""Ranges of an object, chosen from its heat: against trying every choice."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tierprof.placer.heat_ranges import Heat, Ranges, best_ranges, bytes_of, priced_ranges, ranges_within, share_of, single_blocks_share


def heat_of(weights: list[float], block_bytes: int = 4096, size_bytes: int | None = None) -> Heat:
    share = np.array(weights, dtype=np.float64)
    share = share / max(share.sum(), 1.0)
    return Heat(len(weights) * block_bytes if size_bytes is None else size_bytes, block_bytes, share, share)


def within(heat: Heat, room_bytes: int, most: int) -> Ranges:
    return ranges_within(heat, room_bytes, priced_ranges(heat, most))


def all_choices(count: int, most: int) -> list[Ranges]:
    """Every set of at most so many disjoint ranges."""
    edges = (own for number in range(most + 1) for own in itertools.combinations(range(count + 1), 2 * number))
    return [tuple(zip(own[::2], own[1::2], strict=True)) for own in edges]


def check(ranges: Ranges, count: int, most: int) -> None:
    """They are ranges, in order, disjoint, and not more than they may be."""
    flat = [edge for pair in ranges for edge in pair]
    assert len(ranges) <= most
    assert flat == sorted(flat)
    assert all(0 <= first < end <= count for first, end in ranges)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=11), st.integers(0, 3))
def test_no_other_ranges_gain_more(gains: list[int], most: int) -> None:
    values = np.array(gains, dtype=np.float64)
    found = best_ranges(values, most)
    check(found, len(gains), most)
    assert share_of(found, values) == max(share_of(own, values) for own in all_choices(len(gains), most))


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=300), st.integers(0, 16))
def test_ranges_are_ranges_however_many_blocks_there_are(gains: list[int], most: int) -> None:
    check(best_ranges(np.array(gains, dtype=np.float64), most), len(gains), most)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.integers(1, 3), st.integers(0, 9), st.integers(1, 4096))
def test_ranges_fit_their_room_and_take_what_their_price_allows(weights: list[int], most: int, room: int, last_bytes: int) -> None:
    # GIVEN an object whose last block may be cut short
    heat = heat_of([float(weight) for weight in weights], size_bytes=(len(weights) - 1) * 4096 + last_bytes)
    size, room_bytes = heat.bytes(), room * 4096
    found = within(heat, room_bytes, most)
    # THEN no more room is taken than there is, and no single block that fits is hotter than all of it
    check(found, len(weights), most)
    assert bytes_of(found, size) <= room_bytes
    best = max(share_of(own, heat.chosen_by) for own in all_choices(len(weights), most) if bytes_of(own, size) <= room_bytes)
    assert share_of(found, heat.chosen_by) <= best + 1e-12
    assert (share_of(found, heat.chosen_by) > 0) == (best > 0)


def test_all_blocks_are_taken_where_there_is_room_for_all_that_are_touched() -> None:
    heat = heat_of([0, 5, 5, 0, 0, 3, 0])
    assert within(heat, 3 * 4096, 16) == ((1, 3), (5, 6))
    assert within(heat, 7 * 4096, 16) == ((1, 3), (5, 6))


def test_gaps_are_bridged_where_the_ranges_would_be_too_many() -> None:
    # GIVEN four hot blocks, two of them close together
    heat = heat_of([9, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 9])
    # THEN three ranges take all of them, with the shortest gap
    assert within(heat, 5 * 4096, 3) == ((0, 3), (6, 7), (12, 13))


def test_even_heat_fills_the_room() -> None:
    heat = heat_of([1.0] * 64)
    found = within(heat, 24 * 4096, 16)
    assert bytes_of(found, heat.bytes()) == 24 * 4096
    assert share_of(found, heat.judged_by) == 24 / 64


def test_single_blocks_are_taken_hottest_first() -> None:
    heat = heat_of([4, 0, 1, 3, 2])
    assert single_blocks_share(heat, 2 * 4096) == 0.7
