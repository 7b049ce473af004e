"""What share of a recommender's memory carries the name that its author gave it, checked against what the program itself knows?

Run `python benchmarks/tensor_names.py`; each program of `workloads.catalog.GNN` runs once under `tierprof run`, with `--tensors`: at the
end of training it writes name, address and size of each of its tensors, and the line that made what no module owns. At that moment every
live allocation is one of four:

- known: the program wrote it down. It is right if the trace calls it exactly so; of what no module owns, if the line on which the program
  took it in hand is among the Python lines of its site. It is wrong otherwise, also where a line says truly who made it, elsewhere.
- line: the program did not write it down, but the trace has a line of the program's own for it.
- pool: what an allocator (CPython's own) maps for many small objects.
- nameless: anything else; mostly what importing libraries takes, the same at every size of the problem.

Printed are bytes, the share of known ones that are right, and the share of all but pools that are right or have a line. "ever": the share
of all bytes that were ever allocated, pools apart, whose name is a tensor's or a line of the program's.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tierprof.base.units import format_bytes, format_share
from tierprof.console import emit_json, note, say, table
from tierprof.profiler import session
from tierprof.profiler.join import IntervalIndex, never
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.tensors.tree import common_name
from tierprof.profiler.trace import Trace
from tierprof.workloads.catalog import GNN, Learner

_TARGET = 0.9
_HEADS = ["program", "live", "pools", "known", "known and right", "wrong", "line", "nameless", "right or line", "ever"]


def main() -> None:
    """Print the table, and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="one program")
    parser.add_argument("--tiny", action="store_true", help="at the sizes of the tests")
    parser.add_argument("--wrong", type=int, default=5, metavar="N", help="names to show of those that are wrong or missing (default 5)")
    parser.add_argument("--json", action="store_true", help="exactly, as JSON")
    args = parser.parse_args()
    results = [measure(one, one.tiny if args.tiny else one.options) for one in GNN if args.only in (None, one.name)]
    if args.json:
        emit_json({"target": _TARGET, "programs": results})
        return
    table(
        f"memory that carries its user's name; known and right, to reach: {format_share(_TARGET)}", _HEADS, [_row(one) for one in results]
    )
    for one in results:
        for kind in ("wrong", "nameless"):
            for entry in one[f"{kind}_most"][: args.wrong]:
                say(f"{one['program']}: {kind}: {format_bytes(entry['bytes'])} {entry['found']} {entry['expected']}")


def measure(one: Learner, options: Mapping[str, str]) -> dict[str, Any]:
    """Run a program and compare."""
    with tempfile.TemporaryDirectory(prefix="tierprof-names-") as folder:
        facts_file = Path(folder) / "facts.jsonl"
        command = one.command(sys.executable, {**options, "tensors": str(facts_file)})
        launch = LaunchOptions(source="none", small_period_bytes=0, discard_stdout=True)
        result = session.run(command, Path(folder) / f"{one.name}.trace", launch, on_note=note)
        if result.trace is None or result.exit_status != 0:
            raise SystemExit(result.failure or f"{' '.join(command)} ended with status {result.exit_status}")
        written_ns = facts_file.stat().st_mtime_ns - (time.time_ns() - time.monotonic_ns()) - result.launch.start_ns
        facts = pd.DataFrame([json.loads(line) for line in facts_file.read_text().splitlines()])
        return {"program": one.name, **compare(Trace.open(result.trace), facts, written_ns)}


def compare(trace: Trace, facts: pd.DataFrame, time_ns: int) -> dict[str, Any]:
    """The figures of one run.

    Parameters
    ----------
    trace
        What was recorded.
    facts
        What the program knows: name, address, bytes, line.
    time_ns
        When it knew that, since the start of the run.
    """
    sites = trace.frame("sites").set_index("site")
    every = trace.frame("allocations")
    every = every[~every["inherited"] & (every["kind"] != "small") & (every["weight"] > 0)]
    every = every.assign(pool=every["site"].map(_is_pool(sites)), line=every["site"].map(_has_line(sites)))
    live = every[(every["birth_ns"] <= time_ns) & ~(every["death_ns"] <= time_ns).fillna(False)].reset_index(drop=True)
    live = _judged(live, facts, sites)
    sums = live.groupby("class")["size_bytes"].sum()
    known, right = float(sums.get("right", 0) + sums.get("wrong", 0)), float(sums.get("right", 0))
    data = float(sums.sum() - sums.get("pool", 0))
    ever = every[~every["pool"]]
    named = ever["name"].notna() | ever["line"]
    return {
        "live_bytes": int(sums.sum()),
        **{f"{name}_bytes": int(sums.get(name, 0)) for name in ("pool", "right", "wrong", "line", "nameless")},
        "known_right_share": right / known if known else 0.0,
        "right_or_line_share": (right + float(sums.get("line", 0))) / data if data else 0.0,
        "ever_share": float(ever.loc[named, "size_bytes"].sum() / ever["size_bytes"].sum()),
        **{f"{name}_most": _most(live[live["class"] == name]) for name in ("wrong", "nameless")},
    }


