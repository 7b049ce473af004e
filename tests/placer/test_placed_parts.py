"""Objects that a plan splits by address range: every page is in its part's tier before the program sees it, and the accounts say so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.tiers import TierSpec

from .placed import KINDS, MIB, RunPlaced, needs_pool

NOTE_PARTS_MOVED = 9
SIZE = 16 * MIB
TierOf = Callable[[str], TierSpec]
Compile = Callable[..., Path]


def split(keys: list[str], slow: TierSpec, parts: list[tuple[int, int | None, str]], own: str = "slow", **dram: int) -> Plan:
    """A plan that puts ranges of all objects of these sites elsewhere than the rest of them."""
    planned = tuple(PlannedPart(*part) for part in parts)
    spill = {"spill": "slow"} if dram else {}
    tiers = (TierSpec("dram", **dram, **spill), slow)
    return Plan(tiers, "dram", tuple(PlannedObject(key, own, "made", parts=planned) for key in keys))


def runs_of(output: str) -> list[tuple[int, int, str]]:
    """Runs of pages by what they are of: `file` or `-`; neighbours that are alike are one."""
    runs: list[tuple[int, int, str]] = []
    for line in output.splitlines():
        words = line.split()
        if not words[0].isdigit():
            continue
        run = (int(words[0]), int(words[1]), "-" if words[2] == "-" else "file")
        if runs and runs[-1][1:] == (run[0], run[2]):
            run = (runs.pop()[0], *run[1:])
        runs.append(run)
    return runs


def test_ranges_lie_in_their_tiers_and_the_records_and_counters_say_so(
    program: Path, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN a plan that keeps 4 of an object's 16 MiB in DRAM, and a page near its end
    parts = [(3 * MIB, 7 * MIB, "dram"), (SIZE - 8192, SIZE - 4096, "dram")]
    plan = split(sites_of(program, str(SIZE)), tier_of("pmem"), parts)
    # WHEN the program makes the object
    run = run_placed(program, str(SIZE - 100), plan=plan)
    # THEN each page is where the plan wants it
    assert (run.output.splitlines()[-1], run.status) == ("wrong 0", 0)
    assert runs_of(run.output) == [(0, 768, "file"), (768, 1792, "-"), (1792, 4094, "file"), (4094, 4095, "-"), (4095, 4096, "file")]
    # and the tiers have counted each byte once
    fast, slow = 4 * MIB + 4096, 12 * MIB - 4096 - 100
    assert (run.tiers.loc["slow", "peak_bytes"], run.tiers.loc["slow", "allocations"]) == (slow, 3)
    assert run.tiers.loc["dram", "total_bytes"] - fast in range(MIB)
    assert run.tiers["live_bytes"].max() < MIB
    assert run.tiers["spilled_bytes"].sum() == 0
    own = run.allocations[run.allocations["size"] == SIZE - 100]
    assert (len(own), own["tier"].tolist(), own["flags"].tolist()) == (1, [1], [0])


@pytest.fixture
def program(compile_program: Compile) -> Path:
    return compile_program("place_parts")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tier_takes_a_part_and_the_rest(
    kind: str, program: Path, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN a plan for 4 to 8 MiB of an object in one tier, and the rest in the other
    keys, slow = sites_of(program, str(SIZE)), tier_of(kind)
    for own, other, size, ranges in (("dram", "slow", 4 * MIB, 1), ("slow", "dram", 12 * MIB, 2)):
        # WHEN some are made, touched and freed one after the other
        run = run_placed(program, str(SIZE), "3", plan=split(keys, slow, [(4 * MIB, 8 * MIB, other)], own))
        # THEN each was zeroed, held what was written, and all was counted in both tiers and out again
        assert (run.output.splitlines()[-1], run.status) == ("wrong 0", 0)
        assert run.tiers.loc["slow", ["peak_bytes", "total_bytes", "allocations"]].tolist() == [size, 4 * size, 4 * ranges]
        assert run.tiers["live_bytes"].max() < MIB
        assert run.tiers["spilled_bytes"].sum() == 0
        if kind in ("pmem", "hugetlb"):
            in_file = [(1024, 2048, "file")] if own == "dram" else [(0, 1024, "file"), (2048, 4096, "file")]
            assert [one for one in runs_of(run.output) if one[2] == "file"] == in_file


def test_an_object_of_one_tier_is_an_ordinary_one(
    program: Path, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN parts that begin behind the end of a small object, or cover all of it
    keys = sites_of(program, str(SIZE))
    for parts, own in (([(8 * MIB, None, "dram")], "slow"), ([(0, 8 * MIB, "slow")], "dram")):
        run = run_placed(program, str(4 * MIB), plan=split(keys, tier_of("pmem"), parts, own))
        # THEN it is in the one tier that is left
        assert runs_of(run.output) == [(0, 1024, "file")]
        assert run.tiers.loc["slow", ["allocations", "peak_bytes"]].tolist() == [1, 4 * MIB]


def test_a_part_whose_tier_is_full_spills_by_itself(
    program: Path, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN room in DRAM for the first of two parts
    parts = [(0, 2 * MIB, "dram"), (8 * MIB, 16 * MIB, "dram")]
    plan = split(sites_of(program, str(SIZE)), tier_of("pmem"), parts, capacity_bytes=6 * MIB)
    run = run_placed(program, str(SIZE), plan=plan)
    # THEN the other one is in the slow tier, and is counted as wanted in DRAM
    assert runs_of(run.output) == [(0, 512, "-"), (512, 4096, "file")]
    assert run.tiers.loc["dram", ["spilled_allocations", "spilled_bytes"]].tolist() == [1, 8 * MIB]
    assert run.tiers.loc["slow", ["peak_bytes", "spilled_bytes"]].tolist() == [14 * MIB, 0]


@needs_pool
def test_a_boundary_in_a_huge_page_moves_to_its_nearer_end(
    program: Path, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN parts in the pool that begin and end inside its pages, and one of less than half a page
    parts = [(5 * MIB - 4096, 9 * MIB - 4096, "slow"), (12 * MIB, 12 * MIB + 4096, "slow")]
    plan = split(sites_of(program, str(SIZE)), tier_of("hugetlb"), parts, "dram")
    run = run_placed(program, str(SIZE), plan=plan)
    # THEN whole pages are in the pool, and a note tells it
    assert [one for one in runs_of(run.output) if one[2] == "file"] == [(1024, 2048, "file")]
    assert "boundaries have moved" in run.notes[NOTE_PARTS_MOVED]


def test_a_plan_from_before_there_were_parts_is_read(
    tmp_path: Path, program: Path, run_shim: Callable[..., object], tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN a plan as version 2 has it
    (key,) = sites_of(program, str(SIZE))
    data = bytearray(plan_bytes(Plan((TierSpec("dram"), tier_of("pmem")), "dram", (PlannedObject(key, "slow"),)), {}))
    data[8:12] = (2).to_bytes(4, "little")
    del data[-32:]  # the site's stem
    (tmp_path / "old.bin").write_bytes(data)
    run = run_shim(program, str(SIZE), env={"TIERPROF_PLAN": str(tmp_path / "old.bin")})
    assert runs_of(run.completed.stdout.decode()) == [(0, 4096, "file")]
