"""Fixtures of the verbs' tests: a real program of two objects, profiled and measured once for all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.cli import main
from tierprof.profiler.trace import Trace

CompileProgram = Callable[..., Path]


@pytest.fixture(scope="session")
def profiled(compile_program: CompileProgram, perf_allowed: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trace]:
    """The program, and its trace."""
    program = compile_program("place_two_arrays")
    path = tmp_path_factory.mktemp("measured") / "two.trace"
    assert main(["run", "-q", "--rate", "1000", "-o", str(path), "--", str(program)]) == 0
    return program, Trace.open(path)


@pytest.fixture(scope="session")
def measured(profiled: tuple[Path, Trace]) -> tuple[Path, Trace]:
    """The same, measured."""
    program, trace = profiled
    assert main(["measure", str(trace.path), "--objects", "2", "--repeat", "1", "--json", "--", str(program)]) == 0
    return program, trace
