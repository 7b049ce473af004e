"""The files of an exact run as the trace's tables (tierprof.base.schema): all processes together, sites instead of the engine's numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.profiler.exact import layout
from tierprof.profiler.exact.layout import OBJECT_COUNTERS, THREAD_COUNTERS
from tierprof.profiler.exact.rawfile import ExactFile, Sliced

Frames = dict[str, pd.DataFrame]

#: The tables that an exact run adds to its trace, by the names of `tierprof.base.schema.TABLES`.
NAMES = ("exact_threads", "exact_objects", "exact_episodes", "exact_nodes", "exact_reuse")

_BINS = [f"bin{at}" for at in range(layout.REUSE_BINS)]
_EPISODE_COUNTERS = ("count", "base_cycles", "instructions", "misses")


class Process(NamedTuple):
    """One file, and what its site numbers mean."""

    file: ExactFile
    site_rows: Mapping[int, int] | None  # its numbers -> rows of the trace's sites; None: they are rows already
    unknown_row: int = layout.UNKNOWN_OBJECT  # for a number that `site_rows` lacks


def exact_tables(processes: Sequence[Process]) -> Frames:
    """The tables, by name.

    Parameters
    ----------
    processes
        At least one. Their slices follow each other; slices, threads and episodes are numbered over all of them.

    Returns
    -------
    dict of str to DataFrame
        `NAMES`; columns and types as the schemas have them.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in NAMES}
    slices = threads = episodes = 0
    for process in processes:
        file = process.file
        numbers = _thread_numbers(file)
        frames = _tables_of(process, numbers)
        for name, frame in frames.items():
            for column, first in (("slice", slices), ("thread", threads), ("episode", episodes)):
                if column in frame:
                    frame[column] += first
            parts[name].append(frame)
        slices, threads, episodes = slices + len(file.slices), threads + len(numbers), episodes + len(file.episodes.rows)
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["exact_reuse"] = _long_reuse(tables["exact_reuse"])
    return tables


def _thread_numbers(file: ExactFile) -> NDArray[np.int64]:
    """The engine's numbers of the file's threads, ascending; the place of each is its number in the tables."""
    return np.unique(np.concatenate([part.rows["thread"] for part in (file.threads, file.objects, file.episodes)])).astype(np.int64)


def _tables_of(process: Process, numbers: NDArray[np.int64]) -> Frames:
    file = process.file
    return {
        "exact_threads": _threads(file, numbers),
        "exact_objects": _objects(process, numbers),
        "exact_episodes": _episodes(file, numbers),
        "exact_nodes": _nodes(process),
        "exact_reuse": _reuse(process),
    }


def _place(part: Sliced, numbers: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """In which slice and on which thread each row was."""
    return {"slice": part.slice.astype(np.int32), "thread": np.searchsorted(numbers, part.rows["thread"]).astype(np.int32)}


def _counters(rows: NDArray[Any], names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    return {name: rows[name].astype(np.int64) for name in names}


def _threads(file: ExactFile, numbers: NDArray[np.int64]) -> pd.DataFrame:
    part = file.threads
    place = _place(part, numbers)
    return pd.DataFrame(
        {
            "slice": place["slice"],
            "weight": file.slices["weight"][part.slice],
            "pid": np.full(len(part.rows), file.pid, np.int32),
            "tid": part.rows["tid"].astype(np.int32),
            "thread": place["thread"],
            "first_instruction": file.slices["first_instruction"][part.slice].astype(np.int64),
            **_counters(part.rows, THREAD_COUNTERS),
        }
    )


def _objects(process: Process, numbers: NDArray[np.int64]) -> pd.DataFrame:
    part = process.file.objects
    objects = object_rows(part.rows["object"], process)
    table = pd.DataFrame({**_place(part, numbers), "object": objects, **_counters(part.rows, OBJECT_COUNTERS)})
    key = ["slice", "thread", "object"]
    # Two of the engine's numbers may be one site, and the simulator may write an object's counts in parts.
    return table if not table.duplicated(key).any() else table.groupby(key, as_index=False).sum()


def _episodes(file: ExactFile, numbers: NDArray[np.int64]) -> pd.DataFrame:
    part = file.episodes
    row = np.arange(len(part.rows), dtype=np.int32)
    return pd.DataFrame({"episode": row, **_place(part, numbers), **_counters(part.rows, _EPISODE_COUNTERS)})


def _nodes(process: Process) -> pd.DataFrame:
    file = process.file
    counts = file.episodes.rows["n_nodes"].astype(np.int64)
    # An L3 hit costs the same in every plan: its node is nobody's, and has object 0.
    named = file.nodes["node_class"] != layout.NodeClass.L3
    return pd.DataFrame(
        {
            "episode": np.repeat(np.arange(len(counts), dtype=np.int32), counts),
            "chain": file.nodes["chain"].astype(np.int8),
            "object": np.where(named, object_rows(file.nodes["object"], process), 0).astype(np.int32),
            "node_class": file.nodes["node_class"].astype(np.int8),
            "count": file.nodes["count"].astype(np.int32),
        }
    )


def _reuse(process: Process) -> pd.DataFrame:
    """One row a histogram, its bins beside each other; `_long_reuse` turns them."""
    rows = process.file.reuse
    objects, granules = object_rows(rows["object"], process), rows["granule_bytes"].astype(np.int32)
    columns = {"object": objects, "granule_bytes": granules, "cold": rows["cold"]}
    return pd.DataFrame({**columns, **{name: rows["bins"][:, at] for at, name in enumerate(_BINS)}})


def _long_reuse(wide: pd.DataFrame) -> pd.DataFrame:
    """One row a bin that has weight; an object that was never met again has its bin 0, empty.

    Histograms of the same site, of several processes or numbers, are one.
    """
    summed = wide.groupby(["object", "granule_bytes"], as_index=False).sum()
    bins = summed[_BINS].to_numpy(np.float64)
    shown = bins > 0
    shown[:, 0] |= ~shown.any(axis=1)
    row, number = np.nonzero(shown)
    long = summed[["object", "granule_bytes", "cold"]].iloc[row].reset_index(drop=True)
    return long.assign(bin=number.astype(np.int8), weight=bins[row, number])


def object_rows(numbers: NDArray[Any], process: Process) -> NDArray[np.int32]:
    """The engine's object numbers as the tables have them: rows of sites, and the pseudo objects below zero."""
    numbers = numbers.astype(np.int64)
    distinct, inverse = np.unique(numbers, return_inverse=True)
    if process.site_rows is None:
        rows = distinct.copy()
    else:
        rows = np.array([process.site_rows.get(number, process.unknown_row) for number in distinct.tolist()], np.int64)
    pseudo = distinct >= layout.FIRST_PSEUDO
    rows[pseudo] = np.maximum(layout.FIRST_PSEUDO - 1 - distinct[pseudo], layout.UNKNOWN_OBJECT)
    return rows[inverse].astype(np.int32)
