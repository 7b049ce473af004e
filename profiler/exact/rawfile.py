"""Reads one exact.PID.SEQ.bin (native/model/exactfile.h) into arrays, as far as it is good; judges nothing.

Records between two slices belong to the second, so what stands behind the last slice of a cut file is left out.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.profiler.exact import layout
from tierprof.profiler.exact.layout import Record
from tierprof.profiler.exact.scan import scan

_AGAIN = "run `tierprof run --source exact` again"

# The types of fixed length, and what the episodes' nodes and the heat's granules follow.
_FIXED = {
    Record.THREAD: layout.THREAD,
    Record.OBJECT: layout.OBJECT,
    Record.EPISODE: layout.EPISODE,
    Record.SLICE: layout.SLICE,
    Record.REUSE: layout.REUSE,
    Record.HEAT: layout.HEAT,
    Record.NOTE: layout.NOTE,
    Record.END: layout.END,
}


class Note(NamedTuple):
    """What the engine or the simulator had to say."""

    code: int  # layout.NoteCode
    value: int
    text: str


class Sliced(NamedTuple):
    """Records of one type, and the slice that each belongs to."""

    rows: NDArray[Any]
    slice: NDArray[np.int64]  # position in `ExactFile.slices`


@dataclass
class ExactFile:
    """Contents of one file: one image of a process.

    Attributes
    ----------
    threads, objects, episodes : Sliced
        Of layout.THREAD, layout.OBJECT, layout.EPISODE.
    nodes : ndarray of layout.NODE
        Those of the first episode, then those of the second, and so on.
    slices, reuse, heat : ndarray of layout.SLICE, layout.REUSE, layout.HEAT
    granules : ndarray of layout.GRANULE
        Those of the first record of heat, then those of the second, and so on.
    instructions, measured : int or None
        Of the whole run of the process; None if the file was cut.
    damage : list of str
        What could not be read, in words.
    """

    pid: int
    config_text: str
    slices: NDArray[Any]
    threads: Sliced
    objects: Sliced
    episodes: Sliced
    nodes: NDArray[Any]
    reuse: NDArray[Any]
    heat: NDArray[Any]
    granules: NDArray[Any]
    notes: list[Note] = field(default_factory=list)
    instructions: int | None = None
    measured: int | None = None
    damage: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether the file is whole."""
        return self.instructions is not None


def read_exact(path: Path) -> ExactFile:
    """Contents of an exact.PID.SEQ.bin, as far as it goes.

    Raises
    ------
    TraceError
        If the file cannot be read, is no such file, is of another version, or ends before the machine is described.
    """
    try:
        content = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    except OSError as error:
        raise TraceError(f"{path} cannot be read", (error.strerror or str(error)).lower(), "check its permissions") from error
    return parse_exact(content, path.name)


def parse_exact(content: NDArray[np.uint8], name: str) -> ExactFile:
    """The same of bytes in memory; `name` is what errors call them."""
    pid = _check_header(content, name)
    found = scan(content, layout.FILE.itemsize, max(Record))
    records, damage = found.records, []
    if found.end < content.size:
        damage.append(f"{name} is cut short or damaged: {content.size - found.end} bytes behind its last whole record were left out")
    sound = _sound(content, records)
    if sound < len(records):
        damage.append(f"{name} is damaged: record {sound} of {len(records)} contradicts itself, and it and all that follow were left out")
        records = records[:sound]
    if not len(records) or records["type"][0] != Record.CONFIG:
        raise TraceError(f"{name} cannot be read", "it ends before the simulated machine is described", _AGAIN)
    file = _assemble(content, records, pid)
    file.damage = damage
    if not file.ended and not damage:
        damage.append(f"{name} is cut short: its last slice is missing")
    return file


def _check_header(content: NDArray[np.uint8], name: str) -> int:
    """The process's number."""
    what = f"{name} cannot be read"
    if content.size < layout.FILE.itemsize:
        raise TraceError(what, "it ends within its header", _AGAIN)
    header: np.void = content[: layout.FILE.itemsize].view(layout.FILE)[0]
    if bytes(header["magic"]).ljust(8, b"\0") != layout.MAGIC:
        raise TraceError(what, "it is no file of an exact run", "give a file that the exact engine wrote")
    if int(header["version"]) != layout.VERSION:
        why = f"it is of version {int(header['version'])}, and this tierprof reads version {layout.VERSION}"
        raise TraceError(what, why, "read it with the tierprof that wrote it")
    return int(header["pid"])


