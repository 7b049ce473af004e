"""Objects move while they are used: no write is lost, whatever the program does to them meanwhile."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.control import ControlledProcess
from tierprof.placer.moving import MoveResult, move_site
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_counters, read_meta

CompileProgram = Callable[..., Path]
StartMoved = Callable[..., Any]  # MovedProgram

MIB = 1 << 20
MOVE = 7
NOTE_UNSAFE = 8
SHARED_MEMORY = Path("/dev/shm")
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
HUGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
DRAM = TierSpec("dram")
#: tmpfs has userfaultfd's write protection; a folder on a disk has not, and mprotect takes its place.
KINDS = ("tmpfs", "disk", "node", "emulated", "huge", "hugetlb")


@pytest.fixture
def shared_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory."""
    folder = SHARED_MEMORY / f"tierprof-{tmp_path.parent.name}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def huge_pool() -> Iterator[None]:
    """A pool of 64 MiB more, in pages of 2 MiB."""
    before = POOL.read_text() if POOL.exists() else ""
    try:
        POOL.write_text(str(int(before) + 32))
    except (OSError, ValueError):
        pytest.skip("there is no pool of huge pages to be had")
    try:
        if int(POOL.read_text()) < int(before) + 32:
            pytest.skip("the kernel finds no room for a pool of huge pages")
        yield
    finally:
        POOL.write_text(before)


@pytest.fixture
def tier_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], TierSpec]:
    """The tier `slow` of a kind."""

    def tier(kind: str) -> TierSpec:
        if kind == "tmpfs":
            return TierSpec("slow", "pmem", folder=request.getfixturevalue("shared_memory"))
        if kind == "disk":
            (tmp_path / "memory").mkdir(exist_ok=True)
            return TierSpec("slow", "pmem", folder=tmp_path / "memory")
        if kind == "hugetlb":
            request.getfixturevalue("huge_pool")
            return TierSpec("slow", "hugetlb", page_bytes=2 * MIB)
        if kind == "huge" and "[never]" in HUGE_SETTING.read_text():
            pytest.skip("transparent huge pages are set to never")
        details: dict[str, dict[str, Any]] = {"node": {"node": 0}, "emulated": {"factor": 2.0}, "huge": {}}
        return TierSpec("slow", kind, **details[kind])

    return tier


def plan_of(*tiers: TierSpec) -> bytes:
    """All objects begin in the first tier."""
    own = tiers if any(tier.kind == "dram" for tier in tiers) else (TierSpec("system"), *tiers)
    return plan_bytes(Plan(own, tiers[0].name), {})


@contextmanager
def controlled(program: Any) -> Iterator[ControlledProcess]:
    process = ControlledProcess(program.pid)
    try:
        yield process
    finally:
        process.close()


def largest_site(program: Any) -> str:
    """Key of the site that has handed out the largest allocation or mapping."""
    return str(max(program.born(), key=lambda one: one[1])[0])


def to_and_fro(program: Any, moves: int, *tiers: str) -> list[MoveResult]:
    """Move the largest object from tier to tier, beginning with the second."""
    site = largest_site(program)
    with controlled(program) as process:
        return [move_site(process, site, tiers[(move + 1) % len(tiers)], chunk_bytes=1 << 40) for move in range(moves)]


def counters(program: Any) -> dict[str, Any]:
    return dict(read_counters(next(program.raw.glob(f"counters.{program.pid}.*.bin"))))


def notes(program: Any) -> set[int]:
    return {note.code for note in read_meta(next(program.raw.glob(f"meta.{program.pid}.*.bin"))).notes}


