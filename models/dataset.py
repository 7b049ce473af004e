"""From measured traces to what a ranker learns from: features of objects (X), their share of the all-slow loss (y), runs as groups.

Features are the numeric columns of the trace's objects; none is computed from a measurement. What grows with a run's length or size (bytes,
seconds, counts) is divided by the run's total, so that a model carries over to another scale.

The label of an object is what moving it alone to the slow tier costs, divided by what moving everything costs (the all-slow loss). A cost
is first shrunk by its own noise (`shrink`), so that an object whose cost cannot be told from zero counts as next to nothing. Each label
keeps its source. On the emulated tier it follows the sampler's own stall share.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import ModelError
from tierprof.profiler.exact.features import COLUMNS as EXACT_COLUMNS
from tierprof.profiler.trace import Trace

#: Numeric columns that are no features: identifiers mean nothing in another program, the next two say what `stall_s` says, and the rest
#: are counts of an exact run, which its model makes labels of: a label must not be computed from the features that predict it.
NO_FEATURES = ("site", "line", "first_touch_tid", "samples", "stall_share", *EXACT_COLUMNS)

#: Comes first, so that among equally good splits (without a hardware source, accesses are samples too) it is the one that is named.
_FIRST = "stall_s_of_run"

#: Columns that grow with the run, given as a share of the run's total under the name with `_of_run`.
EXTENSIVE = (
    "peak_bytes",
    "total_bytes",
    "largest_bytes",
    "allocations",
    "accesses",
    "stall_s",
    "faults",
    "kernel_s",
    "instructions",
)

_SIGMAS = 1.96  # half of a 95 % interval, in standard deviations

_INTERPRETERS = ("python", "perl", "ruby", "node", "java", "bash", "sh")


class Run(NamedTuple):
    """One measured run: a group of the ranking."""

    trace: Trace
    program: str
    source: str  # which truth: `intervention emulated:2.5`
    slow: str
    none_s: float  # CPU seconds with everything in the fast tier
    loss_s: float  # extra CPU seconds with everything in the slow tier
    stall_s: float  # sampled seconds of waiting on objects
    repeats: int


class Dataset(NamedTuple):
    """Objects of measured runs, one row each; `X`, `y`, `groups` and `objects` have the same rows."""

    X: pd.DataFrame
    y: NDArray[np.float64]  # (n,) share of the all-slow loss, at least 0
    groups: NDArray[np.int64]  # (n,) position in runs
    objects: pd.DataFrame  # the traces' own columns, with cost_s, cost_low_s, cost_high_s
    runs: list[Run]

    @property
    def programs(self) -> NDArray[np.str_]:
        """(n,) the program of each row."""
        return np.array([self.runs[group].program for group in self.groups], dtype=np.str_)


def program_name(meta: dict) -> str:
    """What a trace is a run of: its meta's `program`, else the command's own name (of a script or module, not of its interpreter)."""
    if meta.get("program"):
        return str(meta["program"])
    command = [str(word) for word in meta.get("command") or ["unknown"]]
    name = Path(command[0]).name
    if not name.rstrip("0123456789.").startswith(_INTERPRETERS):
        return name
    rest = command[1:]
    if "-m" in rest[:-1]:
        return rest[rest.index("-m") + 1].rsplit(".", 1)[-1]
    return next((Path(word).stem for word in rest if not word.startswith("-")), name)


def features(objects: pd.DataFrame) -> pd.DataFrame:
    """Feature columns (float64, one row an object) of a trace's objects table, which must hold all objects of its run."""
    numbers = objects.select_dtypes(include=["number", "bool"]).drop(columns=list(NO_FEATURES), errors="ignore").astype(np.float64)
    for column in EXTENSIVE:
        if column in numbers:
            total = numbers[column].sum()
            numbers[f"{column}_of_run"] = numbers.pop(column) / total if total > 0 else 0.0
    return numbers[sorted(numbers.columns, key=lambda column: (column != _FIRST, column))]


