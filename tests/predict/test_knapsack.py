"""Packing under many budgets at once: as good as one by one, and nothing on stdout."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.base.errors import PlanError
from tierprof.placer.knapsack import Knapsack
from tierprof.placer.pack import pack_budgets


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_each_budget_is_packed_as_well_as_trying_every_subset(data: st.DataObject) -> None:
    count, moments = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 12))
    sizes = st.lists(st.integers(0, 1000), min_size=count, max_size=count)
    rows = np.array(data.draw(st.lists(sizes, min_size=moments, max_size=moments)))
    values = np.array(data.draw(st.lists(st.integers(-2, 50), min_size=count, max_size=count)), dtype=float)
    budgets = data.draw(st.lists(st.integers(0, int(rows.sum(axis=1).max())), min_size=1, max_size=6))

    packings = pack_budgets(values, rows, budgets)

    subsets = [np.array(subset, dtype=bool) for subset in itertools.product([False, True], repeat=count)]
    for budget, packing in zip(budgets, packings, strict=True):
        assert packing.optimal
        assert packing.value == max(values[own].sum() for own in subsets if (rows[:, own].sum(axis=1) <= budget).all())
        assert packing.peak_bytes == rows[:, packing.chosen].sum(axis=1).max() <= budget


def test_moments_that_matter_only_together_are_all_found() -> None:
    # GIVEN twenty objects of which at each of twenty moments all but one live
    count = 20
    rows = 10 * (1 - np.eye(count, dtype=np.int64)) + 5 * np.eye(count, dtype=np.int64)
    # WHEN eleven of them fit at any moment
    chosen, optimal = Knapsack(np.arange(1.0, count + 1), rows).solve(110, 20.0)
    # THEN the eleven of greatest value are chosen, no twelfth by half a size at its own moment
    assert optimal
    assert np.flatnonzero(chosen).tolist() == list(range(9, 20))


def test_without_time_it_packs_greedily_and_says_so() -> None:
    rows = np.array([[60, 50, 50]])
    chosen, optimal = Knapsack(np.array([7.0, 5.0, 5.0]), rows).solve(100, 0.0)
    assert not optimal
    assert (rows @ chosen <= 100).all()
    assert chosen.tolist() == [True, False, False]


def test_a_negative_budget_among_others_is_an_error() -> None:
    with pytest.raises(PlanError, match="larger budget"):
        pack_budgets(np.array([1.0]), np.array([[1]]), [5, -1])


_TALKATIVE = """
import numpy as np
from tierprof.placer.pack import pack_budgets
random = np.random.default_rng(0)
size = np.exp(random.normal(16.5, 1.8, 40)).astype(np.int64)
rows = size * random.integers(0, 13, (8, 40))
budgets = [int(rows.sum(axis=1).max() * share) for share in np.linspace(0.05, 0.6, 8)]
packings = pack_budgets(random.pareto(1.0, 40) + 0.01, rows, budgets)
print(all(packing.optimal for packing in packings))
"""


def test_the_solver_prints_nothing_of_its_own() -> None:
    # GIVEN instances on which HiGHS prints a line whatever its options say
    done = subprocess.run([sys.executable, "-P", "-c", _TALKATIVE], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
