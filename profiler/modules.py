"""What code was mapped where, in which process, when: instruction pointers become (module, offset), data addresses static or not."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tierprof.profiler.image import Image
from tierprof.profiler.join import IntervalIndex, never

COLUMNS = ["module", "pid", "time_ns", "end_ns", "start", "end", "bias", "path", "build_id"]


class Images:
    """ELF files by path, each opened once; None is kept for what is no ELF file."""

    def __init__(self) -> None:
        self._known: dict[str, Image | None] = {}

    def get(self, path: str) -> Image | None:
        """The file, or None."""
        if path not in self._known:
            self._known[path] = Image.open(path) if path.startswith("/") else None
        return self._known[path]

    def opened(self) -> Mapping[str, Image]:
        """All files that are ELF."""
        return {path: image for path, image in self._known.items() if image is not None}


def build_modules(maps: pd.DataFrame, tasks: pd.DataFrame, images: Images) -> pd.DataFrame:
    """One row for each mapping of code in each process.

    Parameters
    ----------
    maps
        Columns pid, time_ns, start, end, file_offset, path: executable mappings in the order of time.
    tasks
        Columns time_ns, kind (``fork`` | ``exec``), pid, parent_pid: forked processes share their parent's mappings until they exec.
    images
        The files.

    Returns
    -------
    DataFrame
        `COLUMNS`; a mapping without a file, or whose file is no ELF file, has bias 0 and no build-id.
    """
    rows = _with_forks(maps, tasks)
    live = [_ended(group, tasks) for _, group in rows.groupby("pid", sort=True)]
    table = pd.concat(live, ignore_index=True) if live else rows.assign(end_ns=np.zeros(0, np.int64))
    found = [images.get(path) for path in table["path"]]
    biases = [
        image.bias(int(start), int(offset)) if image is not None else None
        for image, start, offset in zip(found, table["start"], table["file_offset"], strict=True)
    ]
    table["bias"] = np.array([(bias or 0) % 2**64 for bias in biases], np.uint64)
    table["build_id"] = ["" if image is None else image.build_id.hex() for image in found]
    table["module"] = np.arange(len(table), dtype=np.int32)
    return table[COLUMNS]


def _with_forks(maps: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """The mappings, and for each forked process those of its parent at that time."""
    kept = ["pid", "time_ns", "start", "end", "file_offset", "path"]
    rows = maps[kept]
    forks = tasks[(tasks["kind"] == "fork") & (tasks["pid"] != tasks["parent_pid"])].sort_values("time_ns", kind="stable")
    execs = tasks[tasks["kind"] == "exec"]
    for fork in forks.itertuples():
        since = execs.loc[(execs["pid"] == fork.parent_pid) & (execs["time_ns"] <= fork.time_ns), "time_ns"].max()
        mine = rows[(rows["pid"] == fork.parent_pid) & (rows["time_ns"] <= fork.time_ns)]
        mine = mine[mine["time_ns"] >= since] if pd.notna(since) else mine
        if len(mine):
            rows = pd.concat([rows, mine.assign(pid=fork.pid, time_ns=fork.time_ns)], ignore_index=True)
    return rows


def _ended(group: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """The mappings of one process with their end: when something else is mapped over them, or the process execs."""
    group = group.sort_values("time_ns", kind="stable").drop_duplicates(["time_ns", "start", "end", "path"]).reset_index(drop=True)
    start, end = group["start"].to_numpy(np.uint64), group["end"].to_numpy(np.uint64)
    when = group["time_ns"].to_numpy(np.int64)
    execs = tasks.loc[(tasks["kind"] == "exec") & (tasks["pid"] == group["pid"].iloc[0]), "time_ns"].to_numpy(np.int64)
    ends = np.full(len(group), never(), np.int64)
    for row in range(len(group)):
        over = np.flatnonzero((start[row + 1 :] < end[row]) & (end[row + 1 :] > start[row]))
        later = execs[execs > when[row]]
        ends[row] = min(when[row + 1 + over[0]] if len(over) else never(), later.min() if len(later) else never())
    return group.assign(end_ns=ends)


def locate(modules: pd.DataFrame, pids: np.ndarray, addresses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Row of the module that an instruction pointer is in, -1: none.

    Parameters
    ----------
    modules
        From `build_modules`.
    pids, addresses, times
        Of each sample. Shape (n,).
    """
    found = np.full(len(pids), -1, np.int64)
    for pid, group in modules.groupby("pid"):
        mine = np.flatnonzero(pids == pid)
        if len(mine) == 0:
            continue
        # The kernel reports a mapping a moment after code can run in it; and its first samples matter.
        births = group["time_ns"].to_numpy(np.int64)
        births = np.where(births == births.min(), 0, births)
        index = IntervalIndex(
            group["start"].to_numpy(np.uint64), group["end"].to_numpy(np.uint64), births, group["end_ns"].to_numpy(np.int64)
        )
        rows = index.find(addresses[mine], times[mine])
        found[mine] = np.where(rows >= 0, group["module"].to_numpy(np.int64)[rows], -1)
    return found


def static_modules(modules: pd.DataFrame, images: Images, pids: np.ndarray, addresses: np.ndarray) -> np.ndarray:
    """Row of the module in whose data (or code) each address lies, in its process: anywhere between its first and last segment.

    -1 where it is in none. Which of a module's rows it is does not matter: all have the same bias.
    """
    found = np.full(len(pids), -1, np.int64)
    for pid, group in modules.groupby("pid"):
        mine = np.flatnonzero(pids == pid)
        if len(mine) == 0:
            continue
        ranges: dict[tuple[int, int], int] = {}
        for row, path, bias in zip(group["module"], group["path"], group["bias"], strict=True):
            image = images.get(path)
            if image is not None:
                low, high = image.extent
                ranges[(low + int(bias)) % 2**64, (high + int(bias)) % 2**64] = row
        if not ranges:
            continue
        bounds = np.array(sorted(ranges), np.uint64)
        rows = np.array([ranges[pair] for pair in sorted(ranges)], np.int64)
        place = np.searchsorted(bounds[:, 0], addresses[mine], side="right") - 1
        inside = (place >= 0) & (addresses[mine] < bounds[place, 1])
        found[mine] = np.where(inside, rows[place], -1)
    return found
