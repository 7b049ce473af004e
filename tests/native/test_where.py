"""Under a plan the shim asks where pages are: when an allocation ends, and of what lives at the process's end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tierprof.placer.binary import write_plan
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.allocations import WHERE
from tierprof.profiler.places import place_names

PAGE = 4096
SAMPLED, HUGE = 4, 0x1000000


@pytest.fixture
def slow(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """The environment of a plan that sends everything to a folder, and the folder."""
    memory = tmp_path / "memory"
    memory.mkdir()
    plan = tmp_path / "plan.bin"
    write_plan(plan, Plan((TierSpec("dram"), TierSpec("slow", "pmem", folder=memory)), "slow"), {})
    return {"TIERPROF_PLAN": str(plan)}, memory


def wheres(records: np.ndarray, least_bytes: int) -> list[tuple[int, str, int, bool]]:
    """(order of the allocation, place, bytes, sampled) of what was found of large allocations."""
    found = records[records["type"] == WHERE]
    totals = {address: found["size"][found["address"] == address].sum() for address in found["address"].tolist()}
    large = found[[totals[address] >= least_bytes for address in found["address"].tolist()]]
    order = {address: place for place, address in enumerate(dict.fromkeys(large["address"].tolist()))}
    names = place_names(large["aux"])
    return [
        (order[int(row["address"])], name.split(" on ")[0], int(row["size"]), bool(row["flags"] & SAMPLED))
        for row, name in zip(large, names, strict=True)
    ]


@pytest.mark.parametrize("pages", [512, 1024])
def test_every_page_of_what_is_not_larger_is_looked_at(run_shim, read_raw, compile_program, slow, pages: int) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a program that touches every other page of one allocation, which it frees, and all pages of another, which it keeps
    env, _ = slow
    (process,) = read_raw(run_shim(compile_program("resident"), str(pages), env=env).raw)
    # THEN of the first half the bytes are in the file and half nowhere, of the second all in the file, exactly
    half = pages * PAGE // 2
    assert sorted(wheres(process.records, pages * PAGE)) == [
        (0, "absent", half, False),
        (0, "file", half, False),
        (1, "file", 2 * half, False),
    ]


def test_of_larger_ones_so_many_pages_are_looked_at_that_the_answer_is_near(run_shim, read_raw, compile_program, tmp_path) -> None:  # type: ignore[no-untyped-def]
    # GIVEN arrays of more pages than are looked at; in DRAM, because kernels put whole large folios of a file in place at once
    pages = 8192
    write_plan(tmp_path / "plan.bin", Plan((TierSpec("dram"),), "dram"), {})
    (process,) = read_raw(run_shim(compile_program("resident"), str(pages), env={"TIERPROF_PLAN": str(tmp_path / "plan.bin")}).raw)
    found = wheres(process.records, pages * PAGE)
    assert all(sampled for *_, sampled in found)
    # THEN the bytes add up to the allocation's
    by_place = {(order, place): size for order, place, size, _ in found}
    assert sum(size for (order, _), size in by_place.items() if order == 0) == pages * PAGE
    # AND of what is touched page by page, about half is found, although the pages follow a pattern
    assert by_place[0, "absent"] / (pages * PAGE) == pytest.approx(0.5, abs=0.08)
    assert by_place[1, "node 0"] == pages * PAGE


def test_a_mapping_is_asked_about_before_it_is_gone(run_shim, read_raw, compile_program, slow) -> None:  # type: ignore[no-untyped-def]
    env, _ = slow
    (process,) = read_raw(run_shim(compile_program("place_map"), env=env).raw)
    found = process.records[process.records["type"] == WHERE]
    assert len(found)
    assert set(found["tier"].tolist()) <= {0, 1}


def test_without_a_plan_nothing_is_asked(run_shim, read_raw, compile_program: Callable[..., Path]) -> None:  # type: ignore[no-untyped-def]
    (process,) = read_raw(run_shim(compile_program("resident"), "1024").raw)
    assert not (process.records["type"] == WHERE).any()
