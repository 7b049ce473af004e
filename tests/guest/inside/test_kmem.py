"""Persistent memory that the kernel uses as a node (KMEM): what tierprof and memkind say of it, and when it is full."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, check_tier

pytestmark = pytest.mark.guest("pmem")

Doctor = Callable[[], dict[str, dict[str, str]]]
RunPlanned = Callable[..., Any]

MIB = 1 << 20


def test_doctor_names_the_node(kmem_node: int, doctor: Doctor) -> None:
    checks = doctor()
    assert checks["node:N"]["state"] == "ok"
    assert checks["node:N"]["found"].startswith(f"nodes [0, {kmem_node}]; without CPUs: [{kmem_node}]")
    assert checks["kmem[:all|:preferred]"]["state"] == "ok"
    assert checks["kmem[:all|:preferred]"]["found"].startswith(f"devices are nodes [{kmem_node}]; libmemkind ")
    check_tier(TierSpec("slow", "node", node=kmem_node))


def test_its_pages_are_persistent_memory(kmem_node: int, run_planned: RunPlanned) -> None:
    slow = TierSpec("slow", "node", node=kmem_node)
    run = run_planned(Plan((TierSpec("dram"), slow), "slow"), "two_sites", "20", str(MIB))
    left = run.said["left"]
    assert left["persistent"] == left[f"node{kmem_node}"] == left["pages"] == 20 * MIB // 4096


def test_memkind_finds_its_kmem_kind(
    kmem_node: int, program: Callable[[str], Path], read_census: Callable[[str], dict[str, dict[str, int]]]
) -> None:
    # WHEN a program asks memkind for MEMKIND_DAX_KMEM, without tierprof
    done = subprocess.run([str(program("memkind_kmem"))], capture_output=True, text=True, check=False)
    # THEN it is there, and gives memory of the node
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "kmem status 0"), done.stderr
    census = read_census(done.stdout)["kmem"]
    assert census[f"node{kmem_node}"] == census["pages"] > 0
