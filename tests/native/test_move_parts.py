"""Objects with parts move like any other, and from then on they are whole: who moves them has the last word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.control import ControlledProcess
from tierprof.placer.moving import move_site
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_moves import PlannedMove
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_counters, read_meta

CompileProgram = Callable[..., Path]
StartMoved = Callable[..., Any]

MIB = 1 << 20
ALLOC, MOVE, BORN = 1, 7, 8
PARTS = (PlannedPart(0, 3 * MIB, "slow"), PlannedPart(5 * MIB, 6 * MIB + 8192, "slow"))


@pytest.fixture(params=["pmem", "emulated", "huge"])
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> TierSpec:
    (tmp_path / "memory").mkdir()
    details: dict[str, dict[str, Any]] = {"pmem": {"folder": tmp_path / "memory"}, "emulated": {"factor": 2.0}, "huge": {}}
    return TierSpec("slow", request.param, **details[request.param])


def plan_of(slow: TierSpec, sites: list[str], *moves: PlannedMove) -> bytes:
    objects = tuple(PlannedObject(site, "dram", parts=PARTS) for site in sites)
    return plan_bytes(Plan((TierSpec("dram"), slow), "dram", objects, moves=moves), {})


def sites_of(program: Any) -> list[str]:
    """Keys of the sites that have handed out most."""
    return sorted({site for site, size, _ in program.born() if size >= 256 << 10})


def move(program: Any, site: str, tier: str) -> Any:
    process = ControlledProcess(program.pid)
    try:
        return move_site(process, site, tier, chunk_bytes=1 << 40)
    finally:
        process.close()


def test_an_object_with_parts_moves_into_one_tier_and_no_write_is_lost(
    slow: TierSpec, compile_program: CompileProgram, start_moved: StartMoved
) -> None:
    # GIVEN four threads that count in all pages of an object of 8 MiB, of which parts are in another tier
    binary = compile_program("move_writers")
    first = start_moved(plan_of(slow, []), binary, "4", "8", "0")
    (site,) = sites_of(first)
    first.finish()
    program = start_moved(plan_of(slow, [site]), binary, "4", "8", "0")
    counters = next(program.raw.glob(f"counters.{program.pid}.*.bin"))
    born = read_counters(counters)["tiers"][1]["live_bytes"]
    assert born == 4 * MIB + (0 if slow.kind == "huge" else 8192)  # in whole huge pages: 0 to 4 MiB, and 6 to 6
    # WHEN it moves to the parts' tier, back to its own, and there again
    results = [move(program, site, tier) for tier in ("slow", "dram", "slow")]
    # THEN only what was elsewhere moves, and no count is lost
    assert [(result.bytes_moved, result.stays) for result in results] == [(8 * MIB - born, {}), (8 * MIB, {}), (8 * MIB, {})]
    assert program.finish().endswith("lost 0\n")
    assert read_counters(counters)["tiers"][1]["live_bytes"] == 0


def test_objects_with_parts_may_end_and_change_their_size_while_they_move(
    slow: TierSpec, compile_program: CompileProgram, start_moved: StartMoved
) -> None:
    # GIVEN threads that free, resize and make objects whose parts are in two tiers
    binary = compile_program("move_frees")
    first = start_moved(plan_of(slow, []), binary)
    sites = sites_of(first)
    first.finish()
    parts = (PlannedPart(64 << 10, 512 << 10, "slow"),)
    objects = tuple(PlannedObject(site, "dram", parts=parts) for site in sites)
    program = start_moved(plan_bytes(Plan((TierSpec("dram"), slow), "dram", objects), {}), binary)
    # WHEN they move to and fro
    for tier in ("slow", "dram") * 4:
        for site in sites:
            move(program, site, tier)
    # THEN no content is lost
    assert "errors 0" in program.finish()


def test_a_phase_of_the_plan_ends_the_parts_of_an_object(
    slow: TierSpec, tmp_path: Path, compile_program: CompileProgram, run_shim: Callable[..., Any]
) -> None:
    # GIVEN a plan that moves an object with parts into its own tier as its second allocation is made
    binary, size = compile_program("place_parts"), 8 * MIB
    first = run_shim(binary, str(size))
    records = read_allocations(next(first.raw.glob("alloc.*.bin")))
    sites = read_meta(next(first.raw.glob("meta.*.bin"))).sites
    site = sites[int(records["site"][(records["type"] == ALLOC) & (records["size"] == size)][0])].key
    (tmp_path / "plan.bin").write_bytes(plan_of(slow, [site], PlannedMove(site, "dram", at_allocation=2, of=site)))
    # WHEN four are made one after the other
    run = run_shim(binary, str(size), "3", env={"TIERPROF_PLAN": str(tmp_path / "plan.bin")})
    # THEN the first two are born in parts, of which those of the second move, and the others are in one tier
    records = read_allocations(next(run.raw.glob("alloc.*.bin")))
    allocations = np.sort(records[(records["type"] == ALLOC) & (records["size"] == size)], order="time_ns")
    moves = records[records["type"] == MOVE]
    born = moves[moves["flags"] & BORN != 0]
    assert run.completed.returncode == 0
    assert np.unique(born["time_ns"]).tolist() == allocations["time_ns"][:2].tolist()
    assert moves["size"][moves["flags"] & BORN == 0].sum() == born["size"].sum() / 2
    assert read_counters(next(run.raw.glob("counters.*.bin")))["tiers"][1]["peak_bytes"] == born["size"].sum() / 2
