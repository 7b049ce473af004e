"""Tiers that are full, physically too: what goes where then is the plan's order, is counted, and is what the kernel says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, parse_tier

RunPlanned = Callable[..., Any]
Start = Callable[..., Any]
PagesIn = Callable[[dict[str, int], TierSpec], int]

MIB = 1 << 20
PAGES = MIB // 4096
DRAM = TierSpec("dram")


def all_pages(said: dict[str, dict[str, int]]) -> dict[str, int]:
    """Both sites of two_sites together."""
    return {key: said["left"][key] + said["right"][key] for key in said["left"]}


@pytest.mark.parametrize(
    "tier",
    [
        pytest.param("node:1", marks=pytest.mark.guest("nodes")),
        pytest.param("node:1,bind", marks=pytest.mark.guest("nodes")),
        pytest.param("kmem-node", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem:all", marks=pytest.mark.guest("pmem")),
    ],
    indirect=True,
)
def test_a_full_node_spills_before_the_kernel_has_to(tier: TierSpec, run_planned: RunPlanned, pages_in: PagesIn) -> None:
    # GIVEN objects of 320 MiB for a node of 256 MiB, and a plan without a budget
    run = run_planned(Plan((DRAM, tier), "slow"), "two_sites", "160", str(MIB))
    # THEN the program runs on and keeps its content; what did not fit is in DRAM, and counted
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    census, slow = all_pages(run.said), run.tiers.loc["slow"]
    assert census["pages"] == 320 * PAGES
    assert pages_in(census, tier) + census["node0"] == census["pages"]
    assert slow["spilled_allocations"] > 0
    # and every byte that the tier counts is there: the kernel did not fall back by itself
    assert 180 * MIB <= pages_in(census, tier) * 4096 <= 256 * MIB
    assert abs(slow["peak_bytes"] - pages_in(census, tier) * 4096) < MIB


@pytest.mark.guest("pmem")
def test_spilling_follows_the_plans_order(fsdax: Path, kmem_node: int, run_planned: RunPlanned, pages_in: PagesIn) -> None:
    # GIVEN a plan that says: 8 MiB on the file system, the next 9 MiB on the node, and then DRAM
    first = replace(parse_tier(f"first=pmem:{fsdax}"), capacity_bytes=8 * MIB, spill="second")
    second = replace(parse_tier(f"second=node:{kmem_node}"), capacity_bytes=9 * MIB)
    run = run_planned(Plan((DRAM, first, second), "first"), "two_sites", "12", str(MIB))
    # THEN 24 MiB go exactly there, and each tier counts what it could not take
    census = all_pages(run.said)
    assert [pages_in(census, tier) for tier in (first, second, DRAM)] == [8 * PAGES, 9 * PAGES, 7 * PAGES]
    assert run.tiers.loc[["first", "second"], "peak_bytes"].to_list() == [8 * MIB, 9 * MIB]
    assert run.tiers.loc[["first", "second"], "spilled_allocations"].to_list() == [16, 7]


@pytest.mark.guest("pmem")
def test_a_full_file_system_spills_to_the_next_tier_too(
    nearly_full: int, fsdax: Path, kmem_node: int, run_planned: RunPlanned, pages_in: PagesIn
) -> None:
    # GIVEN objects of 64 MiB for a file system that has room for 24 MiB, which the plan does not know
    first = replace(parse_tier(f"first=pmem:{fsdax}"), spill="second")
    second = parse_tier(f"second=node:{kmem_node}")
    run = run_planned(Plan((DRAM, first, second), "first"), "two_sites", "16", str(2 * MIB))
    # THEN the rest is on the node, and nothing in DRAM
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    census = all_pages(run.said)
    in_first, in_second = pages_in(census, first), census[f"node{kmem_node}"]
    assert (in_first + in_second, census["node0"]) == (census["pages"], 0)
    assert 8 * MIB <= in_first * 4096 <= nearly_full
    assert run.tiers.loc["first", "spilled_bytes"] >= 64 * MIB - nearly_full


@pytest.mark.parametrize(
    "tier",
    [
        pytest.param("node:1", marks=pytest.mark.guest("nodes")),
        pytest.param("fsdax", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem", marks=pytest.mark.guest("pmem")),
    ],
    indirect=True,
)
def test_freed_space_is_used_again(tier: TierSpec, run_planned: RunPlanned) -> None:
    # WHEN a program frees each object before the next, of up to 4 MiB and 10 MiB in all, under a budget of 5 MiB
    run = run_planned(Plan((DRAM, replace(tier, capacity_bytes=5 * MIB)), "slow"), "again")
    # THEN all of them find room
    assert run.output.endswith("content good\n")
    assert (run.tiers.loc["slow", "spilled_allocations"], run.tiers.loc["slow", "allocations"]) == (0, 6)
