"""Chains of an episode: against all paths through its loads, on random ones."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .caches import library
from .paths import Miss, chains, paths, sorted_chains

L3, NEAR, MID, FAR = range(4)


def find(misses: list[Miss]) -> tuple[tuple[Any, ...], bool]:
    """What tpm_chains_find makes of them."""
    ffi, native = library()
    recorder = native.tpm_recorder_new(0)
    working = native.tpm_chains_new(recorder)
    given_misses = ffi.new("struct tpm_miss[]", [(sum(1 << k for k in miss.waits), miss.number, miss.node_class) for miss in misses])
    nodes, folded = ffi.new("struct tpx_node[16]"), ffi.new("bool *")
    count = native.tpm_chains_find(working, given_misses, len(misses), nodes, folded)
    found = sorted_chains((node.chain, node.object, node.node_class, node.count) for node in nodes[0:count])
    native.tpm_chains_free(working, recorder)
    native.tpm_recorder_free(recorder)
    return found, folded[0]


@st.composite
def episodes(draw: st.DrawFn) -> list[Miss]:
    misses: list[Miss] = []
    for number in range(draw(st.integers(1, 11))):
        direct = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        waits = frozenset(direct).union(*(misses[k].waits for k in direct))
        misses.append(Miss(draw(st.integers(1, 3)), draw(st.integers(L3, FAR)), waits))
    return misses


@settings(max_examples=400, deadline=None)
@given(episodes())
def test_chains_are_the_paths_that_no_other_contains(misses: list[Miss]) -> None:
    # GIVEN loads of an episode that wait for each other at random, no more paths at any of them than are kept
    assume(all(len(paths(misses[: k + 1])) <= 32 for k in range(len(misses))))
    # THEN the chains, and whether some were folded, are those of the plain search
    assert find(misses) == chains(misses)


def one(number: int, node_class: int, *waits: int) -> Miss:
    return Miss(number, node_class, frozenset(waits))


@pytest.mark.parametrize(
    ("misses", "expected"),
    [
        pytest.param([one(1, FAR)] * 10, [[(1, FAR, 1)]], id="a gather is one load long"),
        pytest.param([one(1, FAR, *range(k)) for k in range(10)], [[(1, FAR, 10)]], id="a chase is as long as it has loads"),
        pytest.param([one(1, c) for c in (NEAR, FAR, L3, MID)], [[(1, FAR, 1)]], id="what is nearer hides behind what is farther"),
        pytest.param([one(1, FAR), one(2, NEAR), one(7, L3)], [[(1, FAR, 1)], [(2, NEAR, 1)]], id="of two objects either may be slower"),
        pytest.param([one(1, FAR), one(2, FAR, 0), one(1, FAR)], [[(1, FAR, 1), (2, FAR, 1)]], id="a path within another is left out"),
        pytest.param(
            [one(1, FAR), one(2, FAR), one(1, FAR, 0), one(2, FAR, 1)], [[(1, FAR, 2)], [(2, FAR, 2)]], id="two chases side by side"
        ),
        pytest.param(
            [one(1, L3), one(1, L3, 0), one(2, FAR)], [[(0, L3, 2)], [(2, FAR, 1)]], id="two L3 hits in a row are not within one load"
        ),
    ],
)
def test_chains_by_hand(misses: list[Miss], expected: list[list[tuple[int, int, int]]]) -> None:
    # GIVEN an episode whose chains are plain to see
    # THEN they are what is found, and nothing is folded
    assert find(misses) == (tuple(tuple(chain) for chain in expected), False)


def test_a_chain_of_many_objects_gives_the_rarest_to_the_most_frequent() -> None:
    # GIVEN one chase through six objects, the fifth of them three times
    objects = [1, 2, 5, 3, 5, 4, 5, 6]
    misses = [one(number, FAR, *range(k)) for k, number in enumerate(objects)]
    # THEN four elements are left, and no load is lost
    assert find(misses) == ((((1, FAR, 1), (2, FAR, 1), (3, FAR, 1), (5, FAR, 5)),), True)


def test_of_many_chains_the_longest_are_kept() -> None:
    # GIVEN loads of six objects side by side, two of them with another behind
    misses = [one(number, FAR) for number in range(1, 7)] + [one(5, FAR, 4), one(6, FAR, 5)]
    # THEN these two are kept, and of the others the first two
    assert find(misses) == ((((1, FAR, 1),), ((2, FAR, 1),), ((5, FAR, 2),), ((6, FAR, 2),)), True)


def test_paths_beyond_count_are_bounded() -> None:
    # GIVEN the most loads that an episode may have, in layers that wait for all of the layer before
    misses = [one(1 + k, FAR, *range(k // 4 * 4)) for k in range(64)]
    # THEN the search ends, says that it folded, and its chains are as long as the longest path
    found, folded = find(misses)
    assert folded
    assert len(found) == 4
    assert all(sum(count for _, _, count in chain) == 16 for chain in found)
