"""A node without CPUs that is slower by the firmware's own table (HMAT): what tierprof says of it, and when it is full."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.base.errors import TierError
from tierprof.cli import main
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, check_tier, nodes

pytestmark = pytest.mark.guest("nodes")

RunPlanned = Callable[..., Any]

MIB = 1 << 20
DRAM, SLOW = TierSpec("dram"), TierSpec("slow", "node", node=1)
NODES = Path("/sys/devices/system/node")


def free_bytes(node: int) -> int:
    line = next(line for line in (NODES / f"node{node}/meminfo").read_text().splitlines() if "MemFree" in line)
    return int(line.split()[-2]) * 1024


def test_the_guest_has_a_node_without_cpus_and_slower() -> None:
    latencies_ns = [int((NODES / f"node{node}/access0/initiators/read_latency").read_text()) for node in (0, 1)]
    assert latencies_ns == [80, 320]
    assert (NODES / "node1/cpulist").read_text().strip() == ""


def test_doctor_names_the_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN doctor looks at the guest
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    # THEN it tells both nodes, and which one is memory only
    assert (checks["node:N"]["state"], checks["node:N"]["found"]) == ("ok", "nodes [0, 1]; without CPUs: [1]")
    assert checks["libtierprof.so"]["state"] == "ok"


def test_a_node_that_is_not_there_is_refused() -> None:
    assert nodes() == [0, 1]
    check_tier(SLOW)
    with pytest.raises(TierError, match=r"no NUMA node 2 with memory \(it has 0, 1\)"):
        check_tier(TierSpec("far", "node", node=2))


def test_without_a_plan_nothing_is_on_the_slow_node(run_planned: RunPlanned) -> None:
    run = run_planned(Plan((DRAM,), "dram"), "two_sites", "20", str(MIB))
    assert [census["node0"] == census["pages"] for census in run.said.values()] == [True, True]


def test_a_full_node_spills_page_by_page_and_nobody_is_killed(run_planned: RunPlanned) -> None:
    # GIVEN objects of more memory than the node has, and a plan without a budget
    before = free_bytes(1)
    count = 160
    assert before < 2 * count * MIB < free_bytes(0)
    # WHEN the program writes to all of them
    run = run_planned(Plan((DRAM, SLOW), "slow"), "two_sites", str(count), str(MIB))
    # THEN it runs on, the node is full, and the kernel has put the rest into DRAM
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    total = {key: run.said["left"][key] + run.said["right"][key] for key in ("pages", "node0", "node1")}
    assert total["pages"] == 2 * count * 256
    assert total["node0"] + total["node1"] == total["pages"]
    assert 0.8 * before < total["node1"] * 4096 <= before


def test_the_command_line_puts_everything_on_the_node(
    tmp_path: Path, program: Callable[[str], Path], read_census: Callable[[str], dict[str, dict[str, int]]]
) -> None:
    # WHEN a user runs a program with one tier for all objects
    tierprof = [sys.executable, "-P", "-m", "tierprof", "run", "--source", "none", "-o", str(tmp_path / "a.trace"), "--tier", "slow=node:1"]
    command = [*tierprof, "--", str(program("two_sites")), "20", str(MIB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # THEN they are there
    assert done.returncode == 0, done.stderr
    said = read_census(done.stdout)
    assert [(census["pages"], census["node1"]) for census in said.values()] == [(5120, 5120), (5120, 5120)]
