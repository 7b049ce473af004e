"""Which allocations lie on top of each other, against a plain sweep over births and deaths."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tierprof.profiler.overlay import lowest_free, overlay

MIB = 1 << 20
NEVER = None


def allocations(*rows: tuple[int, int, int, int | None], **columns: object) -> pd.DataFrame:
    """Rows are (address, size, birth, death)."""
    table = pd.DataFrame(rows, columns=["address", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
    return table.assign(**{"site": 3, "pid": 1, "kind": "malloc", "weight": 1.0, "inherited": False, **columns})


def test_what_is_made_again_lies_on_what_it_was_before() -> None:
    # GIVEN an array that each of three iterations makes anew, elsewhere, and frees
    table = overlay(allocations((0, MIB, 0, 10), (5 * MIB, MIB, 10, 20), (9 * MIB, MIB, 25, NEVER)), MIB)
    # THEN all lie on the first
    assert table["first"].tolist() == [0, 0, 0]
    assert table["allocations"].tolist() == [3, 3, 3]
    assert table["start"].tolist() == [0, 5 * MIB, 9 * MIB]


def test_what_lives_at_the_same_time_is_kept_apart() -> None:
    # GIVEN two tables that one line makes, then a third once the first has died
    table = overlay(allocations((0, MIB, 0, 10), (2 * MIB, MIB, 5, 30), (4 * MIB, MIB, 12, 20)), MIB)
    # THEN the third takes the place of the first
    assert table["first"].tolist() == [0, 1, 0]
    assert table["lane"].tolist() == [0, 1, 0]


def test_other_sites_sizes_and_what_is_small_have_nothing_to_do_with_it() -> None:
    table = overlay(allocations((0, MIB, 0, 1), (0, 2 * MIB, 1, 2), (0, MIB, 2, 3), (0, MIB - 1, 3, 4), site=[1, 1, 2, 1]), MIB)
    assert table["first"].to_dict() == {0: 0, 1: 1, 2: 2}


def test_a_part_that_moved_belongs_to_the_whole() -> None:
    # GIVEN an allocation of which the second half moved, and another that takes its place later; both of the same address
    rows = [(0, 4 * MIB, 0, 10), (0, 2 * MIB, 10, 50), (2 * MIB, 2 * MIB, 10, 40), (0, 4 * MIB, 60, 70), (MIB, MIB, 70, NEVER)]
    table = overlay(allocations(*rows, weight=[1.0, 0.0, 0.0, 1.0, 0.0]), MIB)
    # THEN every part counts from the start of what it was part of, and all are one
    assert table["first"].tolist() == [0, 0, 0, 0, 0]
    assert table["start"].tolist() == [0, 0, 0, 0, 0]
    assert set(table["size_bytes"]) == {4 * MIB}
    assert set(table["allocations"]) == {2}


def test_a_whole_lives_as_long_as_its_last_part() -> None:
    # GIVEN an allocation of which a part still lives when the next of the site is made
    rows = [(0, 4 * MIB, 0, 10), (0, 2 * MIB, 10, 90), (8 * MIB, 4 * MIB, 20, 30)]
    assert overlay(allocations(*rows, weight=[1.0, 0.0, 1.0]), MIB)["first"].tolist() == [0, 0, 2]


def test_what_a_child_inherited_is_not_one_more() -> None:
    rows = [(0, MIB, 0, NEVER), (0, MIB, 5, NEVER)]
    table = overlay(allocations(*rows, pid=[1, 2], inherited=[False, True]), MIB)
    assert table["first"].tolist() == [0, 0]
    assert table["allocations"].tolist() == [1, 1]


lives = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=30).map(
    lambda pairs: sorted((birth, birth + length) for birth, length in pairs)
)


@given(lives)
def test_each_takes_the_lowest_lane_that_is_free(given_lives: list[tuple[int, int]]) -> None:
    # GIVEN lives in the order of their births
    lanes = lowest_free([birth for birth, _ in given_lives], [death for _, death in given_lives])
    for number, ((birth, _), lane) in enumerate(zip(given_lives, lanes, strict=True)):
        # THEN the lane is the lowest that no earlier one still has
        held = {lanes[at] for at in range(number) if given_lives[at][1] > birth}
        assert lane == min(set(range(number + 1)) - held)
