"""Objects really are where the plan wants them, on each kind of kernel tier: by the kernel's word on every page."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

RunPlanned = Callable[..., Any]
PagesIn = Callable[[dict[str, int], TierSpec], int]
AllIn = Callable[[dict[str, int], TierSpec], bool]

MIB = 1 << 20
DRAM = TierSpec("dram")


def kinds(nodes: tuple[str, ...], pmem: tuple[str, ...]) -> pytest.MarkDecorator:
    """Run the test with each tier, in the guest that has it."""
    cases = [pytest.param(spec, marks=pytest.mark.guest(guest)) for guest, specs in (("nodes", nodes), ("pmem", pmem)) for spec in specs]
    return pytest.mark.parametrize("tier", cases, indirect=True)


each_kind = kinds(("node:1",), ("fsdax", "kmem-node"))
each_backend = kinds(("node:1", "node:1,bind"), ("fsdax", "kmem-node", "kmem", "kmem:all", "kmem:preferred"))


def everything_in(tier: TierSpec) -> Plan:
    return Plan((DRAM, tier), tier.name)


@pytest.fixture
def sites(keys: Callable[..., list[str]]) -> tuple[str, str]:
    """Keys of the sites `left` and `right` of two_sites."""
    left, right = keys(MIB, "two_sites", "20", str(MIB))
    return left, right


@each_backend
def test_the_planned_object_is_in_the_tier_and_the_other_one_is_not(
    tier: TierSpec, sites: tuple[str, str], run_planned: RunPlanned, all_in: AllIn
) -> None:
    # GIVEN a plan that moves one of two objects
    plan = Plan((DRAM, tier), "dram", (PlannedObject(sites[0], "slow", "left"), PlannedObject(sites[1], "dram", "right")))
    # WHEN the program runs under it
    run = run_planned(plan, "two_sites", "20", str(MIB))
    # THEN every page of the one is in the tier, and none of the other's
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert all_in(run.said["left"], tier)
    assert all_in(run.said["right"], DRAM)
    # and the tier's count says the same
    assert (run.tiers.loc["slow", "allocations"], run.tiers.loc["slow", "peak_bytes"]) == (20, 20 * MIB)


@each_kind
def test_what_exceeds_the_budget_spills_and_is_counted(
    tier: TierSpec, sites: tuple[str, str], run_planned: RunPlanned, pages_in: PagesIn, all_in: AllIn
) -> None:
    # GIVEN a budget for 7 of the 20 allocations of an object
    plan = Plan((DRAM, replace(tier, capacity_bytes=7 * MIB)), "dram", (PlannedObject(sites[0], "slow", "left"),))
    run = run_planned(plan, "two_sites", "20", str(MIB))
    # THEN exactly these are in the tier, and the others in DRAM
    left, pages = run.said["left"], MIB // 4096
    assert pages_in(left, tier) == 7 * pages
    assert left["pages"] - pages_in(left, tier) >= 13 * pages
    assert all_in(run.said["right"], DRAM)
    assert run.output.endswith("content good\n")
    slow = run.tiers.loc["slow"]
    assert (slow["allocations"], slow["peak_bytes"]) == (7, 7 * MIB)
    assert (slow["spilled_allocations"], slow["spilled_bytes"]) == (13, 13 * MIB)


@each_kind
def test_pages_that_are_used_again_are_still_the_tiers(tier: TierSpec, run_planned: RunPlanned, all_in: AllIn) -> None:
    run = run_planned(everything_in(tier), "again")
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert all_in(run.said["first"], tier)
    assert all_in(run.said["second"], tier)


@each_kind
def test_parent_and_child_keep_their_own_data(tier: TierSpec, run_planned: RunPlanned, all_in: AllIn) -> None:
    # WHEN a program with objects in the tier forks, and both write to them
    run = run_planned(everything_in(tier), "fork_pages")
    # THEN each has its own data, and the parent's is still in the tier
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert all_in(run.said["parent"], tier)
    # and so are the copies that the child wrote to; but for those of a file, which would be shared, and are in DRAM
    assert all_in(run.said["child"], DRAM if tier.kind == "pmem" else tier)


@each_kind
def test_an_object_that_grows_by_realloc_moves_with_its_content(tier: TierSpec, run_planned: RunPlanned, all_in: AllIn) -> None:
    run = run_planned(everything_in(tier), "realloc_pages")
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    # THEN it is in the tier as long as it has the size of an object, and else with the program's small memory
    large = [f"at{size}" for size in (64 << 10, MIB, 8 * MIB, 96 << 10)]
    assert [name for name in large if not all_in(run.said[name], tier)] == []
    assert [name for name in ("at1024", "at512") if not all_in(run.said[name], DRAM)] == []


@each_kind
def test_threads_have_their_live_objects_in_the_tier(tier: TierSpec, run_planned: RunPlanned, all_in: AllIn) -> None:
    run = run_planned(everything_in(tier), "threads_pages")
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert all_in(run.said["live"], tier)
    assert run.tiers.loc["slow", "spilled_allocations"] == 0


@each_kind
def test_a_mapping_of_the_programs_own_goes_to_the_tier(tier: TierSpec, run_planned: RunPlanned, all_in: AllIn) -> None:
    # WHEN a program maps memory, unmaps the middle and makes the rest larger
    run = run_planned(everything_in(tier), "map_pages")
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    # THEN all of it is in the tier, what was added too
    assert [name for name, census in run.said.items() if not all_in(census, tier)] == []
    assert set(run.said) == {"whole", "start", "larger"}


@each_kind
@pytest.mark.parametrize(
    ("name", "last_line"), [("place_basic", "good"), ("place_map", "zeroes 1 kept 1"), ("place_fork", "child 0 parent 0")]
)
def test_the_placement_hazards_come_to_no_harm(name: str, last_line: str, tier: TierSpec, run_planned: RunPlanned) -> None:
    run = run_planned(everything_in(tier), name)
    assert (run.output, run.status) == (f"{last_line}\n", 0)
