"""The shim puts objects where the plan says: real programs, every kind of tier, exact counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.binary import plan_bytes, tier_order
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_meta

from .placed import (
    KINDS,
    MIB,
    NOTE_OTHER,
    NOTE_PLAN_BAD,
    NOTE_TIER_FAILED,
    POOL,
    Placed,
    RunPlaced,
    everything_in,
    needs_huge,
    needs_memkind,
    needs_pool,
)


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_to_allocate_work_in_each_tier(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program calls the whole malloc family, with everything in one tier
    run = run_placed(compile_program("place_basic"), plan=everything_in(tier_of(kind)))
    # THEN zeroes, content and alignment are right, and the tier served it
    assert (run.output, run.status) == ("good\n", 0)
    assert run.tiers.loc["slow", "allocations"] == len(run.allocations[run.allocations["tier"] == 1]) > 100
    assert run.tiers.loc["slow", "spilled_allocations"] == 0
    assert run.tiers.loc["slow", "live_bytes"] < MIB


@pytest.mark.parametrize("kind", KINDS)
def test_threads_may_allocate_resize_and_free_each_others_objects(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    run = run_placed(compile_program("place_threads"), plan=everything_in(tier_of(kind)))
    assert (run.output, run.status) == ("errors 0\n", 0)
    assert run.tiers.loc["slow", "allocations"] >= 4 * 4000
    assert run.tiers.loc["slow", "live_bytes"] < MIB


@pytest.mark.parametrize("kind", KINDS)
def test_parent_and_child_see_only_their_own_writes(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program with objects in the tier forks, and both processes write and allocate
    run = run_placed(compile_program("place_fork"), plan=everything_in(tier_of(kind)))
    # THEN each has its own values
    assert (run.output, run.status) == ("child 0 parent 0\n", 0)
    # and the child counts the objects it has inherited as living in the tier
    assert len(run.counters) == 2
    assert all(one["tiers"][1]["live_bytes"] < 4 * MIB for one in run.counters)


@pytest.mark.parametrize("kind", KINDS)
def test_mappings_of_the_programs_own_go_to_their_tier(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program maps 4 MiB, discards a part and unmaps it in two steps
    run = run_placed(compile_program("place_map"), plan=everything_in(tier_of(kind)))
    # THEN discarded pages are zeroes, as of any private mapping
    assert run.output == "zeroes 1 kept 1\n"
    # and the tier took the mapping, but for the pool of huge pages, which could not be cut as the program likes
    served = "dram" if kind == "hugetlb" else "slow"
    assert run.tiers.loc[served, "peak_bytes"] >= 4 * MIB
    assert run.tiers.loc["slow", "spilled_bytes"] == (4 * MIB if kind == "hugetlb" else 0)
    assert run.tiers.loc[served, "live_bytes"] < MIB


@pytest.mark.parametrize("kind", KINDS)
def test_mappings_of_the_programs_own_keep_their_semantics(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program does with its mappings what private anonymous memory allows
    run = run_placed(compile_program("place_map_semantics"), plan=everything_in(tier_of(kind)))
    # THEN it finds no difference
    assert (run.output, run.status) == ("good\n", 0)
    assert run.tiers.loc["slow", "total_bytes"] >= (MIB if kind == "hugetlb" else 20 * MIB)


@pytest.mark.parametrize("kind", ["dram", *KINDS])
def test_pages_that_a_program_takes_out_of_an_object_stay_its_own(
    kind: str, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program unmaps parts of objects, maps over them or moves them away, and then frees the objects
    plan = Plan((TierSpec("dram"),), "dram") if kind == "dram" else everything_in(tier_of(kind))
    run = run_placed(compile_program("place_torn"), plan=plan)
    # THEN what has come to be there is as it was, and nothing is left in the accounts
    assert (run.output, run.status) == ("wrong 0\n", 0)
    assert run.tiers["live_bytes"].max() < MIB


def where(run: Placed) -> list[str]:
    policy, *smaps = run.output.splitlines()
    assert smaps, "the object's address is in no mapping"
    return [policy, *smaps]


def test_large_objects_lie_in_a_file_of_the_folder(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    tier = tier_of("pmem")
    run = run_placed(compile_program("place_where"), str(8 * MIB), plan=everything_in(tier))
    mapping = where(run)[1]
    assert " rw-s " in mapping
    assert f" {tier.folder}/" in mapping
    assert mapping.endswith("(deleted)")


@needs_memkind
def test_small_objects_come_from_memkind(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    tier = tier_of("pmem")
    run = run_placed(compile_program("place_where"), "65536", plan=everything_in(tier))
    assert f" {tier.folder}/memkind." in where(run)[1]


def test_without_memkind_own_mappings_serve_small_objects_too(
    tmp_path: Path, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN a libmemkind that cannot be loaded
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "libmemkind.so.0").write_bytes(b"no library")
    env, tier = {"LD_LIBRARY_PATH": str(libraries)}, tier_of("pmem")
    # WHEN a program uses the tier
    run = run_placed(compile_program("place_where"), "65536", plan=everything_in(tier), env=env)
    # THEN its small objects are in the folder, too, and a note says why
    mapping = where(run)[1]
    assert f" {tier.folder}/" in mapping
    assert "memkind." not in mapping
    assert "libmemkind.so.0 is not installed" in run.notes[NOTE_OTHER]
    assert run_placed(compile_program("place_basic"), plan=everything_in(tier), env=env).output == "good\n"


def test_objects_prefer_their_node(compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]) -> None:
    run = run_placed(compile_program("place_where"), str(8 * MIB), plan=everything_in(tier_of("node")))
    # MPOL_PREFERRED_MANY, or MPOL_PREFERRED before Linux 5.15; of node 0
    assert where(run)[0] in ("policy 5 nodes 1", "policy 1 nodes 1")


@pytest.mark.parametrize(("kind", "policy"), [("bind", 2), ("interleave", 3), ("kmem", 5)])
def test_the_kernel_knows_the_policy_of_an_object(
    kind: str, policy: int, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    run = run_placed(compile_program("place_where"), str(8 * MIB), plan=everything_in(tier_of(kind)))
    # numbers of linux/mempolicy.h; kmem's is MPOL_PREFERRED_MANY as a node's
    assert where(run)[0] in (f"policy {policy} nodes 1", "policy 1 nodes 1" if policy == 5 else "")


def test_a_machine_without_kmem_devices_is_noted_and_spills(
    compile_program: Callable[..., Path], run_placed: RunPlaced, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a setting that names no node, in place of devices that this machine may have
    plan = everything_in(TierSpec("slow", "kmem", policy="nearest"))
    run = run_placed(compile_program("place_basic"), plan=plan, env={"MEMKIND_DAX_KMEM_NODES": ""})
    assert (run.output, run.status) == ("good\n", 0)
    assert run.notes[NOTE_TIER_FAILED] == "tier slow: no memory of a KMEM device is online"
    assert run.tiers.loc["slow", "allocations"] == 0


@needs_pool
def test_objects_lie_in_pages_of_the_pool(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    run = run_placed(compile_program("place_where"), "65536", plan=everything_in(tier_of("hugetlb")))
    flags = next(line for line in where(run) if line.startswith("VmFlags:")).split()
    assert "ht" in flags


@needs_pool
def test_a_pool_that_is_empty_spills_and_costs_no_forked_child_its_life(
    compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # GIVEN a pool that a program fills, so that nothing is left for copies on write
    plan = everything_in(tier_of("hugetlb"))
    POOL.write_text("5")
    # WHEN it forks, and parent and child write to what both have
    run = run_placed(compile_program("place_fork"), plan=plan)
    # THEN both live, and what did not fit is counted
    assert (run.output, run.status) == ("child 0 parent 0\n", 0)
    assert run.tiers.loc["slow", "allocations"] > 0
    assert run.tiers.loc["slow", "spilled_allocations"] > 0
    assert run.notes[NOTE_TIER_FAILED].startswith("tier slow: its pool of huge pages is empty")


def test_large_objects_in_dram_have_pages_of_their_own(
    compile_program: Callable[..., Path], run_placed: RunPlaced, two_sites: tuple[str, str]
) -> None:
    # GIVEN a plan that leaves all in DRAM
    plan = Plan((TierSpec("dram"),), "dram")
    for size, own in ((MIB, True), (64 << 10, False)):
        run = run_placed(compile_program("place_sites"), "10", str(size), plan=plan)
        assert (run.output, run.status) == ("right 10\n", 0)
        addresses = run.allocations["address"][run.allocations["size"] == size]
        # THEN the large ones can move, and the others are the C library's
        assert len(addresses) == 20
        assert (addresses % 4096 == 0).all() == own
        # and a thread hides at most 256 KiB of what it has there
        assert run.tiers.loc["dram", "peak_bytes"] >= 20 * size - (256 << 10)


@needs_huge
@pytest.mark.parametrize("size", [8 * MIB, 65536])
def test_objects_ask_for_huge_pages_on_aligned_mappings(
    size: int, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    run = run_placed(compile_program("place_where"), str(size), plan=everything_in(tier_of("huge")))
    lines = where(run)
    start = int(lines[1].split("-")[0], 16)
    flags = next(line for line in lines if line.startswith("VmFlags:")).split()
    assert "hg" in flags
    assert start % (2 * MIB) == 0


@needs_memkind
def test_memkind_never_writes_to_a_file_that_got_its_descriptor(
    tmp_path: Path, compile_program: Callable[..., Path], run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]
) -> None:
    # WHEN a program closes all descriptors, opens its own file under each number, and allocates
    run = run_placed(compile_program("place_close_all"), str(tmp_path / "own"), plan=everything_in(tier_of("pmem")))
    # THEN its file is as it left it
    assert (run.output, run.status) == ("bytes 0\n", 0)


@needs_memkind
def test_memkinds_setting_does_not_reach_the_programs_children(run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]) -> None:
    run = run_placed("env", plan=everything_in(tier_of("pmem")), env={"LC_ALL": "C"})
    assert "LC_ALL=C" in run.output
    assert "MEMKIND" not in run.output


@pytest.mark.parametrize("kind", KINDS)
def test_programs_that_are_not_ours_end_as_always(kind: str, run_placed: RunPlaced, tier_of: Callable[[str], TierSpec]) -> None:
    plan = everything_in(tier_of(kind))
    assert run_placed("/usr/bin/env", "python3", "-c", "import json, ssl; print(json.dumps([1]))", plan=plan)[:2] == ("[1]\n", 0)
    assert run_placed("bash", "-c", "seq 1000 | sort -n | tail -1; exit 3", plan=plan)[:2] == ("1000\n", 3)


def test_a_tier_that_cannot_be_opened_is_noted_and_spills(
    tmp_path: Path, compile_program: Callable[..., Path], run_placed: RunPlaced
) -> None:
    plan = everything_in(TierSpec("slow", "pmem", folder=tmp_path / "missing"))
    run = run_placed(compile_program("place_basic"), plan=plan)
    assert run.output == "good\n"
    assert "tier slow: its folder cannot hold mapped files" in run.notes[NOTE_TIER_FAILED]
    assert run.tiers.loc["slow", "allocations"] == 0
    assert run.tiers.loc["slow", "spilled_allocations"] > 100


GOOD = plan_bytes(everything_in(TierSpec("slow", "emulated", factor=2.0)), {})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the plan cannot be read"),
        (b"TPPLAN", "it is not a plan"),
        (b"TPTRACE" + GOOD[7:], "it is not a plan"),
        (GOOD[:8] + b"\x09" + GOOD[9:], "the plan is of another version"),
        (GOOD[:-1], "the plan is cut short"),
        (GOOD + b"\0", "the plan is cut short"),
        (GOOD[:12] + b"\x20" + GOOD[13:], "too few or too many tiers"),
        (GOOD[:20] + b"\x07" + GOOD[21:], "the default tier is not among its tiers"),
        (GOOD[:72] + b"\x02" + GOOD[73:], "its first tier is not the system's"),
        (GOOD[:76] + b"\x05\0\0\0" + GOOD[80:], "a tier spills nowhere"),
        (GOOD[:76] + b"\x00\0\0\0" + GOOD[80:], "its tiers spill in a circle"),
    ],
)
def test_a_damaged_plan_is_noted_and_the_program_runs_without(
    content: bytes, why: str, tmp_path: Path, compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    file = tmp_path / "damaged.bin"
    file.write_bytes(content)
    run = run_shim(compile_program("place_basic"), env={"TIERPROF_PLAN": str(file)})
    assert run.completed.stdout == b"good\n"
    notes = read_meta(next(run.raw.glob("meta.*.bin"))).notes
    assert [note.code for note in notes] == [NOTE_PLAN_BAD]
    assert notes[0].text.startswith(f"{file}: ")
    assert why in notes[0].text


def test_tiers_are_numbered_as_the_plan_says(tier_of: Callable[[str], TierSpec]) -> None:
    assert [tier.name for tier in tier_order(everything_in(tier_of("node")))] == ["dram", "slow"]
