"""Criticality by intervention: the program runs with one object in the slow tier and all others in the fast one, again and again.

The configurations are `none` (everything fast), `all` (everything slow) and one for each object. A round runs every configuration once, in
an order drawn anew from the recorded seed, so that a slow drift of the machine falls on all alike. All runs carry the same machinery (shim,
plan, and delay injection where the slow tier is emulated), so that its own cost cancels.

Early stop: from the third round on, a configuration whose interval is tight takes no further part; half its width is then at most 1 % of
the run, or a tenth of the cost itself. When all are tight, or after the last round, the measurement ends. Finished runs are kept in the
trace (runlog.py), so that an interrupted measurement goes on where it stopped, with the same orders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tierprof.base.errors import CommandError
from tierprof.base.schema import CRITICALITY
from tierprof.models.bootstrap import Interval, difference_interval, median_interval
from tierprof.placer.pack import peak_bytes, trace_demand
from tierprof.placer.planned_run import PlannedRun
from tierprof.placer.runlog import ALL, NONE, FinishedRun, RunLog
from tierprof.profiler.trace import Trace

#: An interval is tight when half its width is at most this share of the run's time ...
TIGHT_OF_RUN = 0.01
#: ... or this share of the cost itself.
TIGHT_OF_COST = 0.10


@dataclass(frozen=True)
class MeasureSettings:
    """How to measure.

    Attributes
    ----------
    fast, slow
        The tiers' specifications in words (`dram`, `emulated:2.5`), for the table.
    repeats, least_repeats
        Rounds at most, and before anything can be tight.
    seed
        Of the orders.
    """

    fast: str
    slow: str
    repeats: int = 7
    least_repeats: int = 3
    seed: int = 0

    @property
    def source(self) -> str:
        """The name of this truth, as labels carry it."""
        return f"intervention {self.slow}"


def run_configurations(
    keys: Sequence[str],
    settings: MeasureSettings,
    log: RunLog,
    *,
    expected_status: int,
    run_one: Callable[[str], PlannedRun],
    on_run: Callable[[str | None], None] = lambda problem: None,
) -> bool:
    """Run until all configurations are tight or the rounds are over, keeping each finished run in the log.

    Parameters
    ----------
    keys
        The objects' site keys.
    expected_status
        Exit status of the profiled run; a run that ends otherwise is not kept, and its object is given up.
    run_one
        Runs the program with `none`, `all` or one key in the slow tier.
    on_run
        Called after each run, with a line in words if it failed.

    Returns
    -------
    bool
        Whether every run ended as the profiled one did.

    Raises
    ------
    CommandError
        If a run with none or all objects in the slow tier fails: then nothing can be measured.
    """
    failed: set[str] = set()
    for configuration, number in _pending(keys, settings, log, failed):
        run = run_one(configuration)
        if run.exit_status == expected_status:
            finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            times = (run.wall_s, run.cpu_s)
            log.append(FinishedRun(log.conditions, configuration, number, run.exit_status, *times, run.slow_allocations > 0, finished_at))
            on_run(None)
            continue
        why = f"it ended with status {run.exit_status}, and with {expected_status} when it was profiled"
        if configuration in (NONE, ALL):
            raise CommandError(
                f"the program cannot be measured with {configuration} of its objects in {settings.slow}", why, "see its output"
            )
        failed.add(configuration)
        on_run(f"object {configuration} is left unmeasured: with it in {settings.slow}, {why}")
    return not failed


def _pending(keys: Sequence[str], settings: MeasureSettings, log: RunLog, failed: set[str]) -> Iterator[tuple[str, int]]:
    """What to run next. Depends on nothing but the log and the seed, so a resumed measurement takes the same course."""
    configurations = [NONE, ALL, *keys]
    for number in range(settings.repeats):
        wide = wide_configurations(log.frame(before_round=number), configurations, settings)
        order = np.random.default_rng([settings.seed, number]).permutation(len(configurations))
        if not wide - failed:
            return
        for place in order:
            configuration = configurations[place]
            if configuration in wide - failed and (configuration, number) not in log:
                yield configuration, number


def wide_configurations(runs: pd.DataFrame, configurations: Sequence[str], settings: MeasureSettings) -> set[str]:
    """Configurations whose interval is not tight yet; `none`, which all others are compared with, is among them while any is."""
    times = {configuration: own["cpu_s"].to_numpy() for configuration, own in runs.groupby("configuration")}
    none_s = times.get(NONE, np.empty(0))
    wide = set()
    for configuration in configurations:
        own = times.get(configuration, np.empty(0))
        if min(len(own), len(none_s)) < settings.least_repeats:
            wide.add(configuration)
            continue
        cost = median_interval(own) if configuration == NONE else difference_interval(own, none_s)
        of_cost = 0.0 if configuration == NONE else TIGHT_OF_COST * abs(cost.value)
        if cost.half_width > max(TIGHT_OF_RUN * float(np.median(none_s)), of_cost):
            wide.add(configuration)
    return wide | {NONE} if wide else wide


def criticality_table(runs: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """Rows of base/schema.CRITICALITY: `none`, `all`, then every object that was ever run under these conditions, costliest first."""
    groups = dict(list(runs.groupby("configuration")))
    none = groups[NONE]
    rows = []
    for configuration, own in groups.items():
        absolute = configuration in (NONE, ALL)
        row: dict[str, object] = {
            "key": "" if absolute else configuration,
            "what": configuration if absolute else "object",
            "fast": settings.fast,
            "slow": settings.slow,
            "source": settings.source,
            "repeats": len(own),
            "met": configuration == NONE or bool(own["met"].any()),
        }
        for column in ("wall_s", "cpu_s"):
            interval = median_interval(own[column]) if absolute else difference_interval(own[column], none[column])
            row.update(zip(_interval_columns(column), interval, strict=True))
        rows.append(row)
    table = pd.DataFrame(rows, columns=CRITICALITY.names)
    order = np.lexsort((-table["cpu_s"].to_numpy(), table["what"].map({NONE: 0, ALL: 1, "object": 2}).to_numpy()))
    return table.iloc[order].reset_index(drop=True)


def _interval_columns(column: str) -> tuple[str, str, str]:
    stem = column.removesuffix("_s")
    return f"{stem}_s", f"{stem}_low_s", f"{stem}_high_s"


def keep_criticality(trace: Trace, table: pd.DataFrame) -> None:
    """Write the table into the trace, beside rows that other pairs of tiers left there, and the objects' joint peak into its meta."""
    if trace.has("criticality"):
        kept = trace.frame("criticality")
        table = pd.concat([kept[~kept["source"].isin(table["source"])], table], ignore_index=True)
    trace.write("criticality", table)
    trace.meta["peak_bytes"] = peak_bytes(trace, trace_demand(trace))
    trace.write_meta()


def interval_of(row: pd.Series, column: str) -> Interval:
    """The interval in a row of criticality: `cpu_s` or `wall_s`."""
    return Interval(*(float(row[name]) for name in _interval_columns(column)))
