"""The objects of an exact trace: what was counted, with the model's word on what each costs in the machine's slow tier."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_count, format_seconds, format_share
from tierprof.console import say, table
from tierprof.profiler.exact.features import object_counts
from tierprof.profiler.exact.layout import PSEUDO_OBJECTS
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.exact.tables import NAMES
from tierprof.profiler.tensors.held import tensors_of_sites
from tierprof.profiler.trace import Trace

_HEADS = ("object", "kind", "slow costs", "share", "per GiB", "peak", "loads", "stores", "L3 misses", "site")
_JSON_COLUMNS = (
    "peak_bytes",
    "allocations",
    "loads",
    "stores",
    "l3_misses",
    "prefetched_lines",
    "writeback_lines",
    "threads",
    "write_share",
)
_COUNTED = {"loads": "loads", "stores": "stores", "l3_misses": "L3 misses"}
_KEY_LETTERS = 8
_GIB = 2**30


class ExactObjects(NamedTuple):
    """Objects with their modelled cost; and what is no site's."""

    objects: pd.DataFrame  # the trace's, with stall_s and stall_share of the model, stall_density beside them
    elsewhere: pd.DataFrame  # name, loads, stores, l3_misses, stall_s, stall_share of stack, static data and the rest
    all_fast_s: float | None  # None: the model could not tell, and `problem` says why
    all_slow_s: float | None
    problem: str | None


class _Costs(NamedTuple):
    seconds: pd.Series  # by object
    all_fast_s: float
    all_slow_s: float


def exact_objects(trace: Trace) -> ExactObjects:
    """Join the trace's objects with what the model says of each.

    Parameters
    ----------
    trace
        Of an exact run.
    """
    problem, costs = None, None
    try:
        costs = _modelled(trace)
    except TierprofError as error:
        problem = str(error)
    objects = _with_costs(trace.objects(), costs)
    counts = object_counts({name: trace.frame(name) for name in NAMES})
    rest = counts[counts.index < 0].sort_index(ascending=False)
    elsewhere = rest[list(_COUNTED)].reset_index(names="site")
    elsewhere.insert(0, "name", [PSEUDO_OBJECTS[number] for number in elsewhere["site"]])
    elsewhere = _with_costs(elsewhere.assign(peak_bytes=0), costs)
    fast, slow = (costs.all_fast_s, costs.all_slow_s) if costs else (None, None)
    return ExactObjects(objects, elsewhere, fast, slow, problem)


def _modelled(trace: Trace) -> _Costs:
    """Extra seconds of each object alone in the slow tier of the trace's machine.

    Raises
    ------
    TierprofError
        If the core was not simulated, or the machine cannot be found.
    """
    exact = trace.meta["exact"]
    if not exact["config"].get("timing", 1):
        raise TierprofError("no times", "the run was made with --no-timing", "run it again without")
    from tierprof.models.timing.machine import Machine
    from tierprof.models.timing.solve import Timing

    timing = Timing(ExactProfile.from_trace(trace), Machine.load(exact["machine"]))
    alone = timing.alone()
    seconds = np.maximum(np.asarray(alone.alone_slow_s) - alone.all_fast_s, 0.0)
    return _Costs(pd.Series(seconds, index=timing.objects), float(alone.all_fast_s), float(alone.all_slow_s))


def _with_costs(objects: pd.DataFrame, costs: _Costs | None) -> pd.DataFrame:
    if costs is None:
        return objects.assign(stall_s=np.nan, stall_share=np.nan, stall_density=np.nan)
    seconds = costs.seconds.reindex(objects["site"]).fillna(0.0).to_numpy()
    share = seconds / costs.all_slow_s if costs.all_slow_s > 0 else np.zeros(len(seconds))
    gib = np.maximum(objects["peak_bytes"].to_numpy(np.float64), 4096) / _GIB
    return objects.assign(stall_s=seconds, stall_share=share, stall_density=share / gib)


def exact_summary(trace: Trace, modelled: ExactObjects) -> dict[str, Any]:
    """What `objects --json` prints of an exact trace."""
    exact = trace.meta["exact"]
    costs = ("stall_s", "stall_share")
    tensors = tensors_of_sites(trace)
    objects = [
        {"site": row["key"], "name": row["name"], **{name: row[name] for name in (*_JSON_COLUMNS, *costs)}}
        | {"tensors": tensors.get(row["site"], [])}
        for row in modelled.objects.to_dict("records")
    ]
    names = ("name", *_COUNTED, *costs)
    return {
        **{key: trace.meta.get(key) for key in ("source", "samples", "duration_s", "overhead_s")},
        **dict.fromkeys(("attributed_share", "runtime_wait_share", "compute_share")),  # of sampled time, and there is none
        "exact": exact,
        "all_fast_s": modelled.all_fast_s,
        "all_slow_s": modelled.all_slow_s,
        "objects": objects,
        "elsewhere": modelled.elsewhere[list(names)].to_dict("records"),
    }


def print_exact(trace: Trace, modelled: ExactObjects, top: int) -> None:
    """The table; below it the run, and what is no object's."""
    shown = modelled.objects.head(top) if top > 0 else modelled.objects
    machine = trace.meta["exact"]["machine"]
    command = " ".join(trace.meta.get("command", []))
    title = f"{len(shown)} of {len(modelled.objects)} objects of `{command}`, counted; costs on {machine}"
    table(title, _HEADS, [_row(row) for row in shown.to_dict("records")])
    if modelled.problem is None and modelled.all_fast_s is not None and modelled.all_slow_s is not None:
        slowdown = modelled.all_slow_s / modelled.all_fast_s if modelled.all_fast_s > 0 else 1.0
        fast, slow = (format_seconds(time_s) for time_s in (modelled.all_fast_s, modelled.all_slow_s))
        say(f"modelled on {machine}: {fast} with everything in the fast tier, {slow} in the slow one ({slowdown:.2f}x)")
    else:
        say(f"no model: {modelled.problem}")
    say(_elsewhere_line(modelled.elsewhere))
    for entry in trace.meta.get("notes", []):
        say(f"note: {entry['text']}")


def _row(row: dict[Any, Any]) -> list[str]:
    cost = (
        ["-"] * 3
        if np.isnan(row["stall_s"])
        else [format_seconds(row["stall_s"]), *map(format_share, (row["stall_share"], row["stall_density"]))]
    )
    # Small allocations are sampled one by one and counted together: see the line below the table.
    counted = row["kind"] != "small" or row["accesses"] > 0
    counts = [format_count(row[name]) if counted else "-" for name in _COUNTED]
    return [row["name"], row["kind"], *cost, format_bytes(row["peak_bytes"]), *counts, row["key"][:_KEY_LETTERS]]


def _elsewhere_line(elsewhere: pd.DataFrame) -> str:
    by_cost = elsewhere.sort_values(["stall_s", "loads"], ascending=False, kind="stable")
    parts = [_elsewhere_part(row) for row in by_cost.to_dict("records")]
    return f"beside objects: {'; '.join(parts) or 'nothing'}"


def _elsewhere_part(row: dict[Any, Any]) -> str:
    counted = ", ".join(f"{format_count(row[name])} {word}" for name, word in _COUNTED.items())
    share = "" if np.isnan(row["stall_s"]) else f", {format_share(row['stall_share'])}"
    return f"{row['name']} {counted}{share}"
