"""Small objects of one site have memory of their own, on whatever kind of tier the plan wants: by the kernel's word on every page."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

RunPlanned = Callable[..., Any]
Keys = Callable[..., list[str]]
AllIn = Callable[[dict[str, int], TierSpec], bool]
PagesIn = Callable[[dict[str, int], TierSpec], int]

MIB = 1 << 20
DRAM = TierSpec("dram")
COUNT, SIZE = 15_000, 200

each_kind = pytest.mark.parametrize(
    "tier",
    [
        pytest.param("node:1", marks=pytest.mark.guest("nodes")),
        pytest.param("fsdax", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem-node", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem", marks=pytest.mark.guest("pmem")),
    ],
    indirect=True,
)


@pytest.fixture
def left(keys: Keys) -> str:
    """Key of the site `left` of small_objects."""
    (key,) = keys(SIZE, "small_objects", str(COUNT), str(SIZE))
    return key


@each_kind
def test_small_objects_of_one_site_are_in_the_tier_and_those_of_the_other_are_not(
    tier: TierSpec, left: str, run_planned: RunPlanned, all_in: AllIn
) -> None:
    # GIVEN a plan that moves one of two sites, whose objects of 200 and 400 bytes are made in turn
    plan = Plan((DRAM, tier), "dram", (PlannedObject(left, "slow", small=True),))
    # WHEN the program runs under it
    run = run_planned(plan, "small_objects", str(COUNT), str(SIZE))
    # THEN every page with objects of the one is in the tier, and none of the other's
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert all_in(run.said["left"], tier)
    assert all_in(run.said["right"], DRAM)
    assert run.tiers.loc["slow", "peak_bytes"] >= COUNT * SIZE


@each_kind
def test_small_objects_spill_by_the_chunk(tier: TierSpec, left: str, run_planned: RunPlanned, pages_in: PagesIn) -> None:
    # GIVEN room for 1 MiB of the site's 3 MB
    plan = Plan((DRAM, replace(tier, capacity_bytes=MIB)), "dram", (PlannedObject(left, "slow", small=True),))
    run = run_planned(plan, "small_objects", str(COUNT), str(SIZE))
    # THEN the rest is in DRAM, and what the tier counts is what the kernel says
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    said = run.said["left"]
    assert 0 < pages_in(said, tier) * 4096 <= MIB
    assert pages_in(said, tier) + said["node0"] == said["pages"]
    assert run.tiers.loc["slow", "spilled_bytes"] > 0
