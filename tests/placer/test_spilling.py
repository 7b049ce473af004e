"""Tiers that are full, folders and limits: what does not fit goes on, and is counted."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

from .placed import (
    MIB,
    NOTE_TIER_FAILED,
    SPILLED,
    RunPlaced,
    everything_in,
)


def test_a_full_tier_spills_and_counts_what_it_spilled(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec], two_sites: tuple[str, str]
) -> None:
    # GIVEN a tier for 10 MiB, and an object of 20 allocations of 1 MiB planned into it
    tier = replace(tier_of("emulated"), capacity_bytes=10 * MIB)
    plan = Plan((TierSpec("dram"), tier), "dram", (PlannedObject(two_sites[0], "slow"),))
    # WHEN the program runs
    run = run_placed(compile_program("place_sites"), "20", plan=plan)
    # THEN half of them are there, the others in DRAM, marked as spilled
    assert run.output == "right 20\n"
    slow = run.tiers.loc["slow"]
    assert (slow["allocations"], slow["peak_bytes"], slow["live_bytes"]) == (10, 10 * MIB, 0)
    assert (slow["spilled_allocations"], slow["spilled_bytes"]) == (10, 10 * MIB)
    ours = run.allocations[run.allocations["size"] == MIB]
    assert (np.count_nonzero(ours["tier"] == 1), np.count_nonzero(ours["flags"] & SPILLED)) == (10, 10)


def test_spills_go_down_the_chain_and_end_in_dram(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec], two_sites: tuple[str, str]
) -> None:
    # GIVEN two small tiers, the second taking what the first cannot
    first = replace(tier_of("emulated"), name="first", capacity_bytes=8 * MIB, spill="second")
    second = replace(tier_of("pmem"), name="second", capacity_bytes=5 * MIB)
    plan = Plan((TierSpec("dram"), first, second), "dram", (PlannedObject(two_sites[1], "first"),))
    run = run_placed(compile_program("place_sites"), "20", plan=plan)
    # THEN each is filled exactly
    assert run.output == "right 20\n"
    assert run.tiers.loc["first", ["allocations", "spilled_allocations"]].tolist() == [8, 12]
    assert run.tiers.loc["second", ["allocations", "spilled_allocations"]].tolist() == [5, 7]


def test_drams_own_capacity_is_kept_first_come_first_served(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN everything in DRAM, of which there are 10 MiB
    plan = Plan((TierSpec("dram", capacity_bytes=10 * MIB, spill="slow"), tier_of("emulated")), "dram")
    run = run_placed(compile_program("place_sites"), "20", plan=plan)
    # THEN the first ten of the forty allocations have filled it
    assert run.output == "right 20\n"
    assert run.tiers.loc["dram", "peak_bytes"] <= 10 * MIB
    ours = run.allocations[run.allocations["size"] == MIB]
    ours = ours[np.argsort(ours["time_ns"], kind="stable")]
    earlier = int(run.allocations["size"][run.allocations["time_ns"] < ours["time_ns"][0]].sum())
    fit = (10 * MIB - earlier) // MIB
    assert ours["tier"].tolist() == [0] * fit + [1] * (40 - fit)
    assert fit in (9, 10)
    assert run.tiers.loc["slow", "allocations"] >= 40 - fit


def test_threads_never_exceed_a_capacity(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN capacities that four threads fill all the time
    plan = Plan((TierSpec("dram", capacity_bytes=20 * MIB, spill="slow"), replace(tier_of("emulated"), capacity_bytes=10 * MIB)), "slow")
    run = run_placed(compile_program("place_threads"), plan=plan)
    assert run.output == "errors 0\n"
    slow = run.tiers.loc["slow"]
    assert slow["spilled_allocations"] > 0
    # a peak that is shown may count an allocation that another thread is just giving back
    assert slow["peak_bytes"] <= 10 * MIB


def test_sites_that_the_plan_does_not_name_go_to_the_default_tier_and_are_counted(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec], two_sites: tuple[str, str]
) -> None:
    plan = Plan((TierSpec("dram"), tier_of("emulated")), "slow", (PlannedObject(two_sites[0], "dram"),))
    run = run_placed(compile_program("place_sites"), "20", plan=plan)
    ours = run.allocations[run.allocations["size"] == MIB]
    keys = np.array([run.meta.sites[site].key for site in ours["site"]])
    assert set(ours["tier"][keys == two_sites[0]]) == {0}
    assert set(ours["tier"][keys == two_sites[1]]) == {1}
    unnamed = [site for site in run.allocations["site"] if not run.meta.sites[site].named]
    assert run.counters[0]["unknown_site_allocations"] == len(unnamed) >= 20


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("size", [2 * MIB, 64 << 10])
def test_a_full_folder_spills_instead_of_killing(
    size: int, tiny_folder: Path, compile_program: Callable[..., Path], run_placed: RunPlaced, two_sites: tuple[str, str]
) -> None:
    # GIVEN a plan without a capacity, and a folder that holds less than what is to go there
    plan = Plan((TierSpec("dram"), TierSpec("slow", "pmem", folder=tiny_folder)), "dram", (PlannedObject(two_sites[0], "slow"),))
    count = 40 * MIB // size
    # WHEN 40 MiB of objects are made for it, and written
    run = run_placed(compile_program("place_sites"), str(count), str(size), plan=plan)
    # THEN nothing is lost, and what did not fit is counted
    assert (run.status, run.output) == (0, f"right {count}\n")
    slow = run.tiers.loc["slow"]
    assert slow["allocations"] + slow["spilled_allocations"] == count
    assert 4 * MIB <= slow["total_bytes"] <= 16 * MIB
    assert run.notes[NOTE_TIER_FAILED].startswith("tier slow: its folder is full")
    # and never looked as if it had been there
    assert slow["peak_bytes"] == slow["total_bytes"]


def test_what_is_freed_is_used_again(tiny_folder: Path, compile_program: Callable[..., Path], run_placed: RunPlaced) -> None:
    # GIVEN a file system of 16 MiB, of which the plan may use half
    tier = TierSpec("slow", "pmem", folder=tiny_folder, capacity_bytes=8 * MIB)
    # WHEN a program allocates and maps 280 MiB each, at most one object of 7 MiB at a time
    run = run_placed(compile_program("place_reuse"), plan=everything_in(tier))
    # THEN all of it was in the tier
    assert (run.output, run.status) == ("good 140\n", 0)
    slow = run.tiers.loc["slow"]
    assert slow["spilled_allocations"] == 0
    assert slow["live_bytes"] < MIB
    assert slow["total_bytes"] >= 560 * MIB
    assert slow["peak_bytes"] <= 8 * MIB


@pytest.mark.parametrize("kind", ["dram", "emulated", "pmem"])
def test_steps_that_take_as_much_again_meet_warm_pages(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN a program that takes and frees 96 MiB in each of five steps, beside 400 MiB that live
    tier = TierSpec("dram") if kind == "dram" else replace(tier_of(kind), capacity_bytes=600 * MIB)
    # WHEN all of it is in one tier
    run = run_placed(compile_program("place_steps"), plan=everything_in(tier) if kind != "dram" else Plan((tier,), "dram"))
    # THEN only the first step has its 24576 page faults; a step that waits for its pages would be charged for them
    assert run.status == 0
    assert int(run.output) < 2000


def test_a_program_whose_files_may_not_grow_goes_on(
    tmp_path: Path, compile_program: Callable[..., Path], run_shim: Callable[..., Any], tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN a limit on the size of files, which is enforced with a deadly signal
    (tmp_path / "plan.bin").write_bytes(plan_bytes(everything_in(tier_of("pmem")), {}))
    command = f"ulimit -f 64; exec {compile_program('place_sites')} 20"
    # WHEN a program runs that is to have its objects in files
    run = run_shim("/bin/sh", "-c", command, env={"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_DIR": ""})
    # THEN it has them elsewhere
    assert (run.completed.returncode, run.completed.stdout) == (0, b"right 20\n")