def _is_pool(sites: pd.DataFrame) -> pd.Series:
    return sites["name"].str.endswith(("small objects", "'s memory", "own malloc"))


def _has_line(sites: pd.DataFrame) -> pd.Series:
    """Whether a site has a Python line of the program's own: of the workloads, here."""
    return sites["python"].map(lambda frames: any("/workloads/" in frame for frame in frames))


def _judged(live: pd.DataFrame, facts: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Live allocations with their class, what the trace calls them, and what the program does."""
    count = len(live)
    start = live["address"].to_numpy(np.uint64)
    heap = ~live["kind"].isin(["mmap", "file"]).to_numpy()
    row = np.full(len(facts), -1)
    for layer in (heap, ~heap):  # what malloc handed out may lie in what mmap did
        end = np.where(layer, start + live["size_bytes"].to_numpy(np.uint64), start)
        index = IntervalIndex(start, end, np.zeros(count, np.int64), np.full(count, never()))
        found = index.find(facts["address"].to_numpy(np.uint64), np.ones(len(facts), np.int64))
        row = np.where(row >= 0, row, found)
    facts = facts.assign(row=row)[row >= 0].drop_duplicates(["row", "address", "name"])
    filled = facts.drop_duplicates(["row", "address"]).groupby("row")["bytes"].sum()
    facts = facts[(facts["row"].map(filled) * 2).to_numpy() > live["size_bytes"].to_numpy(np.float64)[facts["row"]]]
    groups = facts.groupby("row")
    expected = pd.DataFrame(
        {"name": groups[["address", "name"]].apply(_names_for), "line": groups["line"].agg(lambda one: {*one.dropna()})}
    )
    names, lines = (expected[name].reindex(range(count)) for name in ("name", "line"))
    by_line = np.array([_comes_from(*one) for one in zip(live["site"].map(sites["python"]), lines, strict=True)], bool)
    right = np.array([isinstance(those, set) and name in those for those, name in zip(names, live["name"], strict=True)], bool)
    is_known, has_name = names.notna(), live["name"].notna()
    classes = np.select(
        [is_known & (right | (~has_name & by_line)), is_known, live["pool"], live["line"] | has_name],
        ["right", "wrong", "pool", "line"],
        "nameless",
    )
    told = [", ".join(sorted(one)) if isinstance(one, set) else "" for one in names]
    return live.assign(**{"class": classes}, found=live["name"].fillna(live["site"].map(sites["name"])), expected=told)


def _names_for(held: pd.DataFrame) -> set[str]:
    """What may be said of memory that holds these tensors: any name of one tensor; of several, what their names have in common."""
    return {*held["name"]} if held["address"].nunique() == 1 else {common_name(held["name"]) or ""}


def _comes_from(python: Sequence[str], lines: object) -> bool:
    """Whether a site's Python frames, each `FILE:LINE QUALNAME`, have one of the lines that the program named."""
    return isinstance(lines, set) and any(frame.rsplit("/", 1)[-1].split(" ", 1)[0] in lines for frame in python)


def _most(rows: pd.DataFrame) -> list[dict[str, Any]]:
    sums = rows.groupby(["found", "expected"], as_index=False)["size_bytes"].sum().rename(columns={"size_bytes": "bytes"})
    return sums.sort_values("bytes", ascending=False, ignore_index=True).head(20).to_dict("records")


def _row(one: Mapping[str, Any]) -> list[str]:
    sizes = [format_bytes(one[name]) for name in ("live_bytes", "pool_bytes")]
    known = format_bytes(one["right_bytes"] + one["wrong_bytes"])
    rest = [format_bytes(one[name]) for name in ("wrong_bytes", "line_bytes", "nameless_bytes")]
    shares = [format_share(one[name]) for name in ("right_or_line_share", "ever_share")]
    return [one["program"], *sizes, known, format_share(one["known_right_share"]), *rest, *shares]


if __name__ == "__main__":
    main()
