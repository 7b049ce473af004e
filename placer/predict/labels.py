"""Criticality by model, kept in the trace: every object alone in either tier, and the pairs that cost more, or less, together than apart.

The labels go into two tables of their own (`labels`, `interactions`), and as rows of `criticality` under the source ``model MACHINE``,
beside those of interventions, so that training reads one table whatever the truth was. Sources are never mixed: each row names its own,
and `tierprof train` asks which to take where a trace holds several.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.base.schema import CRITICALITY, INTERACTIONS, LABELS
from tierprof.placer.measure import keep_criticality
from tierprof.placer.predict.forecast import Anchors, Span
from tierprof.profiler.exact.layout import PSEUDO_OBJECTS
from tierprof.profiler.trace import Trace


def model_source(machine: str) -> str:
    """The name of this truth, as labels carry it."""
    return f"model {machine}"


class Labels(NamedTuple):
    """What a machine's model says of a trace's objects."""

    machine: str
    objects: pd.DataFrame  # columns of base/schema.LABELS, costliest first
    interactions: pd.DataFrame  # columns of base/schema.INTERACTIONS, strongest first


def make_labels(
    trace: Trace, machine: str, objects: NDArray[np.int64], anchors: Anchors, pairs: tuple[NDArray[np.int64], NDArray[np.float64]]
) -> Labels:
    """Gather the labels of a trace.

    Parameters
    ----------
    trace
        Of an exact run.
    machine
        Name of the machine that was modelled.
    objects
        (n,) as `Forecast.objects`.
    anchors
        Of those objects.
    pairs
        Objects (k,), and what two of them together in the slow tier cost beyond the sum of each alone, in seconds (k, k).
    """
    table = trace.objects().set_index("site")
    known = pd.Series(objects)
    labels = pd.DataFrame(
        {
            "machine": machine,
            "object": objects,
            "key": known.map(table["key"]).fillna(""),
            "name": known.map(table["name"]).fillna(known.map(PSEUDO_OBJECTS)),
            "peak_bytes": known.map(table["peak_bytes"]).fillna(0).astype(np.int64),
            "all_fast_s": anchors.all_fast_s,
            "all_slow_s": anchors.all_slow_s,
            "alone_slow_s": anchors.alone_slow_s,
            "alone_fast_s": anchors.alone_fast_s,
        }
    )
    labels = labels.sort_values(["alone_slow_s", "peak_bytes"], ascending=[False, False], kind="stable", ignore_index=True)
    return Labels(machine, labels[LABELS.names], _interactions(machine, labels.set_index("object"), *pairs))


def _interactions(machine: str, labels: pd.DataFrame, objects: NDArray[np.int64], extra_s: NDArray[np.float64]) -> pd.DataFrame:
    first, second = np.triu_indices(len(objects), 1)
    frame = pd.DataFrame({"machine": machine, "object": objects[first], "other": objects[second], "extra_s": extra_s[first, second]})
    for column in ("object", "other"):
        frame[f"{column}_key"], frame[f"{column}_name"] = (frame[column].map(labels[name]) for name in ("key", "name"))
    frame = frame[frame["extra_s"] != 0.0]
    order = np.argsort(-frame["extra_s"].abs().to_numpy(), kind="stable")
    return frame.iloc[order].reset_index(drop=True)[INTERACTIONS.names]


def keep_labels(trace: Trace, labels: Labels, slowdown: Span, fast: str) -> int:
    """Write the labels into a trace: the one that they come from, or another run of the same program.

    Parameters
    ----------
    trace
        Objects are found by their sites' keys, which are the same in every run of a binary.
    labels
        From `make_labels`.
    slowdown
        Of everything in the slow tier over everything in the fast one; its interval is a sampled exact run's error.
    fast
        Name of the fast tier.

    Returns
    -------
    int
        How many objects got a label.

    Raises
    ------
    TraceError
        If the trace has none of the objects, or cannot be written to.
    """
    sites = trace.objects()[["site", "key"]]
    own = labels.objects.drop(columns="object").merge(sites, on="key", how="inner").rename(columns={"site": "object"})
    if own.empty:
        why = "it has none of the labelled objects"
        raise TraceError(f"trace {trace.path} cannot be labelled", why, "give a trace of the same program, built alike")
    try:
        _replace(trace, "labels", labels.machine, pd.concat([own, _without_site(labels.objects)], ignore_index=True)[LABELS.names])
        _replace(trace, "interactions", labels.machine, labels.interactions)
        keep_criticality(trace, criticality_rows(own, slowdown, fast, labels.machine))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise TraceError(f"trace {trace.path} cannot be labelled", why, "copy it to where you may write, or use --no-labels") from error
    return len(own)


def _without_site(labels: pd.DataFrame) -> pd.DataFrame:
    return labels[labels["key"] == ""]


def _replace(trace: Trace, name: str, machine: str, table: pd.DataFrame) -> None:
    """Write a table, beside what other machines left there."""
    if trace.has(name):
        kept = trace.frame(name)
        table = pd.concat([kept[kept["machine"] != machine], table], ignore_index=True)
    trace.write(name, table)


def criticality_rows(labels: pd.DataFrame, slowdown: Span, fast: str, machine: str) -> pd.DataFrame:
    """Rows of base/schema.CRITICALITY. The model knows one time, that of the run: it stands for wall and for CPU time.

    Intervals take the time with everything fast as it is, so that they are those of the slowdown; an object's cost has the same relative
    error as that of everything slow. Without sampling none has a width.
    """
    all_fast_s, all_slow_s = float(labels["all_fast_s"].iloc[0]), float(labels["all_slow_s"].iloc[0])
    half = (slowdown.high - slowdown.low) / 2
    error = half / (slowdown.value - 1.0) if slowdown.value > 1.0 else 0.0
    cost = labels["alone_slow_s"] - labels["all_fast_s"]
    rows = pd.DataFrame(
        {
            "key": ["", "", *labels["key"]],
            "what": ["none", "all", *["object"] * len(labels)],
            "cpu_s": [all_fast_s, all_slow_s, *cost],
            "cpu_low_s": [all_fast_s, all_slow_s - half * all_fast_s, *(cost - error * cost.abs())],
            "cpu_high_s": [all_fast_s, all_slow_s + half * all_fast_s, *(cost + error * cost.abs())],
        }
    )
    rows = rows.assign(fast=fast, slow=machine, source=model_source(machine), repeats=1, met=True)
    return rows.assign(wall_s=rows["cpu_s"], wall_low_s=rows["cpu_low_s"], wall_high_s=rows["cpu_high_s"])[CRITICALITY.names]