def _gather(content: NDArray[np.uint8], offsets: NDArray[Any], dtype: np.dtype) -> NDArray[Any]:
    """A copy of the structures at the offsets: the buffer seen as one that begins at every byte, then indexed."""
    if len(offsets) == 0:
        return np.empty(0, dtype)
    everywhere: NDArray[Any] = np.ndarray((content.size - dtype.itemsize + 1,), dtype, content, strides=(1,))
    return everywhere[offsets]


class _Tail(NamedTuple):
    """Records of one type that are followed by as many of another as they say."""

    kind: Record
    fixed: np.dtype
    number: str  # the field that says so
    each: np.dtype


_NODES = _Tail(Record.EPISODE, layout.EPISODE, "n_nodes", layout.NODE)
_GRANULES = _Tail(Record.HEAT, layout.HEAT, "n_granules", layout.GRANULE)


def _with_tail(
    content: NDArray[np.uint8], records: NDArray[Any], wrong: NDArray[np.bool_], tail: _Tail
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Which records of a type with a tail have room for it, these records, and how much follows each; marks the others as wrong."""
    at = np.flatnonzero((records["type"] == tail.kind) & ~wrong)
    found = records[at]
    counts = _gather(content, found["offset"], tail.fixed)[tail.number].astype(np.int64)
    fits = counts * tail.each.itemsize <= found["bytes"].astype(np.int64) - tail.fixed.itemsize
    wrong[at[~fits]] = True
    return at[fits], found[fits], counts[fits]


def _sound(content: NDArray[np.uint8], records: NDArray[Any]) -> int:
    """How many records from the first on hold what their type promises."""
    wrong = np.zeros(len(records), bool)
    for kind, dtype in _FIXED.items():
        wrong |= (records["type"] == kind) & (records["bytes"] < dtype.itemsize)
    at, episodes, counts = _with_tail(content, records, wrong, _NODES)
    classes = _gather(content, _tail_offsets(episodes, counts, layout.NODE), layout.NODE)["node_class"]
    wrong[np.repeat(at, counts)[classes > max(layout.NodeClass)]] = True
    _with_tail(content, records, wrong, _GRANULES)
    return int(np.argmax(wrong)) if wrong.any() else len(records)


def _assemble(content: NDArray[np.uint8], records: NDArray[Any], pid: int) -> ExactFile:
    closers = np.flatnonzero(records["type"] == Record.SLICE)

    def of(kind: Record) -> NDArray[Any]:
        return _gather(content, records["offset"][records["type"] == kind], _FIXED[kind])

    def closed(kind: Record) -> tuple[NDArray[Any], Sliced]:
        """The records of a type that a slice closes, and what they hold."""
        at = np.flatnonzero(records["type"] == kind)
        number = np.searchsorted(closers, at)
        at, number = at[number < len(closers)], number[number < len(closers)]
        return records[at], Sliced(_gather(content, records["offset"][at], _FIXED[kind]), number.astype(np.int64))

    where, episodes = closed(Record.EPISODE)
    nodes = _gather(content, _tail_offsets(where, episodes.rows["n_nodes"], layout.NODE), layout.NODE)
    heat = of(Record.HEAT)
    warm = _tail_offsets(records[records["type"] == Record.HEAT], heat["n_granules"], layout.GRANULE)
    end = of(Record.END)
    whole = len(end) > 0
    config = records[0]
    return ExactFile(
        pid,
        _text(content, int(config["offset"]), int(config["bytes"])),
        of(Record.SLICE),
        closed(Record.THREAD)[1],
        closed(Record.OBJECT)[1],
        episodes,
        nodes,
        of(Record.REUSE),
        heat,
        _gather(content, warm, layout.GRANULE),
        _notes(content, records[records["type"] == Record.NOTE]),
        int(end["instructions"][-1]) if whole else None,
        int(end["measured"][-1]) if whole else None,
    )


def _tail_offsets(records: NDArray[Any], counts: NDArray[Any], each: np.dtype) -> NDArray[np.int64]:
    """Where each record's nodes or granules are: they end with its payload."""
    counts = counts.astype(np.int64)
    first = (records["offset"] + records["bytes"]).astype(np.int64) - counts * each.itemsize
    within = np.arange(counts.sum(), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within * each.itemsize


def _text(content: NDArray[np.uint8], offset: int, size: int) -> str:
    return content[offset : offset + size].tobytes().rstrip(b"\0").decode("utf-8", "replace")


def _notes(content: NDArray[np.uint8], records: NDArray[Any]) -> list[Note]:
    rows = _gather(content, records["offset"], layout.NOTE)
    fixed = layout.NOTE.itemsize
    return [
        Note(int(row["code"]), int(row["value"]), _text(content, int(record["offset"]) + fixed, int(record["bytes"]) - fixed))
        for row, record in zip(rows, records, strict=True)
    ]
