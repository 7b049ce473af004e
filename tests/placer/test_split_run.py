"""From samples to a split that was kept: a table is profiled, placed, and run under the plan."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.cli import main
from tierprof.placer.achieved import objects_achieved
from tierprof.placer.plan import Plan
from tierprof.profiler.trace import Trace

MIB = 1 << 20


def test_the_hot_range_of_a_table_is_found_placed_and_kept(
    tmp_path: Path, compile_program: Callable[..., Path], perf_allowed: None, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [str(compile_program("hot_range")), "6000000"]
    (tmp_path / "memory").mkdir()
    # GIVEN a profile of a program that waits for 8 of a table's 64 MiB, and too little fast memory for the table
    assert main(["run", "--rate", "1000", "-o", str(tmp_path / "a.trace"), "--", *command]) == 0
    alone = capfd.readouterr().out
    slow = f"slow=pmem:{tmp_path / 'memory'}"
    words = ["place", str(tmp_path / "a.trace"), "--budget", "dram=12MiB", "--tier", slow, "-o", str(tmp_path / "a.plan"), "--json"]
    assert main(words) == 0
    facts = json.loads(capfd.readouterr().out)
    # WHEN it is placed: the plan has the hot range in fast memory, and says what that is worth
    plan = Plan.load(tmp_path / "a.plan")
    (table,) = [own for own in plan.objects if own.parts]
    hot = sum(max(min(part.end or 0, 32 * MIB) - max(part.start, 24 * MIB), 0) for part in table.parts)
    assert hot >= 7 * MIB
    assert sum((part.end or 0) - part.start for part in table.parts) <= 12 * MIB
    assert 0.7 < facts["split"]["share"] <= facts["split"]["bound_share"]
    assert facts["split"]["whole_share"] < 0.1
    # THEN a run under the plan prints the same, and every range was where it belongs
    assert main(["run", "--source", "none", "--plan", str(tmp_path / "a.plan"), "-o", str(tmp_path / "b.trace"), "--", *command]) == 0
    assert capfd.readouterr().out == alone
    achieved = objects_achieved(Trace.open(tmp_path / "b.trace"), plan)
    rows = achieved[achieved["site"] == table.site].set_index("tier")
    assert rows["as_planned"].all()
    assert rows["peak_bytes"].sum() == 64 * MIB
    assert rows.loc["dram", "peak_bytes"] == sum((part.end or 0) - part.start for part in table.parts)
