"""Plans of Python programs that were edited since: sites are found by function and by the text of the line."""

import sys
from pathlib import Path

import pytest

from tierprof.placer.enforce import enforcement_env
from tierprof.placer.match import StackFrame, frames_by_site, made_without_python, match_plan
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.python_code import PythonToday
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.python_frames import PythonFrame
from tierprof.profiler.trace import Trace

MIB = 1 << 20

PROGRAM = """\
def left():
    return bytearray(3 << 20)

class Model:
    def __init__(self):
        size = 5 << 20
        self.weight = bytearray(size)

kept = left(), Model()
"""
# Lines above both functions, one inside the second, another in the module.
EDITED = """\
# A comment,
# and another.
def left():
    return bytearray(3 << 20)

class Model:
    def __init__(self):
        \"\"\"Now with a docstring.\"\"\"
        size = 5 << 20
        self.weight = bytearray(size)

print("edited")
kept = left(), Model()
"""


def record(program: Path, trace: Path) -> Trace:
    command = [sys.executable, "-I", "-S", str(program)]
    assert session.run(command, trace, LaunchOptions(source="none")).exit_status == 0
    return Trace.open(trace)


def large(trace: Trace) -> dict[int, tuple[int, str, str]]:
    """Site, key and name by MiB."""
    return {
        int(own.peak_bytes) // MIB: (int(own.site), str(own.key), str(own.name))
        for own in trace.objects().itertuples()
        if own.peak_bytes >= 3 * MIB
    }


@pytest.fixture
def traces(tmp_path: Path) -> tuple[Trace, Trace]:
    """Of the program before and after it was edited."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    before = record(program, tmp_path / "before.trace")
    program.write_text(EDITED)
    return before, record(program, tmp_path / "after.trace")


def plan_of(trace: Trace) -> Plan:
    frames = frames_by_site(trace.frame("stacks"))
    rows = [PlannedObject(key, "dram", name, frames=frames[site]) for site, key, name in large(trace).values()]
    return Plan((TierSpec("dram"),), "dram", tuple(rows))


def test_a_plan_survives_edits_of_the_program(traces: tuple[Trace, Trace]) -> None:
    # GIVEN a program that has grown lines since its plan was made, so that its keys have changed
    before, after = traces
    assert {size: name for size, (_, _, name) in large(before).items()} == {3: "program.py:2 in left", 5: "program.py:7 in __init__"}
    assert {size: name for size, (_, _, name) in large(after).items()} == {3: "program.py:4 in left", 5: "program.py:10 in __init__"}
    new_keys = {key for _, key, _ in large(after).values()}
    plan = plan_of(before)
    assert not {own.site for own in plan.objects} & new_keys
    # WHEN the plan is matched to the program as it is now
    match = match_plan(plan, Path(sys.executable))
    # THEN its sites have the keys that the program really has
    assert {own.site for own in match.plan.objects} == new_keys
    assert (len(match.anew), len(match.lost)) == (2, 0)


def test_a_plan_of_the_program_as_it_is_stays_as_it_is(traces: tuple[Trace, Trace]) -> None:
    plan = plan_of(traces[1])
    match = match_plan(plan, Path(sys.executable))
    assert (match.plan, match.anew, match.lost) == (plan, (), ())


def test_a_line_that_is_gone_is_not_matched(traces: tuple[Trace, Trace]) -> None:
    # GIVEN a plan, and a program in which the line that allocates reads otherwise today
    plan = plan_of(traces[1])
    program = Path(str(traces[1].meta["command"][-1]))
    program.write_text(EDITED.replace("bytearray(3 << 20)", "bytes(3 << 20)"))
    match = match_plan(plan, Path(sys.executable))
    # THEN its site is told to be lost, and the other is not
    assert [own.name for own in match.lost] == ["program.py:4 in left"]


@pytest.mark.parametrize(
    ("edited", "found"),
    [
        ("def f():\n    a = 1\n    a = 1\n", (1, 3)),  # both lines read the same: the same way into the function
        ("\ndef f():\n    a = 1\n    b = 2\n    a = 1\n", None),  # both do, and neither is as far in
        ("\n\ndef g():\n    def f():\n        a = 1\n", None),  # f is another function
        ("def f(:\n", None),  # no Python
    ],
)
def test_what_is_not_certain_is_not_found(tmp_path: Path, edited: str, found: tuple[int, int] | None) -> None:
    file = tmp_path / "f.py"
    file.write_text(edited)
    was = PythonFrame(str(file), 3, "f", 1)
    now = PythonToday().frame(was, "a = 1")
    assert (None if now is None else (now.first_line, now.line)) == found


def test_what_has_no_file_is_as_it_was() -> None:
    was = PythonFrame("<string>", 3, "f", 1)
    assert PythonToday().frame(was, "a = 1") == was


@pytest.mark.parametrize("source", ["", "x = f(1) # from 3: python"])
def test_a_frame_in_a_plan_can_be_read_again(source: str) -> None:
    frame = StackFrame("/a b/c.py", "python", 40, "A.f.<locals>.<lambda>", 2, 0, "/a b/c.py", 42, source)
    assert StackFrame.parse(frame.text) == frame
    assert frame.python == PythonFrame("/a b/c.py", 42, "A.f.<locals>.<lambda>", 40)


def test_a_plan_with_native_stacks_of_a_python_program_is_run_with_such_stacks(tmp_path: Path) -> None:
    loop = StackFrame("/usr/bin/python3", "ab", 7, "_PyEval_EvalFrameDefault", 3, 9).text
    line = StackFrame("/a.py", "python", 1, "f", 2, 0, "/a.py", 3).text

    def plan(*frames: str) -> Plan:
        return Plan((TierSpec("dram"),), "dram", (PlannedObject("0" * 32, "dram", "x", frames=frames),))

    assert made_without_python(plan(loop))
    assert enforcement_env(plan(loop), tmp_path, None)["TIERPROF_PYTHON"] == "0"
    assert not made_without_python(plan(line))
    assert "TIERPROF_PYTHON" not in enforcement_env(plan(line), tmp_path, None)
