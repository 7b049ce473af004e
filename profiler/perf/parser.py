"""The raw folder's perf.CPU.bin files into one stream of samples, one of mappings and one of tasks, each in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.profiler.perf import format as fmt
from tierprof.profiler.perf import ibs
from tierprof.profiler.perf.fields import Fields, gather
from tierprof.profiler.perf.scan import scan
from tierprof.profiler.perf.tasks import Mapping, Task, TaskRecords

SAMPLE_DTYPES: dict[str, str] = {
    "time_ns": "<i8",  # CLOCK_MONOTONIC
    "pid": "<i4",
    "tid": "<i4",
    "event": "<U5",  # clock | fault | load | store | ibs: an op that neither loads nor stores
    "ip": "<u8",
    "kernel": "?",  # sampled in the kernel: ip is the kernel's
    "exact_ip": "?",  # ip is the instruction itself, not one near it
    "address": "<u8",  # 0: the event gives none
    "has_regs": "?",
    "latency": "<u4",  # cycles; 0: the event gives none
    "data_src": "<u8",  # profiler.perf.datasrc reads it
    "weight": "<f8",  # seconds (clock), or faults or accesses that the sample stands for
}

# Of records a pass; bounds the memory beside the result.
_BATCH_RECORDS = 1 << 20


@dataclass
class PerfStreams:
    """What perf saw of one run."""

    samples: dict[str, NDArray[Any]]  # SAMPLE_DTYPES, and regs (n, 18) u8 in the order of format.REGISTERS; sorted by time_ns
    maps: pd.DataFrame  # columns of tasks.Mapping
    tasks: pd.DataFrame  # columns of tasks.Task
    lost: int  # records that found their buffer full
    throttled: int
    start_ns: int  # just before the program's exec; 0 without samples
    events: tuple[fmt.PerfEvent, ...]
    notes: list[str] = field(default_factory=list)


def _columns(fields: Fields, words: NDArray[np.uint64], event: fmt.PerfEvent) -> dict[str, NDArray[Any]]:
    """An event's fields as the columns that all events share."""
    n = len(fields["whole"])
    zeros = np.zeros(n, np.uint64)
    pid_tid = fields.get("pid_tid", zeros)
    weight = fields["period"] * (1e-9 if event.name == "clock" else 1.0) if "period" in fields else np.full(n, event.weight)
    latency = fields.get("weight", fields.get("weight_struct", zeros) & np.uint64(0xFFFFFFFF))
    columns: dict[str, NDArray[Any]] = {
        "time_ns": fields["time"],
        "pid": pid_tid & np.uint64(0xFFFFFFFF),
        "tid": pid_tid >> np.uint64(32),
        "event": np.full(n, event.name),
        "ip": fields.get("ip", zeros),
        "kernel": fields["kernel"],
        "exact_ip": fields["exact_ip"],
        "address": fields.get("address", zeros),
        "has_regs": fields.get("has_regs", np.zeros(n, bool)),
        "latency": np.minimum(latency, np.uint64(0xFFFFFFFF)),
        "data_src": fields.get("data_src", zeros),
        "weight": weight,
    }
    if event.name == "ibs" and "raw" in fields:
        decoded = ibs.decode(words.view(np.uint8), fields["raw"], fields["raw_bytes"], columns["ip"])
        columns.update({name: decoded[name] for name in ("ip", "address", "latency", "data_src")})
        columns["event"] = np.where(decoded["load"], "load", np.where(decoded["store"], "store", "ibs"))
    shaped = {name: columns[name].astype(dtype, copy=False) for name, dtype in SAMPLE_DTYPES.items()}
    shaped["regs"] = fields.get("regs", np.zeros((n, len(fmt.REGISTERS)), np.uint64))
    return {name: column[fields["whole"]] for name, column in shaped.items()}


@dataclass
class Position:
    """How far a file was read, in bytes behind its header: a growing one is read on from there."""

    at: int = 0


def _read_file(
    path: Path, header: fmt.PerfFileHeader, other: TaskRecords, notes: list[str], position: Position
) -> Iterator[dict[str, NDArray[Any]]]:
    size = path.stat().st_size - header.header_bytes
    if size < position.at + 8 or not header.events:
        return
    buffer = np.memmap(path, np.uint8, "r", header.header_bytes, size)
    ids = [event.id for event in header.events]
    at = position.at
    while at < size:
        found = scan(buffer[at:], ids, _BATCH_RECORDS)
        batch = buffer[at : at + found.consumed_bytes]
        words = batch.view("<u8")
        is_sample = found.records["type"] == fmt.RECORD_SAMPLE
        for number, event in enumerate(header.events):
            mine = found.records[is_sample & (found.records["event"] == number)]
            if mine.size:
                yield _columns(gather(words, mine, event), words, event)
        other.read(batch, found.records[~is_sample], header.events)
        at += found.consumed_bytes
        position.at = at
        if found.malformed:
            notes.append(f"{path.name}: what follows byte {header.header_bytes + at} is no record of perf; read up to there")
        if found.malformed or found.consumed_bytes == 0:
            return


def _empty() -> dict[str, NDArray[Any]]:
    columns = {name: np.empty(0, dtype) for name, dtype in SAMPLE_DTYPES.items()}
    return {**columns, "regs": np.empty((0, len(fmt.REGISTERS)), np.uint64)}


def read_perf(raw: Path) -> PerfStreams:
    """Read all perf.CPU.bin of a raw folder; none at all is a run without samples.

    A file that was cut short is read up to its last whole record.

    Raises
    ------
    TraceError
        If a file is of another version.
    """
    return PerfTail(raw).read()


class PerfTail:
    """Reads perf.CPU.bin files while they grow.

    Parameters
    ----------
    raw
        The raw folder.
    """

    def __init__(self, raw: Path) -> None:
        self._raw = raw
        self._positions: dict[Path, Position] = {}
        self._other = TaskRecords()

    def read(self) -> PerfStreams:
        """The samples that came since the last call, and all mappings and tasks so far.

        Raises
        ------
        TraceError
            If a file is of another version.
        """
        parts: list[dict[str, NDArray[Any]]] = [_empty()]
        notes = list[str]()
        start_ns, events = 0, tuple[fmt.PerfEvent, ...]()
        for path in sorted(self._raw.glob("perf.*.bin")):
            header = fmt.read_header(path)
            if header is None:
                notes.append(f"{path.name}: cut short before its first record")
                continue
            start_ns, events = header.start_ns, header.events
            parts.extend(_read_file(path, header, self._other, notes, self._positions.setdefault(path, Position())))
        return _streams(parts, self._other, start_ns, events, notes)


def _streams(
    parts: list[dict[str, NDArray[Any]]], other: TaskRecords, start_ns: int, events: tuple[fmt.PerfEvent, ...], notes: list[str]
) -> PerfStreams:
    time_ns = np.concatenate([part["time_ns"] for part in parts])
    order = np.argsort(time_ns, kind="stable")
    samples = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    maps = pd.DataFrame(sorted(other.mappings), columns=list(Mapping._fields))
    tasks = pd.DataFrame(sorted(other.tasks, key=lambda task: task.time_ns), columns=list(Task._fields))
    return PerfStreams(samples, maps, tasks, other.lost, other.throttled, start_ns, events, notes)
