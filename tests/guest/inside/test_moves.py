"""Live objects move between kinds of memory while threads write to them: no write is lost, and every page arrives."""

from collections.abc import Callable
from typing import Any

import pytest

from tierprof.placer.control import STAYS
from tierprof.placer.moving import request_move
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec

AllIn = Callable[[dict[str, int], TierSpec], bool]
Start = Callable[..., Any]
Keys = Callable[..., list[str]]

MIB = 1 << 20
ROUNDS = 3

#: One object, and many small ones that share slabs: number and size.
PLAIN, SMALL = (1, 6 * MIB), (12_000, 256)

#: Why pages may stay where they are.
LEFT = STAYS[11]

NODES, PMEM = pytest.mark.guest("nodes"), pytest.mark.guest("pmem")


def plan_with(tiers: tuple[TierSpec, ...], site: str, *, small: bool = False) -> Plan:
    """The site's objects in the first tier, everything else in DRAM."""
    dram = next((tier for tier in tiers if tier.kind == "dram"), TierSpec("dram"))
    return Plan(tuple(dict.fromkeys((dram, *tiers))), dram.name, (PlannedObject(site, tiers[0].name, small=small),))


@pytest.mark.parametrize("objects", [pytest.param(PLAIN, id="plain"), pytest.param(SMALL, id="small")])
@pytest.mark.parametrize(
    "tiers",
    [
        pytest.param(("node:1", "dram"), marks=NODES, id="node-dram"),
        pytest.param(("fsdax", "dram"), marks=PMEM, id="fsdax-dram"),
        pytest.param(("fsdax", "kmem-node"), marks=PMEM, id="fsdax-kmem"),
        pytest.param(("kmem", "dram"), marks=PMEM, id="memkind-dram"),
    ],
    indirect=True,
)
def test_no_write_is_lost_while_four_threads_write(
    tiers: tuple[TierSpec, ...], objects: tuple[int, int], start: Start, keys: Keys, all_in: AllIn
) -> None:
    # GIVEN objects in the first tier, and four threads that never stop to write to them
    count, size = objects
    (site,) = keys(size, "writers", str(count), str(size))
    writers = start(plan_with(tiers, site, small=objects == SMALL), "writers", str(count), str(size))
    assert all_in(writers.pages()["objects"], tiers[0])
    # WHEN they move to the second tier and back, again and again
    for tier in (tiers[1], tiers[0]) * ROUNDS:
        result = request_move(writers.pid, writers.raw, site, tier.name)
        # THEN every page arrives
        assert result.bytes_moved >= count * size
        assert all_in(writers.pages()["objects"], tier)
    # and every write is there in the end
    said = writers.stop()["writers"]
    assert said["lost"] == 0
    assert said["increments"] >= 4 * 2 * ROUNDS * count * size // 64


@pytest.mark.parametrize("tiers", [pytest.param(("dram", "interleave:0=3,1=1"), marks=NODES, id="dram-interleave")], indirect=True)
def test_an_object_spreads_over_nodes_and_comes_back(tiers: tuple[TierSpec, ...], start: Start, keys: Keys) -> None:
    # GIVEN an object in DRAM, and a tier with a quarter on the slow node
    size = MIB
    (site,) = keys(size, "writers", "1", str(size))
    writers = start(plan_with(tiers, site), "writers", "1", str(size))
    # WHEN it moves there and back, under its writers
    for tier, share in [("second", 0.25), ("first", 0), ("second", 0.25)]:
        result = request_move(writers.pid, writers.raw, site, tier)
        # THEN that share of its pages is there, although they were parts of a huge page
        assert result.stays == {}
        census = writers.pages()["objects"]
        assert census["node1"] / census["pages"] == pytest.approx(share, abs=0.05)
        assert census["node0"] + census["node1"] == census["pages"]
    assert writers.stop()["writers"]["lost"] == 0


@pytest.mark.parametrize("tiers", [pytest.param(("huge", "node:1"), marks=NODES, id="huge-node")], indirect=True)
def test_huge_pages_move_as_such(tiers: tuple[TierSpec, ...], start: Start, keys: Keys) -> None:
    # GIVEN an object of four huge pages in DRAM
    size = 8 * MIB
    (site,) = keys(size, "writers", "1", str(size))
    writers = start(plan_with(tiers, site), "writers", "1", str(size))
    before = writers.pages()
    assert (before["objects"]["node0"], before["huge"]["bytes"]) == (size // 4096, size)
    # WHEN it moves to the slow node, under its writers
    request_move(writers.pid, writers.raw, site, "second")
    # THEN all of it is there, still in huge pages
    after = writers.pages()
    assert (after["objects"]["node1"], after["huge"]["bytes"]) == (size // 4096, size)
    assert writers.stop()["writers"]["lost"] == 0


@pytest.mark.parametrize("tiers", [pytest.param(("hugetlb", "dram"), marks=NODES, id="hugetlb-dram")], indirect=True)
def test_an_object_leaves_the_pool_of_huge_pages_and_comes_back(
    tiers: tuple[TierSpec, ...], start: Start, keys: Keys, huge_pool: Callable[[], int]
) -> None:
    # GIVEN an object of two pages of the pool
    size, free = 4 * MIB, huge_pool()
    (site,) = keys(size, "writers", "1", str(size))
    writers = start(plan_with(tiers, site), "writers", "1", str(size))
    assert huge_pool() == free - 2
    for tier, left in [("second", free), ("first", free - 2)]:
        request_move(writers.pid, writers.raw, site, tier)
        assert huge_pool() == left
    assert writers.stop()["writers"]["lost"] == 0


@pytest.mark.parametrize(
    "tiers",
    [
        pytest.param(("node:1", "dram"), marks=NODES, id="node-dram"),
        pytest.param(("fsdax", "dram"), marks=PMEM, id="fsdax-dram"),
        pytest.param(("fsdax", "kmem-node"), marks=PMEM, id="fsdax-kmem"),
    ],
    indirect=True,
)
def test_children_that_are_forked_while_objects_move_have_their_own_data(tiers: tuple[TierSpec, ...], start: Start, keys: Keys) -> None:
    (site,) = keys(3 * MIB, "fork_moves")
    program = start(plan_with(tiers, site), "fork_moves")
    away = 9 * MIB
    # WHEN objects move while the program forks, and parents and children check and write
    for tier in (tiers[1], tiers[0]) * ROUNDS:
        result = request_move(program.pid, program.raw, site, tier.name)
        # THEN all of them do; but for pages that a child has too, which the kernel leaves on their node
        stayed = sum(result.stays.values())
        assert (result.bytes_moved, list(result.stays)) == (away - stayed, [LEFT] * (stayed > 0))
        assert stayed == 0 or tiers[0].kind == "node"
        away = 9 * MIB - stayed
    # and nobody ever saw another's data
    said = program.stop()["forks"]
    assert (said["all"] > 0, said["bad"]) == (True, 0)
