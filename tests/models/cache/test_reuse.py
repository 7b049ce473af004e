"""Reuse distances: exact where every granule is tracked, close where they are sampled, bounded always."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .binding import Reuse

TRACKED = 1 << 16  # TPM_REUSE_TRACKED
UNKNOWN = (1 << 24) - 16 + 4  # TPM_OBJECT_UNKNOWN

Uses = Sequence[tuple[int, int, bool]]


def _stack_distances(uses: Uses) -> dict[int, tuple[float, Counter[int]]]:
    """Mattson's stack, by object: first uses, and uses by the logarithm of their depth. `uses`: granule, object, counted."""
    stack: list[int] = []
    found: defaultdict[int, tuple[list[float], Counter[int]]] = defaultdict(lambda: ([0.0], Counter()))
    for granule, owner, counted in uses:
        depth = stack.index(granule) + 1 if granule in stack else None
        if depth is not None:
            stack.pop(depth - 1)
        stack.insert(0, granule)
        if not counted:
            continue
        if depth is None:
            found[owner][0][0] += 1
        else:
            found[owner][1][depth.bit_length() - 1] += 1
    return {owner: (cold[0], bins) for owner, (cold, bins) in found.items()}


def _feed(uses: Uses, every: int = 1, seed: int = 1) -> dict[int, tuple[float, Counter[int]]]:
    reuse = Reuse(every, seed)
    for granule, owner, counted in uses:
        reuse.touch(granule, owner, counted)
    return {
        owner: (cold, Counter({place: weight for place, weight in enumerate(bins) if weight})) for owner, cold, bins in reuse.histograms()
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12) | st.integers(1 << 40, (1 << 40) + 60), st.integers(0, 3), st.booleans()), max_size=400))
def test_with_all_granules_tracked_distances_are_those_of_the_stack(uses: Uses) -> None:
    assert _feed(uses) == _stack_distances(uses)


def test_they_stay_exact_when_the_row_of_places_is_closed_up() -> None:
    # GIVEN more uses than the row has places (2 * TRACKED), of few granules
    granules = np.random.default_rng(7).zipf(1.3, 3 * TRACKED) % 64
    uses = [(int(granule), int(granule) % 3, True) for granule in granules]
    # THEN no distance is lost at the seams
    assert _feed(uses) == _stack_distances(uses)


def test_uses_that_do_not_count_are_remembered() -> None:
    # GIVEN a granule used while warming up
    found = _feed([(5, 1, False), (6, 1, False), (5, 1, True)])
    # THEN its next use is not a first one
    assert found == {1: (0.0, Counter({1: 1.0}))}


@pytest.mark.parametrize("every", [4, 7, 16])
def test_sampled_distances_are_close(every: int) -> None:
    # GIVEN a skewed run over many granules
    rng = np.random.default_rng(3)
    granules = np.concatenate([rng.integers(0, 4000, 30000), rng.integers(0, 20000, 30000)])
    uses = [(int(granule), 1, True) for granule in granules]
    # WHEN one granule in `every` is tracked
    (exact_cold, exact), (cold, sampled) = _feed(uses)[1], _feed(uses, every)[1]
    # THEN first uses, all uses, and the hits of memories of any size agree within a few per cent of the uses
    assert cold == pytest.approx(exact_cold, rel=0.06)
    assert cold + sampled.total() == pytest.approx(len(uses), rel=0.06)
    for size in range(16):
        hits = [sum(weight for place, weight in bins.items() if place < size) / len(uses) for bins in (exact, sampled)]
        assert hits[1] == pytest.approx(hits[0], abs=0.03)


def test_the_seed_picks_other_granules() -> None:
    uses = [(granule, 1, True) for granule in range(1000)]
    assert _feed(uses, 16, seed=1) != _feed(uses, 16, seed=2)


def test_more_granules_than_are_tracked_halve_the_rate() -> None:
    # GIVEN a walk over three times as many granules as can be tracked, twice
    count = 3 * TRACKED
    uses = [(granule, 1, True) for granule in [*range(count), *range(count)]]
    # WHEN all are tracked until there are too many
    cold, bins = _feed(uses)[1]
    # THEN what is left stands for all of them: each is used first once, then again after all others
    assert cold == pytest.approx(count, rel=0.02)
    assert bins.keys() == {17}
    assert bins[17] == pytest.approx(count, rel=0.02)


def test_objects_beyond_the_last_histogram_share_one() -> None:
    # GIVEN one use each of more objects than there are histograms
    count = (1 << 16) + 500
    found = _feed([(1, owner, True) for owner in range(count)])
    # THEN those that found no room are counted as unknown, and none is lost
    assert len(found) == 1 << 16
    assert found[UNKNOWN] == (0.0, Counter({0: 501.0}))
    assert sum(cold + bins.total() for cold, bins in found.values()) == count
