"""First touch: who gets the fast pages when nobody plans."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.placer.predict.first_touch import first_touch_shares

Allocations = Callable[..., pd.DataFrame]
SITES = np.array([0, 1, 2])


def _naive(lives: list[tuple[int, int, int, int]], budget: int) -> list[float]:
    """One page (byte) after the other, in plain loops."""
    events = sorted(
        [(birth, 1, at) for at, (_, _, birth, _) in enumerate(lives)] + [(death, 0, at) for at, (*_, death) in enumerate(lives)]
    )
    free, got = budget, [0] * len(lives)
    for _, born, at in events:
        if born:
            got[at] = min(free, lives[at][1])
            free -= got[at]
        else:
            free += got[at]
    shares = []
    for site in range(3):
        own = [(life, fast) for life, fast in zip(lives, got, strict=True) if life[0] == site]
        area = sum(size * (death - birth) for (_, size, birth, death), _ in own)
        fast_area = sum(fast * (death - birth) for (_, _, birth, death), fast in own)
        shares.append(fast_area / area if area else float(budget > 0))
    return shares


def test_the_first_born_get_the_fast_pages_and_the_last_is_split(allocations: Allocations) -> None:
    # GIVEN three objects of 40, 60 and 30 bytes that all live to the end
    lives = allocations([(0, 40, 0, None), (1, 60, 1, None), (2, 30, 2, None)])
    # WHEN there are 0, 70 and 200 fast bytes
    shares = first_touch_shares(lives, SITES, np.array([0, 70, 200]))
    # THEN the second gets what the first left
    assert shares == pytest.approx(np.array([[0, 0, 0], [1, 0.5, 0], [1, 1, 1]]))


def test_what_dies_gives_its_pages_to_the_next(allocations: Allocations) -> None:
    # WHEN the first dies in the very moment in which the second is born THEN the second has its pages
    shares = first_touch_shares(allocations([(0, 50, 0, 10), (1, 50, 10, 20)]), SITES[:2], np.array([50]))
    assert shares == pytest.approx(np.array([[1.0, 1.0]]))


def test_an_allocation_counts_for_as_long_as_it_lives(allocations: Allocations) -> None:
    # GIVEN 10 bytes in fast memory for 30 ns and 10 bytes of the same site in slow memory for 10 ns
    shares = first_touch_shares(allocations([(0, 10, 0, 30), (0, 10, 5, 15)]), SITES[:1], np.array([10]))
    assert shares == pytest.approx(np.array([[0.75]]))


def test_memory_of_others_and_what_a_child_inherited_do_not_count(allocations: Allocations) -> None:
    lives = allocations([(9, 100, 0, None), (0, 50, 1, None), (0, 50, 2, None)])
    lives.loc[2, "inherited"] = True
    assert first_touch_shares(lives, SITES[:1], np.array([50])) == pytest.approx(np.array([[1.0]]))


_LIVES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 50), st.integers(0, 40), st.integers(1, 40)).map(lambda own: (*own[:3], own[2] + own[3])),
    min_size=1,
    max_size=25,
)


@given(_LIVES, st.lists(st.integers(0, 400), min_size=1, max_size=4))
def test_it_equals_the_plain_loop(lives: list[tuple[int, int, int, int]], budgets: list[int]) -> None:
    frame = pd.DataFrame(lives, columns=["site", "size_bytes", "birth_ns", "death_ns"]).assign(weight=1.0, inherited=False)
    shares = first_touch_shares(frame, SITES, np.array(budgets))
    assert shares == pytest.approx(np.array([_naive(lives, budget) for budget in budgets]))


def test_many_small_allocations_are_lumped_and_keep_their_bytes(allocations: Allocations) -> None:
    # GIVEN one large object and 20 000 small ones of another site, each as short as the next, 100 bytes of them alive at any moment
    small = [(1, 10, 10 * at, 10 * at + 100) for at in range(20_000)]
    lives = allocations([(0, 1000, 0, 200_100), *small])
    # WHEN only 100 lives are followed one by one
    shares = first_touch_shares(lives, SITES[:2], np.array([500, 1050, 1100]), most=100)
    # THEN the large one has what it had, and the small ones share what is left as 100 bytes would
    assert shares[:, 0] == pytest.approx([0.5, 1.0, 1.0])
    assert shares[:, 1] == pytest.approx([0.0, 0.5, 1.0], abs=0.03)
