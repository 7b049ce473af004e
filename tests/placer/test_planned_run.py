"""One run under a plan."""

import os
from pathlib import Path

import pytest

from tierprof.base.errors import CommandError
from tierprof.placer.plan import Plan
from tierprof.placer.planned_run import run_under_plan
from tierprof.placer.tiers import parse_tier


def test_a_signal_for_tierprof_ends_the_program_and_the_measurement(tmp_path: Path) -> None:
    # GIVEN a program during whose run somebody ends tierprof
    plan = Plan((parse_tier("dram"), parse_tier(f"slow=pmem:{tmp_path}")), "dram")
    command = ["/bin/sh", "-c", f"kill -TERM {os.getpid()}; while :; do sleep 1; done"]
    # THEN the program gets the signal, and what it makes of it is told as no result of the plan's
    with pytest.raises(CommandError, match="the runs were stopped: SIGTERM arrived"):
        run_under_plan(command, plan, None)


def test_a_run_tells_its_status_its_times_and_what_the_slow_tier_served(tmp_path: Path) -> None:
    plan = Plan((parse_tier("dram"), parse_tier(f"slow=pmem:{tmp_path}")), "slow")
    run = run_under_plan(["/bin/sh", "-c", "exit 3"], plan, None)
    assert run.exit_status == 3
    assert run.cpu_s > 0
    assert run.wall_s > 0
    assert run.slow_allocations >= 0
