"""`tierprof where` of a running program and of a finished one."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tierprof.cli import main

MIB = 1 << 20
SIZE = 6 * MIB


@pytest.fixture
def waiting(tmp_path: Path, compile_program: Callable[..., Path]) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A program under a plan that sends all to a folder; it has touched half of its array, and waits for a line."""
    memory = tmp_path / "memory"
    memory.mkdir()
    trace, program = tmp_path / "trace", compile_program("where_waits")
    options = ["-q", "-o", str(trace), "--source", "none", "--tier", f"slow=pmem:{memory}"]
    command = [sys.executable, "-P", "-m", "tierprof", "run", *options, "--", str(program), str(SIZE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, trace


def the_array(capsys: pytest.CaptureFixture[str]) -> dict:
    objects = json.loads(capsys.readouterr().out)["objects"]
    (found,) = [own for own in objects if own["peak_bytes"] == SIZE]
    return found


def test_a_program_is_asked_about_while_it_runs_and_after_it(
    waiting: tuple[subprocess.Popen, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a program that tells its process number and waits
    process, trace = waiting
    assert process.stdout is not None
    assert process.stdin is not None
    pid = process.stdout.readline().strip()
    # WHEN it is asked about, and goes on to its end, and is asked about again
    assert main(["where", pid, "--json"]) == 0
    during = the_array(capsys)
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert main(["where", str(trace), "--json"]) == 0
    after = the_array(capsys)
    # THEN half of it is in the folder and half nowhere, both times; it is where it was planned
    for found in (during, after):
        assert (found["planned"], found["tier"], found["as_planned"]) == ("slow", "slow", True)
        assert found["absent_bytes"] == pytest.approx(SIZE / 2, abs=0.1 * SIZE)
        assert found["found_bytes"] + found["absent_bytes"] == pytest.approx(SIZE, abs=2)
        assert found["astray_bytes"] == 0
        assert found["reason"].endswith("never touched, or given back")
    # AND people can read it
    assert main(["where", str(trace)]) == 0
    assert "every object is where it was planned" in capsys.readouterr().out
    # AND the process that has ended is one line
    assert main(["where", pid]) == 1
    assert "there is no such process" in capsys.readouterr().err


def test_a_process_without_a_plan_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert main(["where", str(process.pid)]) == 1
        process.kill()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "it does not run under a plan" in err


def test_a_trace_without_a_plan_is_one_line(make_trace, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    trace = make_trace("run", [{"peak_bytes": 4096, "stall_s": 1.0}])
    assert main(["where", str(trace.path)]) == 1
    assert "its run was under no plan" in capsys.readouterr().err
