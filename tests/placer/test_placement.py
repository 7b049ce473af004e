"""The shim puts objects where the plan says: real programs, every kind of tier, exact counts."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tierprof.placer import memkind
from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.binary import plan_bytes, tier_order
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import MetaStream, read_allocations, read_meta

MIB = 1 << 20
ALLOC, SPILLED = 1, 2
NOTE_TIER_FAILED, NOTE_PLAN_BAD, NOTE_OTHER = 3, 4, 99
HUGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")

needs_memkind = pytest.mark.skipif(not memkind.available(), reason="libmemkind is not installed")
needs_huge = pytest.mark.skipif(
    not HUGE_SETTING.exists() or "[never]" in HUGE_SETTING.read_text(), reason="transparent huge pages are not to be had"
)
POOL = Path("/proc/sys/vm/nr_hugepages")
POOL_PAGES = 64
needs_pool = pytest.mark.skipif(not os.access(POOL, os.W_OK), reason="the pool of huge pages may not be filled")
KINDS = [
    "pmem",
    "node",
    "bind",
    "kmem",
    "interleave",
    pytest.param("huge", marks=needs_huge),
    pytest.param("hugetlb", marks=needs_pool),
    "emulated",
]


class Placed(NamedTuple):
    """A run under a plan."""

    output: str
    status: int
    tiers: Any  # DataFrame of tiers_achieved, by tier name
    meta: MetaStream  # of the first process
    allocations: np.ndarray  # records of type ALLOC of all processes
    counters: list[dict[str, Any]]

    @property
    def notes(self) -> dict[int, str]:
        return {note.code: note.text for note in self.meta.notes}


RunPlaced = Callable[..., Placed]


@pytest.fixture
def tier_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], TierSpec]:
    """The tier `slow` of a kind."""
    folder = tmp_path / "memory"
    folder.mkdir()
    details: dict[str, dict[str, Any]] = {
        "pmem": {"folder": folder},
        "node": {"node": 0},
        "bind": {"kind": "node", "node": 0, "bind": True},
        "kmem": {"policy": "all"},
        "interleave": {"weights": ((0, 1),)},
        "huge": {},
        "hugetlb": {"page_bytes": 2 * MIB},
        "emulated": {"factor": 2.0},
    }

    def tier(kind: str) -> TierSpec:
        if kind == "kmem":  # node 0 stands for a device's, as memkind itself lets it
            monkeypatch.setenv("MEMKIND_DAX_KMEM_NODES", "0")
        if kind == "hugetlb":
            request.getfixturevalue("huge_pool")
        return TierSpec("slow", **{"kind": kind, **details[kind]})

    return tier


@pytest.fixture
def huge_pool() -> Iterator[None]:
    """A pool of 128 MiB in pages of 2 MiB."""
    before = POOL.read_text()
    POOL.write_text(str(POOL_PAGES))
    try:
        if int(POOL.read_text()) < POOL_PAGES:
            pytest.skip("the kernel finds no room for a pool of huge pages")
        yield
    finally:
        POOL.write_text(before)


@pytest.fixture
def run_placed(tmp_path: Path, run_shim: Callable[..., Any]) -> RunPlaced:
    """`run_placed(program, *args, plan=..., env={})`: run it under the shim and the plan."""

    def run_one(program: Path | str, *args: str, plan: Plan, env: dict[str, str] | None = None, **options: Any) -> Placed:
        file = tmp_path / "plan.bin"
        file.write_bytes(plan_bytes(plan, {}))
        run = run_shim(program, *args, env={"TIERPROF_PLAN": str(file), **(env or {})}, **options)
        metas = sorted(run.raw.glob("meta.*.bin"), key=lambda path: path.stat().st_ino)
        records = np.concatenate([read_allocations(path) for path in run.raw.glob("alloc.*.bin")])
        counters = counters_of(run.raw)
        tiers = tiers_achieved(counters, plan).set_index("tier")
        completed = run.completed
        return Placed(
            completed.stdout.decode(), completed.returncode, tiers, read_meta(metas[0]), records[records["type"] == ALLOC], counters
        )

    return run_one


def everything_in(tier: TierSpec) -> Plan:
    return Plan((TierSpec("dram"), tier), tier.name)


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


@pytest.fixture(scope="module")
def two_sites(compile_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, shim_library: Path) -> tuple[str, str]:
    """Keys of the two sites of place_sites, left and right."""
    raw = tmp_path_factory.mktemp("raw")
    env = {**os.environ, "LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(raw)}
    subprocess.run([compile_program("place_sites"), "1"], env=env, check=True, capture_output=True)
    records = read_allocations(next(raw.glob("alloc.*.bin")))
    sites = read_meta(next(raw.glob("meta.*.bin"))).sites
    left, right = (sites[site].key for site in records["site"][(records["type"] == ALLOC) & (records["size"] == MIB)])
    return left, right


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
