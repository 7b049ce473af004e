"""The sites and allocations of all processes of a run, each in one table: the same stack is one site wherever it ran."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.base.errors import TraceError
from tierprof.profiler import places
from tierprof.profiler.allocations import BIRTHS, COLUMNS, KINDS, MOVE, SLAB_TOTAL, WHERE, layers, live_at, match_records
from tierprof.profiler.names import Frame, own_frame, site_name
from tierprof.profiler.operations import operation_of
from tierprof.profiler.python_frames import PythonFrame, own_python_frame, program_roots
from tierprof.profiler.raw import MetaSite, MetaStream, read_allocations, read_meta
from tierprof.profiler.symbols import Symbol, Symboliser

# The site of what was allocated where no stack could be taken.
UNKNOWN_KEY = "0" * 32
_DEFAULT_TIER = "dram"

Place = tuple[str, int]  # path of the module (empty: code outside any), return address minus bias


@dataclass
class Heap:
    """What all processes allocated.

    Attributes
    ----------
    allocations : DataFrame
        Columns of `tierprof.profiler.allocations` and pid; site is a row of `keys`.
    places : DataFrame
        Where their pages were found: columns of `tierprof.profiler.places`; row is a row of `allocations`.
    moves : DataFrame
        What of them moved, and when; likewise.
    keys : list of str
        Key of each site.
    stacks : list of list of Place
        Frames of each site, innermost first.
    python : list of sequence of PythonFrame
        Python frames of each site, beyond those.
    truncated : list of bool
    damage : list of str
        What could not be read, in words.
    notes : list of (code, text)
        Where the shim stepped aside.
    ended : bool
        Whether every process ended in order, or went on as another program.
    threshold_bytes : int
        The size from which allocations were tracked; 0 if the shim was in no process.
    """

    allocations: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*COLUMNS, "pid"]))
    places: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=places.COLUMNS))
    moves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=places.MOVE_COLUMNS))
    slab_totals: dict[int, tuple[int, int]] = field(default_factory=dict)  # by row: allocations from slabs, and their bytes
    keys: list[str] = field(default_factory=list)
    stacks: list[list[Place]] = field(default_factory=list)
    python: list[Sequence[PythonFrame]] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    pools: dict[int, str] = field(default_factory=dict)  # rows whose site is an allocator's pool, with its name
    damage: list[str] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    ended: bool = True
    threshold_bytes: int = 0
    site_rows: dict[str, dict[int, int]] = field(default_factory=dict)  # by process (`PID.SEQ.bin`): its numbers of sites -> rows
    _rows: dict[str, int] = field(default_factory=dict, repr=False)

    def add_site(self, site: MetaSite, modules: dict[int, str]) -> int:
        """The row of a site; new if its key is."""
        row = self._rows.get(site.key)
        if row is None:
            places = [(modules.get(int(frame["module"]), ""), int(frame["offset"])) for frame in site.frames]
            row = self._add(site.key, places, site.truncated, site.python)
            if site.pool:
                self.pools[row] = site.pool
        return row

    def unknown_site(self) -> int:
        """The row of the site that stands for no stack."""
        row = self._rows.get(UNKNOWN_KEY)
        return self._add(UNKNOWN_KEY, [], True) if row is None else row

    def _add(self, key: str, places: list[Place], truncated: bool, python: Sequence[PythonFrame] = ()) -> int:
        self.keys.append(key)
        self.stacks.append(places)
        self.python.append(python)
        self.truncated.append(truncated)
        self._rows[key] = len(self.keys) - 1
        return self._rows[key]


@dataclass
class _Process:
    """One image of a process, with its allocations once they are matched."""

    meta: MetaStream
    path: Path  # of its alloc file
    sites: dict[int, int] = field(default_factory=dict)  # its numbers -> rows of the heap's
    allocations: pd.DataFrame | None = None
    told: tuple[pd.DataFrame, ...] = ()  # its places and its moves; row is a row of its own allocations


def read_heap(raw: Path) -> Heap:
    """Read what the shim left in a raw folder; an empty heap if the shim was in no process."""
    heap = Heap()
    processes = _processes(raw, heap)
    for process in processes:
        _match(process, processes, heap)
    _join(processes, heap)
    return heap


def _join(processes: list[_Process], heap: Heap) -> None:
    """The processes' tables become the heap's, in order of birth."""
    tables, told, before = [], [], 0
    for process in processes:
        if process.allocations is None or len(process.allocations) == 0:
            continue
        tables.append(process.allocations.assign(pid=process.meta.process.pid))
        told.append([table[table["row"] >= 0].assign(row=lambda own, first=before: own["row"] + first) for table in process.told])
        before += len(process.allocations)
    if not tables:
        return
    rows = pd.concat(tables, ignore_index=True)
    order = np.argsort(rows["birth_ns"].to_numpy(np.int64), kind="stable")
    heap.allocations = rows.iloc[order].reset_index(drop=True)
    place_of = np.empty(len(rows), np.int64)
    place_of[order] = np.arange(len(rows))
    joined = [pd.concat(parts, ignore_index=True) for parts in zip(*told, strict=True)]
    heap.places, heap.moves = (table.assign(row=place_of[table["row"].to_numpy(np.int64)]) for table in joined)


def _processes(raw: Path, heap: Heap) -> list[_Process]:
    """All images in the order in which they began, so that a parent comes before its child."""
    found = []
    for path in sorted(raw.glob("meta.*.bin")):
        try:
            meta = read_meta(path)
        except TraceError as error:
            heap.damage.append(str(error))
            heap.ended = False
            continue
        heap.threshold_bytes = meta.process.threshold_bytes
        heap.damage.extend(meta.damage)
        heap.notes.extend((note.code, note.text) for note in meta.notes)
        found.append(_Process(meta, path.with_name(path.name.replace("meta.", "alloc.", 1))))
    found.sort(key=lambda process: process.meta.process.start_ns)
    return found


def _match(process: _Process, processes: list[_Process], heap: Heap) -> None:
    began, pid = process.meta.process.start_ns, process.meta.process.pid
    parent = _parent(process, processes)
    inherited = None
    if parent is not None and parent.allocations is not None:
        inherited = live_at(parent.allocations, began)
    modules = {module.module: module.path for module in process.meta.modules}
    process.sites.update((number, heap.add_site(site, modules)) for number, site in process.meta.sites.items())
    # A forked process goes on counting where its parent's numbers end, and holds memory that goes by those.
    inherited_rows = heap.site_rows[_name(parent)] if parent is not None else {}
    heap.site_rows[_name(process)] = {**inherited_rows, **process.sites}
    records = _records(process, heap)
    process.allocations = match_records(records, inherited)
    process.told = _told(process.allocations, records)
    _add_totals(records[records["type"] == SLAB_TOTAL], process, heap)
    later = [p.meta.process.start_ns for p in processes if p.meta.process.pid == pid and p.meta.process.start_ns > began]
    if later:
        # The process went on as another program: exec took all its memory.
        process.allocations["death_ns"] = np.minimum(process.allocations["death_ns"], min(later))
    elif not process.meta.exited:
        heap.ended = False


def _told(allocations: pd.DataFrame, records: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Places and moves of a process's allocations."""
    found, moves = records[records["type"] == WHERE], records[records["type"] == MOVE]
    masks = layers(allocations)
    return places.found_places(allocations, found, masks), places.made_moves(allocations, moves, masks)


