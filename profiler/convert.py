"""A raw folder becomes a trace: every table, the features, and what meta.json says about the run."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

import tierprof
from tierprof.base.errors import TraceError
from tierprof.base.schema import SAMPLES
from tierprof.profiler.attribution import Attribution
from tierprof.profiler.classify import shares
from tierprof.profiler.exact.features import with_exact_counts
from tierprof.profiler.exact.heat import exact_heat, granule_table
from tierprof.profiler.exact.notes import Circumstances
from tierprof.profiler.exact.run import ExactRun, read_run
from tierprof.profiler.features import compute_features, with_slab_totals
from tierprof.profiler.heat import sampled_heat
from tierprof.profiler.launch import LaunchResult
from tierprof.profiler.machine import describe
from tierprof.profiler.modules import Images, build_modules
from tierprof.profiler.perf.parser import PerfStreams, read_perf
from tierprof.profiler.raw import read_counters
from tierprof.profiler.sites import Heap, allocations_table, moves_table, places_table, printable, read_heap, site_frames, sites_table
from tierprof.profiler.stacks import stacks_table
from tierprof.profiler.statics import static_shares
from tierprof.profiler.symbols import Symboliser
from tierprof.profiler.tensors.naming import name_allocations
from tierprof.profiler.trace import OBJECTS, Trace

# Under the exact engine the program runs many times slower, each part of it by another factor: its times say nothing.
_NO_TIMES = dict.fromkeys(("duration_s", "user_s", "system_s", "overhead_s", "sampler_s"))

# Text columns of samples are few words repeated: pandas holds them as categories.
_WORDS = ("event", "access", "confidence", "where")


def convert(
    raw: Path, trace: Path, launch: LaunchResult, command: Sequence[str], *, plan: Path | str | None = None, tiers: Sequence[str] = ()
) -> None:
    """Write the trace of a run.

    Parameters
    ----------
    raw
        What the launcher and the shim left.
    trace
        The folder to write into.
    launch
        How the run went.
    command
        The command that was run.
    plan
        The plan that it was run under, if any.
    tiers
        The plan's tiers by the shim's number, DRAM first.

    Raises
    ------
    TraceError
        If what was recorded is of another version, or the exact engine left nothing.
    OSError
        If the trace cannot be written.
    """
    streams = read_perf(raw)
    heap = read_heap(raw)
    exact = read_run(raw, heap, Circumstances(launch.exact, launch.engine, launch.ended_by)) if launch.exact is not None else None
    start_ns = launch.start_ns or streams.start_ns or _first_birth(heap)
    images = Images()
    modules = build_modules(streams.maps, streams.tasks, images)
    attribution = Attribution(streams, modules, heap.allocations, images)
    result = Trace(trace, {})
    allocations = allocations_table(heap, start_ns, tiers)
    frames = site_frames(heap, Symboliser(images))
    sites = sites_table(heap, frames)
    named = name_allocations(raw, heap, start_ns, allocations, sites)
    allocations, sites = named.allocations, named.sites
    recipes = attribution.recipes
    samples = pa.Table.from_batches(attribution.batches(start_ns), schema=SAMPLES)
    frame = samples.to_pandas(categories=list(_WORDS))
    duration_ns = max(launch.end_ns - launch.start_ns, 1)
    objects = compute_features(sites, allocations, frame, duration_ns, launch.system_s)
    objects = with_slab_totals(objects, allocations, heap.slab_totals)
    if exact is not None:
        objects = with_exact_counts(objects, exact.tables)
    counters, damage = _counters(raw)
    recorded = _Recorded(streams, heap, frame, exact, counters, damage + named.damage, named.notes)
    result.meta = _meta(launch, command, recorded) | {"plan": str(plan) if plan else None, "tiers": list(tiers)}
    result.meta["statics"] = static_shares(frame, modules, images)
    relative = modules.assign(time_ns=np.maximum(modules["time_ns"] - start_ns, 0), path=modules["path"].map(printable))
    result.write("modules", relative)
    result.write("sites", sites)
    result.write("stacks", stacks_table(frames, images, heap.python))
    result.write("allocations", allocations)
    if len(named.tensors):
        result.write("tensors", named.tensors)
    if plan is not None or len(tiers) > 1:
        result.write("places", places_table(heap, start_ns, tiers))
        result.write("moves", moves_table(heap, start_ns, tiers))
    if exact is None:  # an emulated tier delays what the recipes name: it must not take none for all that there is
        result.write("recipes", recipes.assign(path=recipes["path"].map(printable)))
    result.write("samples", samples)
    _write_heat(result, allocations, frame, exact)
    for name, table in exact.tables.items() if exact is not None else ():
        result.write(name, table)
    result.write(OBJECTS, objects)
    # Last, because a folder without it is no trace.
    result.write_meta()


def _write_heat(result: Trace, allocations: pd.DataFrame, samples: pd.DataFrame, exact: ExactRun | None) -> None:
    """Heat by block, if anything was large enough to have one."""
    if exact is not None:
        granules = granule_table(exact.processes, allocations)
        if len(granules):
            result.write("exact_heat", granules)
            result.write("heat", exact_heat(granules, allocations))
        return
    heat = sampled_heat(allocations, samples)
    if len(heat):
        result.write("heat", heat)


def _first_birth(heap: Heap) -> int:
    return int(heap.allocations["birth_ns"].min()) if len(heap.allocations) else 0


class _Recorded(NamedTuple):
    """What was read of a raw folder, and what of it could not be."""

    streams: PerfStreams
    heap: Heap
    samples: pd.DataFrame
    exact: ExactRun | None
    counters: list[dict[str, Any]]
    damage: list[str]
    tensor_notes: list[str]  # where the names of tensors end


def _meta(launch: LaunchResult, command: Sequence[str], recorded: _Recorded) -> dict[str, Any]:
    streams, heap, samples = recorded.streams, recorded.heap, recorded.samples
    clock = samples[samples["event"] == "clock"]
    began = time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - launch.start_ns * 1e-9)
    damaged = heap.damage or recorded.damage or (recorded.exact is not None and (recorded.exact.damage or recorded.exact.meta["cut"]))
    meta = {
        "tierprof_version": tierprof.__version__,
        "command": [printable(word) for word in command],
        "cwd": printable(os.getcwd()),
        "started_at": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "source": launch.source,
        "rate_hz": launch.rate_hz,
        "duration_s": launch.wall_s,
        "user_s": launch.user_s,
        "system_s": launch.system_s,
        "overhead_s": launch.overhead_s + sum(int(c["shim_ns"]) for c in recorded.counters) * 1e-9,
        "sampler_s": launch.sampler_s,
        "exit_status": launch.exit_status,
        "complete": heap.ended and not damaged and not streams.notes and streams.lost == 0,
        "notes": _notes(launch, recorded),
        "samples": int((samples["event"] != "fault").sum()),
        "fault_samples": int((samples["event"] == "fault").sum()),
        "lost": streams.lost,
        "throttled": streams.throttled,
        "peak_rss_bytes": launch.peak_rss_bytes,
        "threshold_bytes": heap.threshold_bytes,
        "shares": shares(clock["where"], clock["weight_s"]),
        "skid": dict(launch.skid),
        "counters": _summed(recorded.counters),
    }
    return meta if recorded.exact is None else meta | _NO_TIMES | {"exact": recorded.exact.meta | {"engine_wall_s": launch.wall_s}}


def _notes(launch: LaunchResult, recorded: _Recorded) -> list[dict[str, Any]]:
    streams, heap, exact = recorded.streams, recorded.heap, recorded.exact
    notes: list[dict[str, Any]] = [dict(note) for note in launch.notes]
    notes.extend(exact.notes if exact is not None else ())
    if launch.perf_error:
        notes.append({"code": "perf", "text": launch.perf_error})
    notes.extend({"code": "samples", "text": text} for text in streams.notes)
    notes.extend({"code": f"shim {code}", "text": text} for code, text in heap.notes)
    notes.extend({"code": "tensors", "text": f"tensors' names: {text}"} for text in recorded.tensor_notes)
    damage = [*heap.damage, *(exact.damage if exact is not None else ()), *recorded.damage]
    notes.extend({"code": "damage", "text": text} for text in damage)
    if streams.lost:
        notes.append({"code": "lost", "text": f"{streams.lost} samples were lost: the buffers were full"})
    return notes


def _counters(raw: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Counters of every process, and what of them could not be read."""
    counters: list[dict[str, Any]] = []
    damage: list[str] = []
    for path in sorted(raw.glob("counters.*.bin")):
        try:
            counters.append(dict(read_counters(path)))
        except TraceError as error:
            damage.append(str(error))
    return counters, damage


def _summed(counters: list[dict[str, Any]]) -> dict[str, Any]:
    """Counters of all processes together; peaks are added as if they coincided, and beside them stands the greatest of one process."""
    total: dict[str, Any] = {}
    for one in counters:
        for name, value in one.items():
            if name == "tiers":
                total[name] = [_add_tier(*pair) for pair in zip(total.get(name) or [{}] * len(value), value, strict=True)]
            elif name != "pid":
                total[name] = total.get(name, 0) + value
    return total


def _add_tier(total: dict[str, int], one: dict[str, int]) -> dict[str, int]:
    sums = {name: total.get(name, 0) + value for name, value in one.items()}
    return sums | {"peak_of_one_bytes": max(total.get("peak_of_one_bytes", 0), one["peak_bytes"])}
