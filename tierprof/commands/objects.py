"""The objects of a trace: what the program allocated, and what it waited for, hottest first.

Shares are of the run's sampled time. Kernel time is an estimate: the time that the run spent in the kernel, split by page faults. An
object is all the memory that one allocation site hands out.

Of an exact trace it shows what was counted, and what the model makes of it: the share of an object is what it alone adds to the run time
when it is in the machine's slow tier, as part of the time of a run with everything there.

With --rows it shows what is inside the large ones: what share of a table's rows takes the accesses, how much of them a split by page
catches as the rows lie, and how much if they were sorted by heat.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from tierprof.base.units import format_bytes, format_seconds, format_share, parse_size_bytes
from tierprof.console import emit_json, say, table
from tierprof.exact_objects import exact_objects, exact_summary, print_exact
from tierprof.object_rows import show_rows
from tierprof.profiler.tensors.held import tensors_of_sites
from tierprof.profiler.trace import Trace

SORTS = {
    "stall": "stall_s",
    "density": "stall_density",
    "size": "peak_bytes",
    "total": "total_bytes",
    "allocations": "allocations",
    "kernel": "kernel_s",
    "lifetime": "lifetime_s",
}
_JSON_COLUMNS = ("peak_bytes", "allocations", "samples", "stall_share", "confidence")
_HEADS = ("object", "kind", "stall", "share", "per GiB", "peak", "allocations", "kernel", "touched", "writes", "confidence", "site")
_KEY_LETTERS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the folder that `tierprof run` made")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show (default 20; 0: all)")
    parser.add_argument("--sort", choices=list(SORTS), default="stall", help="what comes first (default stall)")
    parser.add_argument(
        "--rows",
        nargs="?",
        const="",
        metavar="SITE",
        help="show what share of the rows of each table is hot; SITE: of those whose name has this in it, or whose site begins so",
    )
    parser.add_argument("--row-bytes", type=parse_size_bytes, metavar="SIZE", help="with --rows: a row's size where no tensor tells it")
    parser.add_argument("--json", action="store_true", help="all objects, exactly, as JSON")


def sorted_objects(objects: pd.DataFrame, by: str) -> pd.DataFrame:
    """The objects, largest of a `SORTS` column first; among equals the larger, then by key."""
    return objects.sort_values([SORTS[by], "peak_bytes", "key"], ascending=[False, False, True], kind="stable", ignore_index=True)


def summary(trace: Trace, objects: pd.DataFrame) -> dict[str, Any]:
    """What `--json` prints."""
    shares = trace.meta.get("shares", {})
    tensors = tensors_of_sites(trace)
    rows = [
        {"site": row["key"], "name": row["name"], **{c: row[c] for c in _JSON_COLUMNS}, "tensors": tensors.get(row["site"], [])}
        for row in objects.to_dict("records")
    ]
    return {
        **{key: trace.meta.get(key) for key in ("source", "samples", "duration_s", "overhead_s")},
        "attributed_share": sum(shares.get(name, 0.0) for name in ("object", "stack", "static")),
        "runtime_wait_share": shares.get("runtime", 0.0),
        "compute_share": shares.get("compute", 0.0),
        "objects": rows,
    }


def execute(args: argparse.Namespace) -> int:
    """Print the table and, below it, where the sampled time went."""
    trace = Trace.open(args.trace)
    if args.rows is not None:
        show_rows(trace, args.rows, args.row_bytes, args.top, args.json)
        return 0
    if "exact" in trace.meta:
        return _execute_exact(trace, args)
    objects = sorted_objects(trace.objects(), args.sort)
    if args.json:
        emit_json(summary(trace, objects))
        return 0
    shown = objects.head(args.top) if args.top > 0 else objects
    rows = [_row(row) for row in shown.to_dict("records")]
    command = " ".join(trace.meta.get("command", []))
    table(f"{len(shown)} of {len(objects)} objects of `{command}`, by {args.sort}", _HEADS, rows)
    say(_shares_line(trace))
    statics = [f"{entry['name']} ({entry['module']}) {format_share(entry['share'])}" for entry in trace.meta.get("statics", [])]
    if statics:
        say(f"static data: {', '.join(statics)}")
    for entry in trace.meta.get("notes", []):
        say(f"note: {entry['text']}")
    return 0


def _execute_exact(trace: Trace, args: argparse.Namespace) -> int:
    modelled = exact_objects(trace)
    ranked = modelled._replace(objects=sorted_objects(modelled.objects, args.sort))
    if args.json:
        emit_json(exact_summary(trace, ranked))
    else:
        print_exact(trace, ranked, args.top)
    return 0


def _row(row: dict[str, Any]) -> list[str]:
    touched = format_share(row["touched_share"]) if row["faults"] or row["samples"] else "-"
    sampled = row["samples"] > 0
    return [
        row["name"],
        row["kind"],
        format_seconds(row["stall_s"]),
        format_share(row["stall_share"]),
        format_share(row["stall_density"]),
        format_bytes(row["peak_bytes"]),
        str(row["allocations"]),
        format_seconds(row["kernel_s"]),
        touched,
        format_share(row["write_share"]) if sampled else "-",
        f"{row['confidence']:.2f}" if sampled else "-",
        row["key"][:_KEY_LETTERS],
    ]


def _shares_line(trace: Trace) -> str:
    meta = trace.meta
    times = {"": "duration_s", "user ": "user_s", "kernel ": "system_s"}
    run = ", ".join(f"{word}{format_seconds(meta.get(key, 0.0))}" for word, key in times.items())
    shares = meta.get("shares", {})
    if not any(shares.values()):
        return f"{run}; no samples of time (source {meta.get('source')}), so stalls are not known"
    words = {"object": "objects", "static": "static data", "runtime": "runtime wait"}
    parts = ", ".join(f"{words.get(name, name)} {format_share(share)}" for name, share in shares.items())
    return f"{run}; {meta['samples']} samples ({meta['source']}): {parts}"