def _add_totals(records: np.ndarray, process: _Process, heap: Heap) -> None:
    """What a process's slabs handed out; the address of such a record is a count."""
    for site, count, size in records[["site", "address", "size"]].tolist():
        row = process.sites.get(site)
        if row is not None:
            before = heap.slab_totals.get(row, (0, 0))
            heap.slab_totals[row] = before[0] + count, before[1] + size


def _name(process: _Process) -> str:
    """`PID.SEQ.bin`, by which all files of one image go."""
    return process.path.name.removeprefix("alloc.")


def _parent(process: _Process, processes: list[_Process]) -> _Process | None:
    """The image that a forked process is a copy of."""
    mine = process.meta.process
    if not mine.forked:
        return None
    older = [p for p in processes if p.meta.process.pid == mine.parent_pid and p.meta.process.start_ns < mine.start_ns]
    return max(older, key=lambda p: p.meta.process.start_ns, default=None)


def _records(process: _Process, heap: Heap) -> np.ndarray:
    """The process's records, with the heap's site numbers."""
    try:
        records = read_allocations(process.path, heap.damage)
    except TraceError as error:
        heap.damage.append(str(error))
        return read_allocations(Path("/dev/null"))
    # Records of ends have no site.
    births = np.flatnonzero(np.isin(records["type"], BIRTHS))
    numbers, inverse = np.unique(records["site"][births], return_inverse=True)
    rows = [process.sites.get(number) for number in numbers.tolist()]
    records["site"][births] = np.array([heap.unknown_site() if row is None else row for row in rows], np.uint32)[inverse]
    return records


