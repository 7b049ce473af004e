"""What must not be replaced by a copy stays where it is, and is told; what may move keeps what the program asked of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.control import STAYS, ControlledProcess
from tierprof.placer.moving import MoveResult, move_site
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

CompileProgram = Callable[..., Path]
StartMoved = Callable[..., Any]

BYTES, SMALL_BYTES = 1 << 20, 8 << 10
HEAP, LOCKED, PROTECTED, STACK, WAITED = (STAYS[number] for number in (1, 7, 8, 9, 13))


@pytest.fixture
def plan(tmp_path: Path) -> bytes:
    """All objects begin in DRAM; files are the other tier."""
    (tmp_path / "memory").mkdir()
    return plan_bytes(Plan((TierSpec("dram"), TierSpec("slow", "pmem", folder=tmp_path / "memory")), "dram"), {})


def move(program: Any, site: str, tier: str) -> MoveResult:
    process = ControlledProcess(program.pid)
    try:
        return move_site(process, site, tier)
    finally:
        process.close()


def flags_of(pid: int, address: int) -> set[str]:
    """What the kernel knows of the mapping at the address."""
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            start, end = (int(word, 16) for word in words[0].split("-"))
            inside = start <= address < end
        elif inside and words[0] == "VmFlags:":
            return set(words[1:])
    return set()


def test_what_must_not_be_replaced_stays(plan: bytes, compile_program: CompileProgram, start_moved: StartMoved) -> None:
    # GIVEN memory with which something is special, an object each
    program = start_moved(plan, compile_program("move_refused"))
    objects = [one for one in program.born() if one[1] in (BYTES, SMALL_BYTES)]
    reasons = [LOCKED, PROTECTED, PROTECTED, PROTECTED, WAITED, STACK, STACK, HEAP]
    # WHEN they are to move
    results = [move(program, site, "slow") for site, _, _ in objects[: len(reasons)]]
    # THEN none does, and each is told with its reason
    assert [(result.bytes_moved, result.stays) for result in results] == [
        (0, {reason: SMALL_BYTES if reason == HEAP else BYTES}) for reason in reasons
    ]
    # AND an object that may move does, and keeps the program's advice in both tiers
    site, _, address = objects[-1]
    for tier in ("slow", "dram"):
        assert move(program, site, tier).bytes_moved == BYTES
        assert "dd" in flags_of(program.pid, address)
    assert program.finish() == "good\n"


def test_what_a_device_may_write_to_stays(tmp_path: Path, plan: bytes, compile_program: CompileProgram, start_moved: StartMoved) -> None:
    # GIVEN a program that reads from a disk past the page cache, straight into its object
    program = start_moved(plan, compile_program("move_direct"), str(tmp_path / "data"))
    site = next(site for site, size, _ in program.born() if size == BYTES)
    # WHEN that is to move
    result = move(program, site, "slow")
    output = program.finish()
    if "refused" in output:
        pytest.skip("this file system has no O_DIRECT")
    # THEN it stays, and nothing is lost
    assert (result.bytes_moved, result.stays) == (0, {LOCKED: BYTES})
    assert output == "wrong 0\n"
