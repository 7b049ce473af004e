"""Objects that a plan splits by address range really are: by the kernel's word on every page, on real kinds of memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.tiers import TierSpec

RunPlanned = Callable[..., Any]
PagesIn = Callable[[dict[str, int], TierSpec], int]

KIB, MIB = 1 << 10, 1 << 20
DRAM = TierSpec("dram")
COUNT = 20

NODES, PMEM = pytest.mark.guest("nodes"), pytest.mark.guest("pmem")
each_kind = pytest.mark.parametrize(
    "tier", [pytest.param("node:1", marks=NODES), pytest.param("fsdax", marks=PMEM), pytest.param("kmem-node", marks=PMEM)], indirect=True
)


@pytest.fixture
def plan(tier: TierSpec, keys: Callable[..., list[str]]) -> Plan:
    """Of each object of the site `left`, 1 MiB, two ranges are in DRAM, 320 KiB together, and the rest is in the tier."""
    left, right = keys(MIB, "two_sites", str(COUNT), str(MIB))
    parts = (PlannedPart(64 * KIB, 320 * KIB, "dram"), PlannedPart(960 * KIB, None, "dram"))
    objects = (PlannedObject(left, "slow", "left", bytes=COUNT * MIB, parts=parts), PlannedObject(right, "dram", "right"))
    return Plan((DRAM, tier), "dram", objects)


@each_kind
def test_every_page_is_in_its_parts_tier(tier: TierSpec, plan: Plan, run_planned: RunPlanned, pages_in: PagesIn) -> None:
    # WHEN a program makes objects of which some ranges are in another tier
    run = run_planned(plan, "two_sites", str(COUNT), str(MIB))
    # THEN every page is on the memory of its range, and the content is right
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    fast, slow = COUNT * 320 // 4, COUNT * 704 // 4
    assert (run.said["left"]["node0"], pages_in(run.said["left"], tier)) == (fast, slow)
    assert run.said["right"]["node0"] == run.said["right"]["pages"]
    # and the tiers' counts say the same: each object has two ranges there
    assert (run.tiers.loc["slow", "allocations"], run.tiers.loc["slow", "peak_bytes"]) == (2 * COUNT, COUNT * 704 * KIB)
    assert run.tiers["spilled_bytes"].sum() == 0


@each_kind
def test_verify_ends_well_where_parts_are_kept(plan: Plan, program: Callable[[str], Path], tmp_path: Path, tierprof: Any) -> None:
    plan.save(tmp_path / "parts.plan")
    status, output = tierprof("verify", tmp_path / "parts.plan", "--repeat", 1, "--json", "--", program("two_sites"), COUNT, MIB)
    facts = json.loads(output)
    assert (status, facts["bytes_as_planned"]) == (0, True)
    rows = {row["tier"]: row for row in facts["objects"] if row["name"] == "left"}
    assert (rows["dram"]["found_bytes"], rows["slow"]["found_bytes"]) == (COUNT * 320 * KIB, COUNT * 704 * KIB)
    assert (rows["dram"]["astray_bytes"], rows["slow"]["astray_bytes"]) == (0, 0)
