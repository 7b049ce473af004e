"""Compare two traces: what became of each object's share, size and allocations.

Objects are matched by site key, which is the same in every run of the same binaries; objects of only one trace are listed with a dash
on the other side, as after a rebuild. Shares of an exact trace are the model's (see `tierprof objects --help`).
"""

import argparse
from pathlib import Path

import pandas as pd

from tierprof.base.units import format_bytes, format_seconds, format_share
from tierprof.console import emit_json, table
from tierprof.exact_objects import exact_objects
from tierprof.profiler.trace import Trace

COLUMNS = ("stall_share", "peak_bytes", "allocations")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("before", type=Path, metavar="TRACE", help="the trace to start from")
    parser.add_argument("after", type=Path, metavar="TRACE", help="the trace to hold against it")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show, largest change of share first (default 20)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def match_objects(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Join two object tables by site key.

    Returns
    -------
    DataFrame
        One row a site of either trace, with `COLUMNS` of both sides (suffixes ``_before`` and ``_after``, NaN where absent) and
        ``share_change``; largest absolute change first.
    """
    kept = ["key", "name", *COLUMNS]
    both = before[kept].merge(after[kept], on="key", how="outer", suffixes=("_before", "_after"))
    both["name"] = both["name_after"].fillna(both["name_before"])
    both["share_change"] = both["stall_share_after"].fillna(0.0) - both["stall_share_before"].fillna(0.0)
    order = both["share_change"].abs().sort_values(ascending=False, kind="stable").index
    return both.loc[order].drop(columns=["name_before", "name_after"]).reset_index(drop=True)


def _side(row: pd.Series, column: str, side: str) -> str:
    value = row[f"{column}_{side}"]
    if pd.isna(value):
        return "-"
    return {"stall_share": format_share, "peak_bytes": format_bytes}.get(column, lambda count: f"{int(count)}")(value)


def execute(args: argparse.Namespace) -> int:
    """Print the comparison."""
    traces = [Trace.open(args.before), Trace.open(args.after)]
    both = match_objects(*(_objects(trace) for trace in traces))
    runs = {
        side: {key: trace.meta.get(key) for key in ("command", "source", "samples", "duration_s", "user_s", "system_s")}
        for side, trace in zip(("before", "after"), traces, strict=True)
    }
    if args.json:
        emit_json({**runs, "objects": both.astype(object).where(both.notna(), None).to_dict("records")})
        return 0
    table("runs", ["", "before", "after"], [_run_row(key, runs) for key in ("source", "duration_s", "user_s", "system_s", "samples")])
    heads = ["object", "share before", "after", "change", "peak before", "after", "allocations before", "after"]
    rows = [
        [
            row["name"],
            _side(row, "stall_share", "before"),
            _side(row, "stall_share", "after"),
            f"{100 * row['share_change']:+.1f}",
            *(_side(row, column, side) for column in COLUMNS[1:] for side in ("before", "after")),
        ]
        for _, row in both.head(args.top).iterrows()
    ]
    table("objects, largest change of stall share first", heads, rows)
    return 0


def _objects(trace: Trace) -> pd.DataFrame:
    """The trace's objects; those of an exact run with the model's shares, as nothing was sampled."""
    return exact_objects(trace).objects if "exact" in trace.meta else trace.objects()


def _run_row(key: str, runs: dict[str, dict]) -> list[str]:
    values = [runs[side][key] for side in ("before", "after")]
    shown = ["-" if v is None else format_seconds(v) if key.endswith("_s") else str(v) for v in values]
    return [key.removesuffix("_s"), *shown]
