"""What tierprof says of where objects are, held against the kernel's word inside the program: `where`, `verify` and the plan's own run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

Keys = Callable[..., list[str]]
Start = Callable[..., Any]
Command = Callable[..., Any]
AllIn = Callable[[dict[str, int], TierSpec], bool]
PagesIn = Callable[[dict[str, int], TierSpec], int]

MIB = 1 << 20
DRAM = TierSpec("dram")

NODES, PMEM = pytest.mark.guest("nodes"), pytest.mark.guest("pmem")
each_kind = pytest.mark.parametrize(
    "tier", [pytest.param("node:1", marks=NODES), pytest.param("fsdax", marks=PMEM), pytest.param("kmem", marks=PMEM)], indirect=True
)


@pytest.fixture
def untouched(tier: TierSpec, start: Start, keys: Keys) -> Callable[[int], Any]:
    """A running program with one object of so many bytes in the tier; it writes to it when told."""

    def begin(size: int) -> Any:
        (site,) = keys(size, "touch_later", str(size))
        plan = Plan((DRAM, tier), "dram", (PlannedObject(site, "slow", "object", bytes=size),))
        return start(plan, "touch_later", str(size))

    return begin


def objects_of(output: str) -> dict[str, dict]:
    """The rows of the one object that a plan has: by the tier in which it was."""
    return {row["tier"]: row for row in json.loads(output)["objects"] if row["name"] in ("left", "object")}


@each_kind
def test_where_tells_of_a_running_program_what_its_pages_tell(
    tier: TierSpec, untouched: Callable[[int], Any], all_in: AllIn, tierprof: Command
) -> None:
    # GIVEN a program with an object of 6 MiB in the tier that nobody has touched
    size = 6 * MIB
    program = untouched(size)
    status, output = tierprof("where", program.pid, "--json")
    assert status == 0
    row = objects_of(output)["slow"]
    assert (row["found_bytes"], row["astray_bytes"]) == (0, 0)
    # WHEN the program writes to it
    program.tell("touch")
    assert all_in(program.listen("objects")["objects"], tier)
    # THEN all of it is found where it was planned
    row = objects_of(tierprof("where", program.pid, "--json")[1])["slow"]
    assert (row["found_bytes"], row["astray_bytes"], row["absent_bytes"]) == (size, 0, 0)
    assert row["as_planned"]
    program.stop()


@pytest.mark.parametrize("tier", [pytest.param("node:1", marks=NODES), pytest.param("kmem-node", marks=PMEM)], indirect=True)
def test_where_tells_that_a_node_was_filled_behind_the_tiers_back(
    tier: TierSpec, untouched: Callable[[int], Any], start: Start, pages_in: PagesIn, tierprof: Command
) -> None:
    # GIVEN an object of 32 MiB in a tier that had room for it, until another program took all but 24 MiB of the node
    size = 32 * MIB
    program = untouched(size)
    filler = start(Plan((DRAM,), "dram"), "fill_node", str(tier.node), str(24 * MIB))
    # WHEN the program writes to it, and the kernel puts a part on the other node
    program.tell("touch")
    census = program.listen("objects")["objects"]
    assert census["node0"] * 4096 > 4 * MIB
    # THEN `where` says so, as far as the 512 pages tell that it asks about
    row = objects_of(tierprof("where", program.pid, "--json")[1])["slow"]
    pages = row["astray_bytes"] / 4096, row["found_bytes"] / 4096
    assert pages == pytest.approx((census["node0"], pages_in(census, tier)), abs=2 * size / 4096 / 512)
    assert not row["as_planned"]
    assert "the kernel put pages on another node" in row["reason"]
    program.stop()
    filler.stop()


@pytest.fixture
def plan_file(tier: TierSpec, keys: Keys, tmp_path: Path) -> Path:
    """A plan that puts the site `left` of two_sites, 20 objects of 1 MiB, into the tier."""
    left, right = keys(MIB, "two_sites", "20", str(MIB))
    objects = (PlannedObject(left, "slow", "left", bytes=20 * MIB), PlannedObject(right, "dram", "right", bytes=20 * MIB))
    Plan((DRAM, tier), "dram", objects).save(tmp_path / "two.plan")
    return tmp_path / "two.plan"


@each_kind
def test_a_trace_of_a_run_under_a_plan_says_what_was_found(
    tier: TierSpec, plan_file: Path, program: Callable[[str], Path], tmp_path: Path, tierprof: Command
) -> None:
    # WHEN a program runs under a plan from the command line
    words = ["--source", "none", "-o", tmp_path / "two.trace", "--plan", plan_file, "--", program("two_sites"), 20, MIB]
    assert tierprof("run", *words)[0] == 0
    # THEN its trace tells, by the kernel's word at its end, that the object was where it was planned
    row = objects_of(tierprof("where", tmp_path / "two.trace", "--json")[1])["slow"]
    assert (row["planned"], row["as_planned"]) == ("slow", True)
    assert (row["found_bytes"], row["astray_bytes"]) == (20 * MIB, 0)


@each_kind
def test_verify_ends_well_where_the_plan_is_kept(
    tier: TierSpec, plan_file: Path, program: Callable[[str], Path], tierprof: Command
) -> None:
    status, output = tierprof("verify", plan_file, "--repeat", 1, "--json", "--", program("two_sites"), 20, MIB)
    assert (status, json.loads(output)["bytes_as_planned"]) == (0, True)


@pytest.mark.parametrize("tier", [pytest.param("node:1", marks=NODES), pytest.param("kmem-node", marks=PMEM)], indirect=True)
def test_verify_fails_where_the_node_has_no_room(
    tier: TierSpec, plan_file: Path, program: Callable[[str], Path], start: Start, tierprof: Command
) -> None:
    # GIVEN a plan for 20 MiB of a node that another program has filled
    filler = start(Plan((DRAM,), "dram"), "fill_node", str(tier.node), str(12 * MIB))
    # WHEN it is verified
    status, output = tierprof("verify", plan_file, "--repeat", 1, "--json", "--", program("two_sites"), 20, MIB)
    # THEN it was not kept, and the reason is told
    facts = json.loads(output)
    assert (status, facts["bytes_as_planned"]) == (1, False)
    misplaced = [row for row in facts["objects"] if row["name"] == "left" and not row["as_planned"]]
    assert [row["tier"] for row in misplaced] == ["dram"]
    assert "slow" in misplaced[0]["reason"]
    filler.stop()