def allocations_table(heap: Heap, start_ns: int, tiers: Sequence[str]) -> pd.DataFrame:
    """The heap's allocations as `tierprof.base.schema.ALLOCATIONS` describes them.

    Parameters
    ----------
    heap
        What was read.
    start_ns
        Start of the run, CLOCK_MONOTONIC; times become relative to it.
    tiers
        Names of the plan's tiers by number; without a plan all is DRAM.
    """
    rows = heap.allocations
    death = rows["death_ns"].to_numpy(np.int64)
    endless = death == np.iinfo(np.int64).max
    return pd.DataFrame(
        {
            "allocation": np.arange(len(rows), dtype=np.int64),
            "site": rows["site"].to_numpy(np.int32),
            "pid": rows["pid"].to_numpy(np.int32),
            "tid": rows["tid"].to_numpy(np.int32),
            "address": rows["address"].to_numpy(np.uint64),
            "size_bytes": rows["size_bytes"].to_numpy(np.uint64),
            "birth_ns": rows["birth_ns"].to_numpy(np.int64) - start_ns,
            "death_ns": pd.Series(death - np.where(endless, 0, start_ns), dtype="Int64").mask(endless),
            "kind": np.array(KINDS, object)[rows["kind"].to_numpy(np.int64)],
            "weight": rows["weight"].to_numpy(np.float64),
            "resident_bytes": rows["resident_bytes"].to_numpy(np.float64),
            "tier": _tier_names(tiers)[rows["tier"].to_numpy(np.int64)],
            "inherited": rows["inherited"].to_numpy(bool),
        }
    )


def places_table(heap: Heap, start_ns: int, tiers: Sequence[str]) -> pd.DataFrame:
    """Where the heap's pages were found, as `tierprof.base.schema.PLACES` describes it; parameters as of `allocations_table`."""
    found = heap.places
    rows = found["row"].to_numpy(np.int64)
    return pd.DataFrame(
        {
            "allocation": rows,
            "site": heap.allocations["site"].to_numpy(np.int32)[rows],
            "time_ns": found["time_ns"].to_numpy(np.int64) - start_ns,
            "tier": _tier_names(tiers)[found["tier"].to_numpy(np.int64)],
            "place": found["place"].to_numpy(object),
            "huge": found["huge"].to_numpy(bool),
            "bytes": found["bytes"].to_numpy(np.int64),
            "sampled": found["sampled"].to_numpy(bool),
        }
    )


def moves_table(heap: Heap, start_ns: int, tiers: Sequence[str]) -> pd.DataFrame:
    """What moved of the heap, as `tierprof.base.schema.MOVES` describes it; parameters as of `allocations_table`."""
    made = heap.moves.sort_values("time_ns", kind="stable")
    rows = made["row"].to_numpy(np.int64)
    return pd.DataFrame(
        {
            "allocation": rows,
            "site": heap.allocations["site"].to_numpy(np.int32)[rows],
            "time_ns": made["time_ns"].to_numpy(np.int64) - start_ns,
            "address": made["address"].to_numpy(np.uint64),
            "bytes": made["bytes"].to_numpy(np.int64),
            "tier": _tier_names(tiers)[made["tier"].to_numpy(np.int64)],
            "wait_us": made["wait_us"].to_numpy(np.int64),
        }
    )


