"""Records of places and moves name the allocation that they are about."""

import numpy as np

from tierprof.profiler.allocations import ALLOC, FREE, MOVE, WHERE, layers, match_records
from tierprof.profiler.places import found_places, made_moves, place_names
from tierprof.profiler.raw import RECORD

HUGE, CACHED, FILE, ABSENT, UNKNOWN = 0x1000000, 0x40000, 0x10000, 0x20000, 0x30000


def records(*rows: tuple[int, int, int, int, int, int]) -> np.ndarray:
    """Of (type, time, address, size, tier, aux)."""
    made = np.zeros(len(rows), RECORD)
    for place, (kind, time, address, size, tier, aux) in enumerate(rows):
        made[place] = (time, address, size, 7, 1, kind, tier, 0, aux)
    return made


def test_places_are_named() -> None:
    numbers = np.array([0, 3, HUGE + 1, CACHED, CACHED + 2, FILE, ABSENT, UNKNOWN], np.uint32)
    names = ["node 0", "node 3", "node 1", "file on node 0", "file on node 2", "file", "absent", "unknown"]
    assert place_names(numbers).tolist() == names


def test_what_was_found_at_the_end_belongs_to_what_ended_and_not_to_what_came_next() -> None:
    # GIVEN an address that is used twice, asked about at the end of the first use and during the second
    rows = records(
        (ALLOC, 10, 0x1000, 0x2000, 1, 0),
        (WHERE, 20, 0x1000, 0x1000, 1, HUGE + 1),
        (WHERE, 20, 0x1000, 0x1000, 1, ABSENT),
        (FREE, 20, 0x1000, 0, 0, 0),
        (ALLOC, 20, 0x1000, 0x1000, 0, 0),
        (WHERE, 30, 0x1000, 0x1000, 0, 0),
        (WHERE, 30, 0x9000, 0x1000, 0, 0),
    )
    allocations = match_records(rows)
    table = found_places(allocations, rows[rows["type"] == WHERE], layers(allocations))
    # THEN each answer names its allocation, and one about nothing that was known names none
    assert table["row"].tolist() == [0, 0, 1, -1]
    assert allocations["tier"].tolist() == [1, 0]
    assert table[["place", "huge", "bytes"]].to_numpy().tolist()[:3] == [
        ["node 1", True, 4096],
        ["absent", False, 4096],
        ["node 0", False, 4096],
    ]


def test_a_move_names_the_part_that_begins_with_it() -> None:
    rows = records((ALLOC, 10, 0x1000, 0x2000, 0, 0), (MOVE, 20, 0x2000, 0x1000, 1, 250))
    allocations = match_records(rows)
    table = made_moves(allocations, rows[rows["type"] == MOVE], layers(allocations))
    part = allocations.iloc[table["row"].iloc[0]]
    assert (part["address"], part["size_bytes"], part["birth_ns"], part["tier"]) == (0x2000, 0x1000, 20, 1)
    assert table[["bytes", "tier", "wait_us"]].to_numpy().tolist() == [[0x1000, 1, 250]]
