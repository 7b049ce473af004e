"""Moves that the plan itself asks for: at an allocation of another site, at a time, and in forked children, too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan
from tierprof.placer.planned_moves import PlannedMove
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations

CompileProgram = Callable[..., Path]
StartMoved = Callable[..., Any]

BYTES, TRIGGER_BYTES = 9 << 20, 5000
ALLOC, MOVE = 1, 7


@pytest.fixture
def plan_with(tmp_path: Path) -> Callable[..., bytes]:
    """`plan_with(*moves)`: all begins in DRAM, and files are the other tier."""
    (tmp_path / "memory").mkdir()
    tiers = (TierSpec("dram"), TierSpec("slow", "pmem", folder=tmp_path / "memory"))
    return lambda *moves: plan_bytes(Plan(tiers, "dram", moves=moves), {})


@pytest.fixture
def keys(compile_program: CompileProgram, start_moved: StartMoved, plan_with: Callable[..., bytes]) -> tuple[str, str]:
    """The site of the object, and of what triggers its move."""
    program = start_moved(plan_with(), compile_program("move_phases"))
    found = {size: site for site, size, _ in program.born()}
    assert program.finish() == "good\n"
    return found[BYTES], found[TRIGGER_BYTES]


def records_of(program: Any) -> np.ndarray:
    records = read_allocations(next(program.raw.glob(f"alloc.{program.pid}.*.bin")))
    return np.sort(records[np.isin(records["type"], (ALLOC, MOVE))], order="time_ns")


def mappings_of(pid: int, start: int, end: int) -> list[str]:
    """The lines of /proc/PID/maps that lie in the range."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    bounds = [tuple(int(word, 16) for word in line.split()[0].split("-")) for line in lines]
    return [line for line, (first, last) in zip(lines, bounds, strict=True) if first < end and last > start]


def test_an_object_moves_at_the_nth_allocation_of_another_site(
    keys: tuple[str, str], compile_program: CompileProgram, start_moved: StartMoved, plan_with: Callable[..., bytes]
) -> None:
    # GIVEN a plan that moves the object at the third allocation of another site, and back at the fifth
    moves = [PlannedMove(keys[0], tier, at_allocation=number, of=keys[1]) for tier, number in (("slow", 3), ("dram", 5))]
    program = start_moved(plan_with(*moves[:1]), compile_program("move_phases"))
    again = start_moved(plan_with(*moves), compile_program("move_phases"))
    # WHEN the program runs
    for one, tiers in ((program, [1]), (again, [1, 0])):
        _, size, address = next(own for own in one.born() if own[1] == BYTES)
        found = mappings_of(one.pid, address, address + size)
        assert one.finish() == "good\n"
        # THEN all of it moved, before that allocation returned
        records = records_of(one)
        moved = records[records["type"] == MOVE]
        assert list(dict.fromkeys(moved["tier"].tolist())) == tiers
        assert [int(moved[moved["tier"] == tier]["size"].sum()) for tier in tiers] == [BYTES] * len(tiers)
        triggers = records[(records["type"] == ALLOC) & (records["size"] == TRIGGER_BYTES)]
        assert triggers["time_ns"][2] < moved["time_ns"][0] < triggers["time_ns"][3]
        # AND it is one mapping, and what the site allocates next goes there at once
        assert len(found) == 1
        assert records[(records["type"] == ALLOC) & (records["size"] == BYTES)]["tier"].tolist() == [0, tiers[-1]]


def test_an_object_moves_at_a_time(
    keys: tuple[str, str], compile_program: CompileProgram, start_moved: StartMoved, plan_with: Callable[..., bytes]
) -> None:
    # GIVEN a plan that moves the object at once
    program = start_moved(plan_with(PlannedMove(keys[0], "slow", after_ns=0)), compile_program("move_phases"))
    # WHEN the program waits
    _, size, address = next(own for own in program.born() if own[1] == BYTES)
    while any(line.split()[4] == "0" for line in mappings_of(program.pid, address, address + size)):
        pass
    # THEN all of it moves, piece by piece
    assert program.finish() == "good\n"
    records = records_of(program)
    moved = records[records["type"] == MOVE]
    assert (int(moved["size"].sum()), set(moved["tier"].tolist())) == (BYTES, {1})
