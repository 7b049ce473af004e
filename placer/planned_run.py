"""One timed run of a program under a plan, with what the shim counted: what measuring and verifying are made of."""

import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tierprof.base.errors import CommandError
from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.baseline_plans import all_slow
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.runlog import ALL, NONE
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.launch import LaunchOptions, LaunchResult, launch
from tierprof.profiler.trace import Trace

#: Allocations are counted, not listed: the shim's own cost is the same in every run, and as small as it can be.
_RECORD_BYTES = 1 << 20


class PlannedRun(NamedTuple):
    """How a run under a plan went."""

    exit_status: int
    wall_s: float
    cpu_s: float  # user and system
    slow_allocations: int  # that the last tier served


def run_under_plan(command: Sequence[str], plan: Plan, recipes: pa.Table | None) -> PlannedRun:
    """Run the program once under the plan, unsampled; what it prints on standard output is discarded.

    Parameters
    ----------
    command
        Program and arguments.
    plan
        Where its objects go.
    recipes
        The trace's recipes, for an emulated tier.
    """
    folder = Path(tempfile.mkdtemp(prefix="tierprof-"))
    try:
        environment = enforcement_env(plan, folder, recipes)
        options = LaunchOptions(source="none", env=environment, small_period_bytes=0, max_trace_bytes=_RECORD_BYTES, discard_stdout=True)
        result = launch(list(command), folder / "raw", options)
        check_not_stopped(result)
        served = tiers_achieved(counters_of(folder / "raw"), plan).set_index("tier")["allocations"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return PlannedRun(result.exit_status, result.wall_s, result.user_s + result.system_s, int(served[plan.tiers[-1].name]))


def run_without_plan(command: Sequence[str]) -> PlannedRun:
    """Run the program once as the system alone would: no shim, no plan, unsampled; standard output is discarded."""
    folder = Path(tempfile.mkdtemp(prefix="tierprof-"))
    try:
        result = launch(list(command), folder / "raw", LaunchOptions(source="none", preload=False, discard_stdout=True))
        check_not_stopped(result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return PlannedRun(result.exit_status, result.wall_s, result.user_s + result.system_s, 0)


def check_not_stopped(result: LaunchResult) -> None:
    """Raise if a signal asked for an end of it all: what the program made of the signal is no measurement.

    Raises
    ------
    CommandError
        If this process got a signal while the program ran.
    """
    if result.signal_received:
        name = signal.Signals(result.signal_received).name
        raise CommandError("the runs were stopped", f"{name} arrived", "give the same command again (measure goes on where it stopped)")


class InterventionRunner:
    """Runs a program with `none`, `all` or one of its objects in the slow tier.

    Parameters
    ----------
    trace
        The program's trace; its recipes serve an emulated tier.
    command
        Program and arguments.
    fast, slow
        The tiers.
    """

    def __init__(self, trace: Trace, command: Sequence[str], fast: TierSpec, slow: TierSpec) -> None:
        self._command = command
        self._fast, self._slow = fast, slow
        self._provenance = {"trace": str(trace.path.absolute())}
        self._recipes = trace.table("recipes") if slow.kind == "emulated" and trace.has("recipes") else None

    def plan(self, configuration: str) -> Plan:
        """The plan of a configuration: `none`, `all` or a site key."""
        if configuration == ALL:
            return all_slow(self._fast, self._slow, self._provenance)
        moved = () if configuration == NONE else (PlannedObject(configuration, self._slow.name),)
        return Plan((self._fast, self._slow), self._fast.name, moved, self._provenance)

    def __call__(self, configuration: str) -> PlannedRun:
        """Run the program once."""
        return run_under_plan(self._command, self.plan(configuration), self._recipes)