@pytest.mark.parametrize("kind", KINDS)
def test_no_write_is_lost_while_an_object_moves_to_and_fro(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN four threads that count in all pages of an object
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_writers"), "4", "4", "0")
    # WHEN it moves to another tier and back
    results = to_and_fro(program, 10, "dram", "slow")
    # THEN no count is lost
    assert program.finish().endswith("lost 0\n")
    # AND all of it moved each time but for what is less than a page of the pool
    size = 4 * MIB
    if kind != "hugetlb":
        assert [(result.bytes_moved, result.stays) for result in results] == [(size, {})] * 10
    assert all(result.bytes_moved + sum(result.stays.values()) == size for result in results)
    # AND the records, the counters and the accounts of the tiers say so
    records = read_allocations(next(program.raw.glob("alloc.*.bin")))
    moved = records[records["type"] == MOVE]
    told = counters(program)
    assert told["moved_bytes"] == moved["size"].sum() == sum(result.bytes_moved for result in results)
    assert told["tiers"][1]["live_bytes"] == 0
    assert told["tiers"][1]["peak_bytes"] == results[0].bytes_moved
    assert (NOTE_UNSAFE in notes(program)) == (kind == "disk" and not _is_memory(tier_of(kind).folder))


def _is_memory(folder: Path | None) -> bool:
    """Whether the folder lies in memory, where userfaultfd works."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(len(place), kind) for place, kind in mounts if folder is not None and folder.is_relative_to(place)]
    return max(inside)[1] == "tmpfs"


@pytest.mark.parametrize(("first", "second"), [("tmpfs", "disk"), ("hugetlb", "tmpfs"), ("disk", "emulated")])
def test_no_write_is_lost_between_tiers_that_are_no_dram(
    first: str, second: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    tiers = [replace(tier_of(kind), name=name) for name, kind in (("one", first), ("two", second))]
    program = start_moved(plan_of(*tiers), compile_program("move_writers"), "4", "4", "0")
    results = to_and_fro(program, 6, "one", "two")
    assert program.finish().endswith("lost 0\n")
    assert all(result.bytes_moved + sum(result.stays.values()) == 4 * MIB for result in results)


def test_without_protection_writes_are_lost(
    compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec], shim_library: Path
) -> None:
    # GIVEN a build whose protection can be switched off: what the other tests see must be able to fail
    if b"TIERPROF_TEST_NO_FREEZE" not in shim_library.read_bytes():
        pytest.skip("the shim was built without -DTIERPROF_CHECKS=ON")
    # WHEN the same program's object moves, and nothing keeps writers waiting
    arguments = (plan_of(DRAM, tier_of("tmpfs")), compile_program("move_writers"), "4", "4", "0")
    program = start_moved(*arguments, env={"TIERPROF_TEST_NO_FREEZE": "1"})
    to_and_fro(program, 40, "dram", "slow")
    # THEN counts are lost
    assert not program.finish().endswith("lost 0\n")


@pytest.mark.parametrize("kind", KINDS)
def test_readers_see_no_torn_content(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_readers"))
    to_and_fro(program, 10, "dram", "slow")
    assert program.finish() == "wrong 0\n"


@pytest.mark.parametrize("kind", ["tmpfs", "node", "huge", "hugetlb"])
def test_system_calls_that_write_into_a_moving_object_wait(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_io"))
    to_and_fro(program, 20, "dram", "slow")
    if NOTE_UNSAFE in notes(program):  # an ordinary user without userfaultfd
        assert program.finish().startswith("wrong 0 ")
    else:
        assert program.finish() == "wrong 0 faults none\n"


def test_system_calls_that_fail_meanwhile_are_told_of(
    compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN a tier whose memory has no userfaultfd
    program = start_moved(plan_of(DRAM, tier_of("disk")), compile_program("move_io"))
    # WHEN system calls write into a moving object
    to_and_fro(program, 20, "dram", "slow")
    # THEN a program that asks again loses nothing
    assert program.finish().startswith("wrong 0 ")


@pytest.mark.parametrize("kind", ["tmpfs", "disk", "hugetlb"])
def test_a_child_that_is_forked_during_moves_has_its_own_whole_object(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_forks"))
    to_and_fro(program, 20, "dram", "slow")
    assert program.finish() == "bad 0\n"


@pytest.mark.parametrize("kind", KINDS)
def test_objects_that_are_freed_and_resized_meanwhile_keep_their_content(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN threads that allocate, resize and free objects of one site without a pause
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_frees"))
    # WHEN the site moves, chunk by chunk
    site = largest_site(program)
    with controlled(program) as process:
        for move in range(10):
            move_site(process, site, ("slow", "dram")[move % 2], max_bytes=8 * MIB)
    # THEN every object is as its thread left it
    assert program.finish() == "errors 0\n"
    # AND the accounts of both tiers are even again
    told = counters(program)["tiers"]
    assert told[1]["live_bytes"] == 0


@pytest.mark.parametrize("kind", ["tmpfs", "disk", "node", "emulated", "huge"])
def test_parts_of_a_mapping_can_be_unmapped_meanwhile(
    kind: str, compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    program = start_moved(plan_of(DRAM, tier_of(kind)), compile_program("move_unmaps"))
    to_and_fro(program, 20, "dram", "slow")
    assert program.finish() == "errors 0\n"
    assert counters(program)["tiers"][1]["live_bytes"] == 0


def test_a_fork_and_a_move_do_not_wait_for_each_other_for_ever(
    compile_program: CompileProgram, start_moved: StartMoved, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN threads that a signal finds inside malloc, and another that forks without a pause
    program = start_moved(plan_of(DRAM, tier_of("emulated")), compile_program("move_fork_threads"))
    # WHEN an object moves
    results = to_and_fro(program, 40, "dram", "slow")
    # THEN all moves and forks come to an end, and every child has the object
    assert program.finish() == "bad 0\n"
    assert all(result.bytes_moved == 4 * MIB for result in results)