def _tier_names(tiers: Sequence[str]) -> np.ndarray:
    """Names of the plan's tiers by number; without a plan all is DRAM."""
    names = list(tiers or [_DEFAULT_TIER])
    return np.array([*names, *(f"tier {number}" for number in range(len(names), 256))], object)


def site_frames(heap: Heap, symboliser: Symboliser) -> list[list[Frame]]:
    """The frames of each of the heap's sites, named, innermost first."""
    # A return address is that of the instruction after the call, perhaps on another line.
    calls = {(path, offset): (path, offset - 1) for row in _largest_first(heap) for path, offset in heap.stacks[row]}
    symbols = symboliser.symbols(calls.values())
    return [[_frame(place, symbols[calls[place]]) for place in stack] for stack in heap.stacks]


def site_names(heap: Heap, frames: list[list[Frame]]) -> list[str]:
    """How each of the heap's sites is called: by its own Python line where there is one; `frames` are from `site_frames`."""
    roots = program_roots(heap.python)
    names = []
    for row, (stack, python) in enumerate(zip(frames, heap.python, strict=True)):
        line = own_python_frame(python, roots)
        names.append(heap.pools.get(row) or (_line_name(line, stack) if line is not None else site_name(stack)))
    return names


def _line_name(line: PythonFrame, stack: list[Frame]) -> str:
    """``lightgcn.py:112 in train: mm in MmBackward0``: behind one line, as behind `loss.backward()`, there may be very much."""
    operation = operation_of(frame.function for frame in stack)
    return printable(f"{line.short}: {operation}" if operation else line.short)


def sites_table(heap: Heap, frames: list[list[Frame]]) -> pd.DataFrame:
    """The heap's sites, as `tierprof.base.schema.SITES` describes them; `frames` are from `site_frames`."""
    own = [stack[own_frame(stack)] if stack else Frame("", 0, "", "", 0) for stack in frames]
    return pd.DataFrame(
        {
            "site": np.arange(len(heap.keys), dtype=np.int32),
            "key": pd.Series(heap.keys, dtype=object),
            "kind": _site_kinds(heap),
            "name": site_names(heap, frames),
            "function": [frame.function or frame.short for frame in own],
            "file": [frame.file for frame in own],
            "line": np.array([frame.line for frame in own], np.int32),
            "frames": [[printable(frame.full) for frame in stack] for stack in frames],
            "python": [[printable(frame.full) for frame in stack] for stack in heap.python],
            "truncated": np.array(heap.truncated, bool),
        }
    )


def _frame(place: Place, symbol: Symbol) -> Frame:
    return Frame(place[0], place[1], symbol.function, symbol.file, symbol.line)


def _largest_first(heap: Heap) -> list[int]:
    """The sites, those that handed out most bytes first."""
    rows = heap.allocations
    sizes = np.bincount(rows["site"].to_numpy(np.int64), rows["size_bytes"].to_numpy(np.float64), len(heap.keys))
    return np.argsort(-sizes, kind="stable").tolist()


def _site_kinds(heap: Heap) -> list[str]:
    """The kind of most of each site's bytes: a site may hand out small and large memory."""
    rows = heap.allocations
    sums = rows.assign(size=rows["size_bytes"].astype(np.float64)).groupby(["site", "kind"])["size"].sum()
    most = sums.sort_values(kind="stable").reset_index().drop_duplicates("site", keep="last").set_index("site")["kind"]
    return [KINDS[int(most[row])] if row in most.index else KINDS[0] for row in range(len(heap.keys))]


def printable(text: str) -> str:
    """The text with what is no Unicode (bytes of a path) replaced, as tables and terminals need it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
