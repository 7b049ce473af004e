"""A node without CPUs that is slower by the firmware's own table (HMAT): what tierprof says of it, and when it is full."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.base.errors import TierError
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, check_tier, nodes, parse_tier

pytestmark = pytest.mark.guest("nodes")

Command = Callable[..., Any]
Doctor = Callable[[], dict[str, dict[str, str]]]
RunPlanned = Callable[..., Any]

MIB = 1 << 20
DRAM, SLOW = TierSpec("dram"), TierSpec("slow", "node", node=1)
NODES = Path("/sys/devices/system/node")


def test_the_guest_has_a_node_without_cpus_and_slower() -> None:
    latencies_ns = [int((NODES / f"node{node}/access0/initiators/read_latency").read_text()) for node in (0, 1)]
    assert latencies_ns == [80, 320]
    assert (NODES / "node1/cpulist").read_text().strip() == ""


def test_doctor_names_the_nodes(doctor: Doctor) -> None:
    # WHEN doctor looks at the guest
    checks = doctor()
    # THEN it tells both nodes, which one is memory only, and how much slower that is
    assert checks["node:N"]["state"] == "ok"
    timing = "read, by the firmware's HMAT: 0: 80ns 102.4GB/s, 1: 320ns 20.48GB/s"
    assert checks["node:N"]["found"] == f"nodes [0, 1]; without CPUs: [1]; {timing}"
    assert checks["libtierprof.so"]["state"] == "ok"
    assert checks["interleave:N=WEIGHT,..."]["found"] == "over nodes [0, 1]"
    # and that there is no device behind it that the kernel took as memory, and no pool of huge pages yet
    assert [checks[name]["state"] for name in ("kmem[:all|:preferred]", "hugetlb[:PAGE]")] == ["absent", "absent"]
    # and that writers can be kept waiting while an object moves
    assert checks["userfaultfd"]["state"] == "ok"


def test_a_node_that_is_not_there_is_refused() -> None:
    assert nodes() == [0, 1]
    check_tier(SLOW)
    with pytest.raises(TierError, match=r"no NUMA node 2 with memory \(it has 0, 1\)"):
        check_tier(TierSpec("far", "node", node=2))


def test_without_a_plan_nothing_is_on_the_slow_node(run_planned: RunPlanned) -> None:
    run = run_planned(Plan((DRAM,), "dram"), "two_sites", "20", str(MIB))
    assert [census["node0"] == census["pages"] for census in run.said.values()] == [True, True]


@pytest.mark.parametrize(("weights", "share"), [("0=3,1=1", 0.75), ("0=1,1=2", 1 / 3), ("0=1,1=1", 0.5)])
def test_interleaved_pages_have_the_proportion_asked_for(weights: str, share: float, run_planned: RunPlanned) -> None:
    # WHEN all objects are interleaved over two nodes: one large one, and then many
    mixed = parse_tier(f"mixed=interleave:{weights}")
    for count, size in [(1, 24 * MIB), (24, MIB)]:
        run = run_planned(Plan((DRAM, mixed), "mixed"), "two_sites", str(count), str(size))
        # THEN that share of the pages is on the first one
        assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
        pages = {key: run.said["left"][key] + run.said["right"][key] for key in ("pages", "node0", "node1")}
        assert pages["node0"] + pages["node1"] == pages["pages"] == 48 * MIB // 4096
        assert pages["node0"] / pages["pages"] == pytest.approx(share, abs=0.05)


def test_a_pool_of_huge_pages_on_the_slow_node_serves_until_it_is_empty(huge_pool: Callable[[], int], run_planned: RunPlanned) -> None:
    # GIVEN eight pages of 2 MiB in the kernel's pool, all on the slow node, for six objects of 4 MiB
    pool = parse_tier("pool=hugetlb")
    run = run_planned(Plan((DRAM, pool), "pool"), "two_sites", "3", str(4 * MIB))
    # THEN four of them have the pages, and two are in DRAM, and counted
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    pages = {key: run.said["left"][key] + run.said["right"][key] for key in ("pages", "node0", "node1")}
    assert pages["node1"] == 8 * 512
    assert pages["node0"] + pages["node1"] == pages["pages"] == 6 * 1024
    assert (run.tiers.loc["pool", "peak_bytes"], run.tiers.loc["pool", "spilled_allocations"]) == (16 * MIB, 2)
    # and the pool has its pages again
    assert huge_pool() == 8


def test_children_survive_an_empty_pool_of_huge_pages(huge_pool: Callable[[], int], run_planned: RunPlanned) -> None:
    # WHEN a program with objects in the pool forks, and both write to them: copies that the pool has no pages for
    run = run_planned(Plan((DRAM, parse_tier("pool=hugetlb")), "pool"), "fork_pages")
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    assert huge_pool() == 8


def test_the_command_line_puts_everything_on_the_node(
    tmp_path: Path, program: Callable[[str], Path], tierprof: Command, read_census: Callable[[str], dict[str, dict[str, int]]]
) -> None:
    # WHEN a user runs a program with one tier for all objects
    options = ["--source", "none", "-o", tmp_path / "a.trace", "--tier", "slow=node:1"]
    status, output = tierprof("run", *options, "--", program("two_sites"), 20, MIB)
    # THEN they are there
    assert status == 0
    assert [(census["pages"], census["node1"]) for census in read_census(output).values()] == [(5120, 5120), (5120, 5120)]
