"""Plans whose objects change their tier during the run, and the command that moves them: every page arrives on real tiers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_moves import PlannedMove
from tierprof.placer.tiers import TierSpec

RunPlanned = Callable[..., Any]
Start = Callable[..., Any]
Keys = Callable[..., list[str]]
Command = Callable[..., Any]
AllIn = Callable[[dict[str, int], TierSpec], bool]

MIB = 1 << 20
DRAM = TierSpec("dram")
SIZE = 5 * MIB

each_kind = pytest.mark.parametrize(
    "tier",
    [
        pytest.param("node:1", marks=pytest.mark.guest("nodes")),
        pytest.param("fsdax", marks=pytest.mark.guest("pmem")),
        pytest.param("kmem-node", marks=pytest.mark.guest("pmem")),
    ],
    indirect=True,
)


@pytest.fixture
def sites(keys: Keys) -> tuple[str, str]:
    """Keys of the site whose object moves, and of the one whose allocations are counted."""
    (moved,), (trigger,) = (keys(size, "phases", str(SIZE)) for size in (SIZE, 64 << 10))
    return moved, trigger


@each_kind
def test_an_object_moves_at_the_nth_allocation_of_another_site(
    tier: TierSpec, sites: tuple[str, str], run_planned: RunPlanned, all_in: AllIn
) -> None:
    # GIVEN a plan that moves an object to the tier at the second allocation of a site, and back at the third
    moved, trigger = sites
    moves = [PlannedMove(moved, name, at_allocation=number, of=trigger) for name, number in (("slow", 2), ("dram", 3))]
    run = run_planned(Plan((DRAM, tier), "dram", (PlannedObject(moved, "dram"),), moves=tuple(moves)), "phases", str(SIZE))
    # THEN all of its pages are there before that allocation returns
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert [all_in(run.said[f"at{number}"], where) for number, where in enumerate((DRAM, DRAM, tier, DRAM))] == [True] * 4


@pytest.mark.guest("nodes")
def test_an_object_moves_at_a_time(sites: tuple[str, str], run_planned: RunPlanned) -> None:
    # GIVEN a plan that moves an object a moment after the start
    slow = TierSpec("slow", "node", node=1)
    plan = Plan((DRAM, slow), "dram", (PlannedObject(sites[0], "dram"),), moves=(PlannedMove(sites[0], "slow", after_ns=10**9),))
    # WHEN a program waits until its pages are on the node
    run = run_planned(plan, "phases", str(SIZE), "1")
    # THEN that comes to pass
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert run.said["moved"]["node1"] == run.said["moved"]["pages"]


@each_kind
def test_the_command_moves_an_object_of_a_running_program(
    tier: TierSpec, start: Start, keys: Keys, all_in: AllIn, tierprof: Command
) -> None:
    # GIVEN a program with an object in DRAM, and threads that write to it
    (site,) = keys(SIZE, "writers", "1", str(SIZE))
    writers = start(Plan((DRAM, tier), "dram"), "writers", "1", str(SIZE))
    # WHEN a user asks for it to be moved
    status, output = tierprof("move", writers.pid, site[:12], "slow", "--json")
    assert status == 0
    # THEN it is in the tier, and so says the command
    (told,) = json.loads(output)["processes"]
    assert told["moved_bytes"] >= SIZE
    assert all_in(writers.pages()["objects"], tier)
    assert writers.stop()["writers"]["lost"] == 0
