"""Signals that emulation shares with the program: whatever the program does with SIGTRAP, it does as if nobody else used it."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tierprof.base.schema import RECIPES
from tierprof.placer.achieved import counters_of, total
from tierprof.placer.binary import write_plan, write_recipes
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_meta

NOTE_NO_EMULATION = 5

pytestmark = pytest.mark.usefixtures("perf_allowed")


@pytest.fixture
def emulating(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which samples strike, and no instruction has a recipe: nothing is delayed."""
    write_plan(tmp_path / "plan.bin", Plan((TierSpec("dram"), TierSpec("slow", "emulated", factor=2.0)), "slow"), {"slow": 1.0})
    write_recipes(tmp_path / "recipes.bin", RECIPES.empty_table())
    return {"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_RECIPES": str(tmp_path / "recipes.bin")}


def notes_of(raw: Path) -> list[str]:
    """The notes about emulation, of all processes."""
    return [note.text for path in sorted(raw.glob("meta.*.bin")) for note in read_meta(path).notes if note.code == NOTE_NO_EMULATION]


@pytest.mark.parametrize(
    "program",
    [
        "signal_queries",
        "signal_handlers",
        "signal_deaths",
        "signal_inherit",
        "signal_waits",
        "signal_pending",
        "signal_descriptor",
        "signal_traced",
        "place_system_calls",
        "place_seccomp",
    ],
)
def test_a_program_does_the_same_with_samples_and_without(
    program: str, emulating: Mapping[str, str], compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    # GIVEN what the program does alone
    path = compile_program(program)
    alone = subprocess.run([str(path)], capture_output=True, check=False, timeout=60)
    if alone.returncode == 77:
        pytest.skip("this kernel has no seccomp filters")
    # WHEN samples strike it
    run = run_shim(path, env=emulating)
    # THEN it does the same
    assert (run.completed.returncode, run.completed.stdout, run.completed.stderr) == (alone.returncode, alone.stdout, alone.stderr)
    # and samples did strike, unless it is over too soon
    assert program == "signal_queries" or total(counters_of(run.raw), "emul_signals") > 0


def test_a_program_that_takes_sigtrap_from_a_descriptor_ends_emulation(
    emulating: Mapping[str, str], compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    run = run_shim(compile_program("signal_descriptor"), env=emulating)
    assert notes_of(run.raw) == ["no more delay: the program takes SIGTRAP from a signalfd"]


def test_a_program_that_has_itself_traced_ends_emulation_and_so_does_being_traced(
    emulating: Mapping[str, str], compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    run = run_shim(compile_program("signal_traced"), env=emulating)
    # THEN each child says so that lets itself be traced, and what is executed in the second finds that it is
    assert sorted(notes_of(run.raw)) == [
        "no delay in emulated tiers: a debugger traces this process, and would stop at each sample",
        "no more delay: a debugger traces this process",
        "no more delay: a debugger traces this process",
    ]


def test_a_filter_that_kills_is_not_provoked(
    emulating: Mapping[str, str], compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    # GIVEN a program that has perf_event_open answered by death once it has started
    run = run_shim(compile_program("place_seccomp"), env=emulating)
    if run.completed.returncode == 77:
        pytest.skip("this kernel has no seccomp filters")
    # THEN its forked child lives, without delay, and a note says why
    assert run.completed.stdout == b"child exit 5\n"
    assert notes_of(run.raw) == ["no delay in emulated tiers of a forked child: a seccomp filter has come since the program started"]
