"""Births and deaths are matched exactly, mappings are split exactly, forked children see their parent's memory."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.profiler.allocations import ALLOC, FLAG_FILE, FREE, KINDS, MAP, MOVE, RESIDENT, SLAB, SMALL, UNMAP, live_at, match_records
from tierprof.profiler.join import never
from tierprof.profiler.moves import FLAG_BORN
from tierprof.profiler.raw import RECORD

Row = tuple[int, int, int, int]  # type, time, address, size


def records(*rows: Row, flags: int = 0, aux: int = 0) -> np.ndarray:
    made = np.zeros(len(rows), RECORD)
    for place, (kind, time, address, size) in enumerate(rows):
        made[place] = (time, address, size, 7, 100 + place, kind, 0, flags, aux)
    return made


def spans(table: pd.DataFrame) -> list[tuple[int, int, int, int]]:
    """(address, size, birth, death), death -1 where it is alive at the end."""
    death = table["death_ns"].where(table["death_ns"] != never(), -1)
    return sorted(zip(table["address"].tolist(), table["size_bytes"].tolist(), table["birth_ns"].tolist(), death.tolist(), strict=True))


def test_an_allocation_lives_until_it_is_freed() -> None:
    table = match_records(records((ALLOC, 10, 0x1000, 64), (ALLOC, 11, 0x2000, 32), (FREE, 20, 0x1000, 0)))
    assert spans(table) == [(0x1000, 64, 10, 20), (0x2000, 32, 11, -1)]
    assert table["site"].tolist() == [7, 7]
    assert table["tid"].tolist() == [100, 101]


def test_a_reused_address_is_two_allocations_whatever_the_order_of_the_records() -> None:
    # GIVEN an address that is freed and handed out again in the same nanosecond, the records in no order
    rows = records((ALLOC, 30, 0x1000, 8), (FREE, 40, 0x1000, 0), (ALLOC, 10, 0x1000, 64), (FREE, 30, 0x1000, 0))
    assert spans(match_records(rows)) == [(0x1000, 8, 30, 40), (0x1000, 64, 10, 30)]


def test_a_lost_free_ends_with_the_next_birth() -> None:
    assert spans(match_records(records((ALLOC, 10, 0x1000, 64), (ALLOC, 20, 0x1000, 8)))) == [(0x1000, 8, 20, -1), (0x1000, 64, 10, 20)]


def test_a_free_of_what_was_never_seen_is_nothing() -> None:
    assert len(match_records(records((FREE, 10, 0x1000, 0)))) == 0


def test_a_sampled_small_allocation_carries_its_weight() -> None:
    table = match_records(records((SMALL, 10, 0x1000, 64), (FREE, 12, 0x1000, 0), aux=8192))
    assert KINDS[table["kind"].iloc[0]] == "small"
    assert table["weight"].tolist() == [8192.0]
    assert spans(table) == [(0x1000, 64, 10, 12)]


def test_what_was_resident_at_the_end_is_told_by_the_free_or_the_exit() -> None:
    # GIVEN two frees, one of which asked for the pages (3, noted as 4), and an allocation that is alive at the exit with one page
    rows = records((ALLOC, 10, 0x1000, 4 * 4096), (ALLOC, 10, 0x9000, 64), (ALLOC, 11, 0x20000, 2 * 4096), (FREE, 20, 0x9000, 0))
    rows = np.concatenate((rows, records((FREE, 20, 0x1000, 0), aux=4), records((RESIDENT, 30, 0x20000, 2 * 4096), aux=2)))
    table = match_records(rows).sort_values("address")
    # THEN each has its bytes, null where nobody asked, and who is alive at the exit stays alive
    assert spans(table) == [(0x1000, 4 * 4096, 10, 20), (0x9000, 64, 10, 20), (0x20000, 2 * 4096, 11, -1)]
    assert table["resident_bytes"].fillna(-1).tolist() == [3 * 4096, -1, 4096]


def test_mappings_of_files_are_told_from_others() -> None:
    assert KINDS[match_records(records((MAP, 1, 0x1000, 4096), flags=FLAG_FILE))["kind"].iloc[0]] == "file"
    assert KINDS[match_records(records((MAP, 1, 0x1000, 4096)))["kind"].iloc[0]] == "mmap"


def test_unmapping_the_middle_leaves_both_ends() -> None:
    # GIVEN a mapping of four pages of which the two in the middle go, and later the last
    table = match_records(records((MAP, 10, 0x1000, 0x4000), (UNMAP, 20, 0x2000, 0x2000), (UNMAP, 30, 0x4000, 0x1000)))
    # THEN the whole ends at the first cut, and what is left is as long as it stays
    assert spans(table) == [(0x1000, 0x1000, 20, -1), (0x1000, 0x4000, 10, 20), (0x4000, 0x1000, 20, 30)]
    # AND only the whole counts as an allocation
    assert sorted(table["weight"]) == [0.0, 0.0, 1.0]


def test_one_unmap_ends_several_mappings() -> None:
    rows = records((MAP, 1, 0x1000, 0x1000), (MAP, 2, 0x2000, 0x1000), (MAP, 3, 0x3000, 0x1000), (UNMAP, 9, 0x1000, 0x2800))
    assert spans(match_records(rows)) == [(0x1000, 0x1000, 1, 9), (0x2000, 0x1000, 2, 9), (0x3000, 0x1000, 3, 9), (0x3800, 0x800, 9, -1)]


def test_mapping_over_a_mapping_replaces_what_it_covers() -> None:
    rows = records((MAP, 1, 0x1000, 0x4000), (MAP, 5, 0x2000, 0x1000))
    assert spans(match_records(rows)) == [(0x1000, 0x1000, 5, -1), (0x1000, 0x4000, 1, 5), (0x2000, 0x1000, 5, -1), (0x3000, 0x2000, 5, -1)]


def reference(rows: list[Row], address: int, time: int) -> int:
    """Birth of the mapping that a slow replay finds at an address after all records up to a time; -1: none."""
    owner = -1
    for kind, when, start, size in sorted(rows, key=lambda row: row[1]):
        if when <= time and start <= address < start + size:
            owner = when if kind == MAP else -1
    return owner


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([MAP, MAP, UNMAP]), st.integers(0, 12), st.integers(1, 6)), max_size=14))
def test_any_sequence_of_maps_leaves_what_a_replay_leaves(steps: list[tuple[int, int, int]]) -> None:
    # GIVEN maps and unmaps of random ranges, one a nanosecond
    rows = [(kind, 10 * place, start, size) for place, (kind, start, size) in enumerate(steps)]
    held_rows = spans(match_records(records(*rows)))
    for time in range(0, 10 * len(rows), 10):
        for address in range(20):
            held = [a <= address < a + size and born <= time and (death == -1 or time < death) for a, size, born, death in held_rows]
            # THEN at every time each address is in one row at most, and in one exactly if a replay has it mapped
            assert sum(held) == (reference(rows, address, time) >= 0)


def test_a_forked_child_sees_its_parents_memory_and_may_free_it() -> None:
    # GIVEN a parent with three allocations, one dead before the fork at 50, one born after it
    parent = match_records(
        records((ALLOC, 1, 0x1000, 64), (ALLOC, 2, 0x2000, 64), (FREE, 40, 0x2000, 0), (ALLOC, 60, 0x3000, 64), (MAP, 5, 0x10000, 0x2000))
    )
    # WHEN the child frees one, unmaps half of the mapping, and allocates its own
    own = records((FREE, 70, 0x1000, 0), (ALLOC, 80, 0x4000, 64), (UNMAP, 90, 0x10000, 0x1000))
    child = match_records(own, live_at(parent, 50))
    # THEN what it inherited is born at the fork, marked, and counts for nothing
    assert spans(child) == [(0x1000, 64, 50, 70), (0x4000, 64, 80, -1), (0x10000, 0x2000, 50, 90), (0x11000, 0x1000, 90, -1)]
    assert child.sort_values(["address", "birth_ns"])["inherited"].tolist() == [True, False, True, True]
    assert child["weight"].sum() == 1.0
    # AND the parent's own are as they were
    assert spans(parent)[0] == (0x1000, 64, 1, -1)


def test_a_slab_is_an_allocation_of_its_own_kind() -> None:
    table = match_records(records((SLAB, 10, 0x200000, 0x200000), (FREE, 30, 0x200000, 0)))
    assert KINDS[table["kind"].iloc[0]] == "slab"
    assert (spans(table), table["weight"].tolist()) == ([(0x200000, 0x200000, 10, 30)], [1.0])


def moved(time: int, address: int, size: int, tier: int) -> np.ndarray:
    made = records((MOVE, time, address, size))
    made["tier"] = tier
    return made


def test_an_allocation_that_moved_in_two_chunks_is_rows_by_tier_and_one_allocation() -> None:
    # GIVEN an allocation of three chunks, the first and second of which move at 20 and 30, and whose end is at 50
    rows = np.concatenate((records((ALLOC, 10, 0x1000, 0x3000), (FREE, 50, 0x1000, 0)), moved(20, 0x1000, 0x1000, 2)))
    table = match_records(np.concatenate((rows, moved(30, 0x2000, 0x1000, 2))))
    # THEN the whole ends at the first move, and each chunk is where it was, as long as it was there
    tiers = {(row.address, row.birth_ns): row.tier for row in table.itertuples()}
    before, after = [(0x1000, 0x3000, 10, 20), (0x2000, 0x1000, 20, 30)], [(0x1000, 0x1000, 20, 50), (0x2000, 0x1000, 30, 50)]
    assert spans(table) == sorted([*before, *after, (0x3000, 0x1000, 20, 50)])
    assert tiers == {(0x1000, 10): 0, (0x1000, 20): 2, (0x2000, 20): 0, (0x2000, 30): 2, (0x3000, 20): 0}
    # AND it counts once
    assert table["weight"].sum() == 1.0


def test_a_move_to_the_tier_that_it_is_in_changes_nothing() -> None:
    rows = np.concatenate((records((MAP, 10, 0x1000, 0x3000)), moved(20, 0x1000, 0x3000, 0)))
    assert spans(match_records(rows)) == [(0x1000, 0x3000, 10, -1)]


def test_a_child_that_is_forked_after_a_move_inherits_the_tiers() -> None:
    # GIVEN a parent's allocation of which the second half moved before the fork
    parent = match_records(np.concatenate((records((ALLOC, 1, 0x1000, 0x2000)), moved(5, 0x2000, 0x1000, 1))))
    # WHEN the child moves the first half, too
    child = match_records(moved(30, 0x1000, 0x1000, 1), live_at(parent, 10))
    # THEN both halves are in that tier at the end, and nothing is counted twice
    alive = child[child["death_ns"] == never()].sort_values("address")
    assert alive[["address", "size_bytes", "tier"]].to_numpy().tolist() == [[0x1000, 0x1000, 1], [0x2000, 0x1000, 1]]
    assert child["weight"].sum() == 0


def born(time: int, address: int, size: int, tier: int) -> np.ndarray:
    made = moved(time, address, size, tier)
    made["flags"] = FLAG_BORN
    return made


def test_an_allocation_that_was_born_in_parts_is_rows_by_tier_from_its_birth_on() -> None:
    # GIVEN an allocation of four chunks, the first and third of which were born in another tier than the rest
    rows = np.concatenate(
        (records((ALLOC, 10, 0x1000, 0x4000), (FREE, 50, 0x1000, 0)), born(10, 0x1000, 0x1000, 2), born(10, 0x3000, 0x1000, 1))
    )
    table = match_records(rows)
    # THEN no row is of the whole, and it counts once, at its start
    assert spans(table) == [(0x1000, 0x1000, 10, 50), (0x2000, 0x1000, 10, 50), (0x3000, 0x1000, 10, 50), (0x4000, 0x1000, 10, 50)]
    assert table.sort_values("address")[["tier", "weight"]].to_numpy().tolist() == [[2, 1], [0, 0], [1, 0], [0, 0]]
    # and when the last chunk moves, the others stay as they are
    later = match_records(np.concatenate((rows, moved(30, 0x4000, 0x1000, 2))))
    assert spans(later)[:3] == spans(table)[:3]
    assert spans(later)[3:] == [(0x4000, 0x1000, 10, 30), (0x4000, 0x1000, 30, 50)]
    assert later["weight"].sum() == 1.0


def test_the_next_allocation_at_an_address_is_born_in_parts_of_its_own() -> None:
    first, second = records((ALLOC, 10, 0x1000, 0x2000), (FREE, 20, 0x1000, 0)), records((ALLOC, 20, 0x1000, 0x2000))
    table = match_records(np.concatenate((first, second, born(20, 0x2000, 0x1000, 1))))
    assert spans(table) == [(0x1000, 0x1000, 20, -1), (0x1000, 0x2000, 10, 20), (0x2000, 0x1000, 20, -1)]
    assert table["weight"].sum() == 2.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 5), st.integers(0, 2)), max_size=8))
def test_any_moves_leave_each_byte_in_the_tier_that_it_went_to_last(steps: list[tuple[int, int, int]]) -> None:
    # GIVEN one allocation of eight bytes, and moves of parts of it, one every ten nanoseconds
    parts = [moved(10 * place, low, min(size, 8 - low), tier) for place, (low, size, tier) in enumerate(steps, 1)]
    table = match_records(np.concatenate((records((ALLOC, 1, 0, 8), (FREE, 200, 0, 0)), *parts)))
    rows = table[["address", "size_bytes", "birth_ns", "death_ns", "tier"]].astype(int).to_numpy().tolist()
    for now in range(1, 10 * len(steps) + 20, 10):
        for byte in range(8):
            last = [tier for at, (low, size, tier) in enumerate(steps, 1) if 10 * at <= now and low <= byte < low + size]
            held = [tier for low, size, birth, death, tier in rows if low <= byte < low + size and birth <= now < death]
            # THEN at any time each byte is in one row, of the tier of the last move that took it
            assert held == [last[-1] if last else 0]
    assert table["weight"].sum() == 1.0
