"""Packing under peak-live budgets, against brute force."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.base.errors import PlanError
from tierprof.placer.pack import Demand, live_demand, non_dominated, pack, pack_in_order


def _allocations(rows: list[tuple[int, int, int, int | None]], **columns: object) -> pd.DataFrame:
    """Rows of (site, size, birth, death) with the other columns' defaults."""
    frame = pd.DataFrame(rows, columns=["site", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
    return frame.assign(weight=1.0, inherited=False).assign(**columns)


def _live_at(rows: list[tuple[int, int, int, int | None]], moment: int, site: int) -> int:
    return sum(size for own, size, birth, death in rows if own == site and birth <= moment and (death is None or moment < death))


def test_objects_that_never_live_together_share_the_budget() -> None:
    # GIVEN a of 60 bytes that dies as b of 70 is born, and c of 50 that lives throughout
    demand = live_demand(_allocations([(0, 60, 0, 10), (1, 70, 10, 20), (2, 50, 0, None)]))
    # WHEN 100 bytes are packed
    packing = pack(np.array([3.0, 2.0, 4.0]), demand.columns(np.array([0, 1, 2])), 100)
    # THEN a and b are chosen together, and the peak is that of b
    assert packing.chosen.tolist() == [True, True, False]
    assert (packing.value, packing.peak_bytes, packing.optimal) == (5.0, 70, True)
    assert demand.peak_bytes == 120


def test_instances_of_an_object_that_live_together_add_up() -> None:
    demand = live_demand(_allocations([(7, 40, 0, 30), (7, 40, 10, 20), (7, 40, 25, None)]))
    assert demand.sites.tolist() == [7]
    assert demand.live_bytes.tolist() == [[80]]


def test_inherited_allocations_are_not_counted_again_and_weights_are() -> None:
    frame = _allocations([(0, 100, 0, None), (0, 100, 5, None), (1, 8, 0, None)], inherited=[False, True, False], weight=[1.0, 1.0, 12.5])
    assert live_demand(frame).live_bytes.tolist() == [[100, 100]]


def test_a_site_without_allocations_needs_nothing() -> None:
    demand = live_demand(_allocations([(3, 10, 0, None)]))
    assert demand.columns(np.array([9, 3])).tolist() == [[0, 10]]


def test_no_allocations_at_all() -> None:
    demand = live_demand(_allocations([]))
    assert (demand.peak_bytes, demand.columns(np.array([4])).tolist()) == (0, [[0]])


def test_worthless_objects_and_those_larger_than_the_budget_stay_out() -> None:
    packing = pack(np.array([0.0, -1.0, 9.0, 1.0]), np.array([[1, 1, 200, 50]]), 100)
    assert packing.chosen.tolist() == [False, False, False, True]


def test_nothing_fits_a_budget_of_zero() -> None:
    assert pack(np.array([1.0, 2.0]), np.array([[5, 6]]), 0).chosen.tolist() == [False, False]


def test_a_negative_budget_is_an_error() -> None:
    with pytest.raises(PlanError, match="larger budget"):
        pack(np.array([1.0]), np.array([[1]]), -1)


def test_greedy_order_passes_over_what_does_not_fit() -> None:
    chosen = pack_in_order(np.array([5.0, 4.0, 3.0]), np.array([[60, 60, 40]]), 100)
    assert chosen.tolist() == [True, False, True]


def test_a_set_over_the_budget_by_one_byte_in_a_terabyte_is_refused() -> None:
    # GIVEN three objects of which two together exceed a terabyte by one byte, within the solver's tolerance
    tera = 2**40
    rows = np.array([[tera // 2 + 1, tera // 2, tera // 2 - 1]])
    # WHEN they are packed
    packing = pack(np.array([3.0, 2.0, 1.0]), rows, tera)
    # THEN the best set that fits to the byte is chosen
    assert packing.chosen.tolist() == [True, False, True]
    assert packing.peak_bytes == tera


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_packing_is_as_good_as_trying_every_subset(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    moments = data.draw(st.integers(1, 5))
    sizes = st.lists(st.integers(0, 2**33), min_size=count, max_size=count)
    rows = np.array(data.draw(st.lists(sizes, min_size=moments, max_size=moments)))
    values = np.array(data.draw(st.lists(st.integers(-5, 1000), min_size=count, max_size=count)), dtype=float)
    budget = data.draw(st.integers(0, int(rows.sum(axis=1).max())))

    packing = pack(values, rows, budget)

    subsets = (np.array(subset, dtype=bool) for subset in itertools.product([False, True], repeat=count))
    best = max(values[subset].sum() for subset in subsets if (rows[:, subset].sum(axis=1) <= budget).all())
    assert packing.optimal
    assert packing.value == best == values[packing.chosen].sum()
    assert rows[:, packing.chosen].sum(axis=1).max() == packing.peak_bytes <= budget


_LIVES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 100), st.integers(0, 12), st.integers(0, 6), st.booleans()),
    max_size=25,
).map(lambda rows: [(site, size, birth, birth + lasts if ends else None) for site, size, birth, lasts, ends in rows])


@settings(max_examples=200, deadline=None)
@given(_LIVES, st.integers(1, 6))
def test_demand_is_the_live_bytes_at_every_moment(rows: list[tuple[int, int, int, int | None]], few: int) -> None:
    sites = np.arange(4)
    table = np.array([[_live_at(rows, moment, site) for site in sites] for moment in range(20)])
    demand = live_demand(_allocations(rows))
    windowed = live_demand(_allocations(rows), max_windows=few)

    assert demand.exact
    assert demand.peak_bytes == windowed.peak_bytes == table.sum(axis=1).max()
    # The same constraints, in whatever order; and windows are never below them.
    assert sorted(demand.columns(sites).tolist()) == sorted(non_dominated(table).tolist())
    for row in table:
        assert (windowed.columns(sites) >= row).all(axis=1).any()
    assert len(windowed.live_bytes) <= max(few, 1)


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=8))
def test_non_dominated_rows_cover_all_and_none_covers_another(rows: list[list[int]]) -> None:
    kept = non_dominated(np.array(rows))
    assert all((kept >= row).all(axis=1).any() for row in np.array(rows))
    for one, other in itertools.permutations(range(len(kept)), 2):
        assert not (kept[one] >= kept[other]).all()


def test_demand_columns_keep_their_sites() -> None:
    demand = Demand(np.array([5, 2]), np.array([[10, 20]]), 30, True)
    assert demand.columns(np.array([2, 5])).tolist() == [[20, 10]]
