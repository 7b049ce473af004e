"""The join is exact: against a slow reference on random heaps, and at every edge of a rectangle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.profiler.join import IntervalIndex, never


def index_of(rectangles: list[tuple[int, int, int, int]]) -> IntervalIndex:
    columns = np.array(rectangles, dtype=object).reshape(-1, 4)
    addresses = [np.array(columns[:, c].tolist(), np.uint64) for c in (0, 1)]
    times = [np.array(columns[:, c].tolist(), np.int64) for c in (2, 3)]
    return IntervalIndex(*addresses, *times)


def reference(rectangles: list[tuple[int, int, int, int]], address: int, time: int) -> int:
    for row, (start, end, birth, death) in enumerate(rectangles):
        if start <= address < end and birth <= time < death:
            return row
    return -1


@st.composite
def disjoint_heaps(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """Random rectangles, each dropped if it overlaps one before it; small numbers, so that edges coincide all the time."""
    made: list[tuple[int, int, int, int]] = []
    for _ in range(draw(st.integers(0, 40))):
        start, birth = draw(st.integers(0, 24)), draw(st.integers(0, 24))
        end, death = start + draw(st.integers(0, 12)), birth + draw(st.integers(0, 12))
        if not any(start < e and s < end and birth < d and b < death for s, e, b, d in made):
            made.append((start, end, birth, death))
    return made


@settings(max_examples=150, deadline=None)
@given(rectangles=disjoint_heaps())
def test_every_point_finds_what_a_slow_search_finds(rectangles: list[tuple[int, int, int, int]]) -> None:
    # GIVEN disjoint rectangles in address x time
    index = index_of(rectangles)
    points = [(address, time) for address in range(38) for time in range(38)]
    # WHEN every point of the plane is looked up
    found = index.find(np.array([p[0] for p in points], np.uint64), np.array([p[1] for p in points], np.int64))
    # THEN each gets the rectangle that holds it, empty ones never
    assert found.tolist() == [reference(rectangles, *point) for point in points]


def test_ends_and_deaths_are_exclusive() -> None:
    index = index_of([(100, 200, 10, 20)])
    addresses = np.array([99, 100, 199, 200, 150, 150, 150, 150], np.uint64)
    times = np.array([15, 15, 15, 15, 9, 10, 19, 20], np.int64)
    assert index.find(addresses, times).tolist() == [-1, 0, 0, -1, -1, 0, 0, -1]


def test_a_reused_address_belongs_to_whoever_had_it_then() -> None:
    # GIVEN one address handed out three times, whole, in part, and beyond
    index = index_of([(0x1000, 0x2000, 0, 10), (0x1000, 0x1800, 10, 20), (0x1000, 0x4000, 20, never())])
    addresses = np.array([0x1900, 0x1900, 0x1100, 0x3000, 0x3000], np.uint64)
    times = np.array([5, 15, 15, 15, 10**12], np.int64)
    assert index.find(addresses, times).tolist() == [0, -1, 1, -1, 2]


def test_addresses_of_the_upper_half_are_not_negative() -> None:
    top = 2**64 - 4096
    index = index_of([(top, top + 100, 0, 10), (4096, 8192, 0, 10)])
    assert index.find(np.array([top + 50, 5000], np.uint64), np.array([1, 1], np.int64)).tolist() == [0, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_index_finds_nothing(count: int) -> None:
    found = index_of([]).find(np.zeros(count, np.uint64), np.zeros(count, np.int64))
    assert found.tolist() == [-1] * count


def test_points_come_back_in_their_own_order_across_blocks() -> None:
    # GIVEN more points than one block holds, in no order
    slots = np.arange(1000, dtype=np.uint64) * np.uint64(64)
    index = IntervalIndex(slots, slots + np.uint64(32), np.zeros(1000, np.int64), np.full(1000, 5))
    random = np.random.default_rng(3)
    row = random.integers(0, 1000, 600_000)
    inside = random.integers(0, 64, 600_000)
    when = random.integers(0, 10, 600_000)
    found = index.find(slots[row] + inside.astype(np.uint64), when)
    assert np.array_equal(found, np.where((inside < 32) & (when < 5), row, -1))