def label_source(traces: Sequence[Trace]) -> str:
    """The one source of all traces' labels.

    Raises
    ------
    ModelError
        If the traces were measured on different pairs of tiers: their costs are not comparable.
    """
    found = sorted({str(source) for trace in traces if trace.has("criticality") for source in trace.frame("criticality")["source"]})
    if len(found) > 1:
        raise ModelError("labels cannot be mixed", f"the traces hold {', '.join(found)}", "choose one with --source")
    if not found:
        raise ModelError("nothing to learn from", "no trace holds measured criticality", "run `tierprof measure TRACE -- CMD` first")
    return found[0]


def measured_costs(trace: Trace, source: str | None = None) -> pd.DataFrame:
    """The trace's criticality joined to its objects: all columns of objects, with cost_s, cost_low_s, cost_high_s (CPU seconds).

    An object that the measured runs never allocated is left out; so are sources other than `source`, if that is given.
    """
    table = trace.frame("criticality")
    if source is not None:
        table = table[table["source"] == source]
    table = table[(table["what"] == "object") & table["met"].astype(bool)]
    costs = table.rename(columns={"cpu_s": "cost_s", "cpu_low_s": "cost_low_s", "cpu_high_s": "cost_high_s"})
    return trace.objects().merge(costs[["key", "cost_s", "cost_low_s", "cost_high_s"]], on="key", how="inner")


def shrink(costs: pd.DataFrame) -> NDArray[np.float64]:
    """Costs (n,) times cost^2 / (cost^2 + sigma^2), with sigma from half the 95 % interval: the Wiener filter of a single value."""
    cost_s = costs["cost_s"].to_numpy(dtype=np.float64)
    sigma_s = (costs["cost_high_s"] - costs["cost_low_s"]).to_numpy(dtype=np.float64) / (2 * _SIGMAS)
    power = cost_s**2 + sigma_s**2
    return cost_s * np.divide(cost_s**2, power, out=np.zeros_like(power), where=power > 0)


def _run_of(trace: Trace, source: str) -> Run | None:
    """The run's totals; None if it was never measured from this source, or lost nothing measurable."""
    table = trace.frame("criticality")
    table = table[table["source"] == source].set_index("what")
    if not {"none", "all"} <= set(table.index):
        return None
    none, everything = table.loc["none"], table.loc["all"]
    loss_s = float(everything["cpu_s"] - none["cpu_s"])
    if everything["cpu_low_s"] <= none["cpu_high_s"] or loss_s <= 0:
        return None
    stall_s = float(trace.objects()["stall_s"].sum())
    return Run(trace, program_name(trace.meta), source, str(none["slow"]), float(none["cpu_s"]), loss_s, stall_s, int(none["repeats"]))


def load_dataset(traces: Sequence[Trace], source: str | None = None, leave_out: Collection[str] = ()) -> Dataset:
    """Gather features and labels of all measured objects.

    Parameters
    ----------
    traces
        Traces; those without criticality from `source`, or where everything slow costs nothing measurable, are left out.
    source
        Which labels to take; by default the only one there is.
    leave_out
        Programs whose traces are not used.

    Raises
    ------
    ModelError
        If no trace has labels, or if several sources would be mixed.
    """
    traces = [trace for trace in traces if program_name(trace.meta) not in leave_out]
    source = source or label_source(traces)
    frames, tables, labels, groups = [], [], [], []
    runs: list[Run] = []
    for trace in traces:
        run = _run_of(trace, source) if trace.has("criticality") else None
        if run is None:
            continue
        everything = trace.objects()
        costs = measured_costs(trace, source)
        matrix = features(everything).set_index(everything["key"]).loc[costs["key"]]
        frames.append(matrix)
        tables.append(costs)
        labels.append(np.clip(shrink(costs) / run.loss_s, 0.0, 1.0))
        groups.append(np.full(len(costs), len(runs), dtype=np.int64))
        runs.append(run)
    if not runs:
        why = f"no trace holds criticality from '{source}' with a loss that can be told from zero"
        raise ModelError("nothing to learn from", why, "measure with more repeats, or a larger input")
    X = pd.concat(frames, ignore_index=True)
    return Dataset(X, np.concatenate(labels), np.concatenate(groups), pd.concat(tables, ignore_index=True), runs)
