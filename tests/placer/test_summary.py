"""The lines that a run under a plan ends with."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tierprof.placer.decisions import append_decision
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.summary import decision_lines, difference_lines, summary_lines
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.trace import Trace

MIB = 1 << 20


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([("a", "dram", True), ("b", None, True)], []),
        ([("a", "dram", True), ("a", "slow", False)], ["1 object was not where it was planned"]),
        (
            [("a", "slow", False), ("b", "slow", False), ("c", None, False)],
            ["2 objects were not where they were planned", "1 object of the plan was not met"],
        ),
        ([("a", None, False), ("b", None, False)], ["2 objects of the plan were not met"]),
    ],
)
def test_differences_are_counted_by_object(rows: list[tuple[str, str | None, bool]], lines: list[str]) -> None:
    assert difference_lines(pd.DataFrame(rows, columns=["site", "tier", "as_planned"])) == lines


def test_a_run_says_what_each_tier_held(tmp_path: Path, compile_program: Callable[..., Path]) -> None:
    # GIVEN a program of two sites of six arrays, and a plan with room for two of one
    command = [str(compile_program("place_sites")), "6"]
    assert session.run(command, tmp_path / "first.trace", LaunchOptions(source="none")).exit_status == 0
    objects = Trace.open(tmp_path / "first.trace").objects()
    (left, right) = objects.loc[objects["largest_bytes"] == MIB].sort_values("site")["key"]
    memory = tmp_path / "memory"
    memory.mkdir()
    slow = TierSpec("slow", "pmem", folder=memory, capacity_bytes=2 * MIB)
    rows = PlannedObject(left, "slow", "left", bytes=6 * MIB), PlannedObject(right, "dram", "right", bytes=6 * MIB)
    plan = Plan((TierSpec("dram"), slow), "dram", (*rows, PlannedObject("f" * 32, "slow", "gone", bytes=MIB)))
    # WHEN it runs under the plan
    options = LaunchOptions(source="none", env=enforcement_env(plan, tmp_path / "plan", None), tiers=("dram", "slow"))
    assert session.run(command, tmp_path / "second.trace", options).exit_status == 0
    trace = tmp_path / "second.trace"
    (trace / "plan.toml").write_bytes((tmp_path / "plan" / "plan.toml").read_bytes())
    # THEN it says so, exactly
    dram, slow_line, differences = summary_lines(Trace.open(trace))
    assert dram.startswith("dram (dram): 6.0MiB planned, ")
    assert slow_line == (
        f"slow (pmem:{memory}): 7.0MiB planned, 2.0MiB held at most, 100.0% of its pages found in place, 4.0MiB spilled to the next tier"
    )
    assert differences == (f"1 object was not where it was planned, 1 object of the plan was not met: `tierprof where {trace}` says why")


def test_a_run_without_a_plan_says_nothing(make_trace: Callable[..., Trace]) -> None:
    assert summary_lines(make_trace("run", [{"peak_bytes": 4096, "stall_s": 1.0}])) == []


def test_the_policy_is_told_in_one_line(tmp_path: Path) -> None:
    assert decision_lines(tmp_path) == ["the online policy moved nothing"]
    append_decision(tmp_path, {"moved_bytes": 3 * MIB})
    append_decision(tmp_path, {"moved_bytes": 0})
    assert decision_lines(tmp_path) == [f"the online policy moved 3.0MiB in 2 steps; {tmp_path / 'decisions.jsonl'} has the reason of each"]
