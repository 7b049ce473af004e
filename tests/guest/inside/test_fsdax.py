"""Persistent memory as an ext4 file system with DAX: what memkind says of it, its space, and when it is full."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer import memkind
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

pytestmark = pytest.mark.guest("pmem")

Doctor = Callable[[], dict[str, dict[str, str]]]
RunPlanned = Callable[..., Any]

MIB = 1 << 20
DRAM = TierSpec("dram")


def used_bytes(folder: Path) -> int:
    space = os.statvfs(folder)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


@pytest.fixture
def slow(fsdax: Path) -> TierSpec:
    return TierSpec("slow", "pmem", folder=fsdax)


def test_memkind_sees_persistent_memory_there_and_nowhere_else(fsdax: Path, tmp_path: Path) -> None:
    assert memkind.is_dax(fsdax)
    assert not memkind.is_dax(tmp_path)


def test_doctor_names_the_kind(fsdax: Path, doctor: Doctor) -> None:
    check = doctor()["pmem:FOLDER"]
    assert check["state"] == "ok"
    assert f"libmemkind {memkind.version()}" in check["found"]
    assert str(fsdax) in check["found"]


def test_memkinds_own_memory_lies_there(fsdax: Path) -> None:
    # GIVEN what the file system holds now
    before = used_bytes(fsdax)
    # WHEN memkind makes a kind of the folder and something is written into its memory
    with memkind.pmem_kind(fsdax) as kind:
        buffer = kind.allocate(8 * MIB)
        buffer[:] = b"\x5a" * (8 * MIB)
        during = used_bytes(fsdax)
        kind.free(buffer)
    # THEN that took the file system's space, and no page of it outlives the kind
    assert during - before >= 8 * MIB
    assert used_bytes(fsdax) == before


def test_space_is_given_back_while_the_program_runs_and_when_it_ends(slow: TierSpec, fsdax: Path, run_planned: RunPlanned) -> None:
    before = used_bytes(fsdax)
    # WHEN a program has an object of 48 MiB, and frees it
    run = run_planned(Plan((DRAM, slow), "slow"), "file_space", str(fsdax), str(48 * MIB))
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    # THEN the object took its size and no huge page more, and gave it back
    used = {name: said["used"] for name, said in run.said.items()}
    assert 48 * MIB <= used["during"] - used["before"] <= 50 * MIB
    assert used["after"] == used["before"]
    # and the program left nothing behind
    assert used_bytes(fsdax) == before
    assert [path.name for path in fsdax.iterdir()] == ["lost+found"]


def test_a_killed_program_leaves_nothing_behind(slow: TierSpec, fsdax: Path, run_planned: RunPlanned) -> None:
    before = used_bytes(fsdax)
    run = run_planned(Plan((DRAM, slow), "slow"), "killed_with_objects", str(16 * MIB))
    assert run.status == 128 + 9
    assert run.tiers.loc["slow", "live_bytes"] >= 16 * MIB
    assert used_bytes(fsdax) == before


@pytest.mark.parametrize("size", [2 * MIB, 64 << 10])
def test_a_full_file_system_spills_and_counts_instead_of_killing(
    size: int, slow: TierSpec, nearly_full: int, run_planned: RunPlanned
) -> None:
    # GIVEN two objects of 32 MiB for a file system that has room for 24 MiB
    count = 32 * MIB // size
    run = run_planned(Plan((DRAM, slow), "slow"), "two_sites", str(min(count, 256)), str(size * max(1, count // 256)))
    # THEN the program keeps its content; what did not fit is in DRAM, and counted
    assert (run.status, run.output.splitlines()[-1]) == (0, "content good")
    census = {key: run.said["left"][key] + run.said["right"][key] for key in ("pages", "node0", "persistent")}
    assert census["persistent"] + census["node0"] == census["pages"]
    assert 8 * MIB <= census["persistent"] * 4096 <= nearly_full
    tier = run.tiers.loc["slow"]
    assert tier["spilled_bytes"] >= 64 * MIB - nearly_full
    # and the tier's own count is what the pages say, but for the rounding to pages and the program's other objects
    assert abs(tier["peak_bytes"] - census["persistent"] * 4096) < MIB
