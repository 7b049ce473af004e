"""Mappings, names, forks, exits and losses: the records that are no samples. Few, so read one by one."""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.profiler.perf import format as fmt

_MMAP2 = struct.Struct("<IIQQQ24sII")  # pid, tid, address, length, file offset, device+inode or build-id, protection, flags
_COMM = struct.Struct("<II")
_TASK = struct.Struct("<IIIIQ")  # pid, parent pid, tid, parent tid, time
_LOST = struct.Struct("<QQ")
_HEADER_BYTES = 8
_TRAILER_BITS = (fmt.SAMPLE_TID, fmt.SAMPLE_TIME, fmt.SAMPLE_ID, fmt.SAMPLE_STREAM_ID, fmt.SAMPLE_CPU, fmt.SAMPLE_IDENTIFIER)


class Mapping(NamedTuple):
    """Code that was mapped: PERF_RECORD_MMAP2."""

    time_ns: int
    pid: int
    tid: int
    start: int
    end: int
    file_offset: int
    path: str
    build_id: str  # hex; empty where the kernel gave none


class Task(NamedTuple):
    """A process or thread that began, ended or changed its program."""

    time_ns: int
    kind: str  # fork | exit | exec | name
    pid: int
    tid: int
    parent_pid: int  # 0 but for fork and exit
    parent_tid: int
    name: str  # of exec and name


def _trailer_time(payload: bytes, sample_type: int) -> tuple[int, int]:
    """Bytes of the trailer that sample_id_all adds, and its time."""
    words = [bit for bit in _TRAILER_BITS if sample_type & bit]
    size = 8 * len(words)
    if fmt.SAMPLE_TIME not in words or len(payload) < size:
        return size, 0
    at = len(payload) - size + 8 * words.index(fmt.SAMPLE_TIME)
    return size, int.from_bytes(payload[at : at + 8], "little")


def _text(payload: bytes) -> str:
    return payload.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _build_id(union: bytes) -> str:
    return union[4 : 4 + min(union[0], 20)].hex()


def _read_mapping(body: bytes, time_ns: int, misc: int) -> Mapping:
    pid, tid, start, length, file_offset, union, _protection, _flags = _MMAP2.unpack_from(body)
    build_id = _build_id(union) if misc & fmt.MISC_BUILD_ID else ""
    return Mapping(time_ns, pid, tid, start, start + length, file_offset, _text(body[_MMAP2.size :]), build_id)


def _read_task(body: bytes, kind: int, time_ns: int, misc: int) -> Task:
    if kind == fmt.RECORD_COMM:
        pid, tid = _COMM.unpack_from(body)
        return Task(time_ns, "exec" if misc & fmt.MISC_EXEC else "name", pid, tid, 0, 0, _text(body[_COMM.size :]))
    pid, parent_pid, tid, parent_tid, at_ns = _TASK.unpack_from(body)
    return Task(at_ns, "fork" if kind == fmt.RECORD_FORK else "exit", pid, tid, parent_pid, parent_tid, "")


class TaskRecords:
    """Collects what the records of all CPUs say."""

    def __init__(self) -> None:
        self.mappings: list[Mapping] = []
        self.tasks: list[Task] = []
        self.lost = 0
        self.throttled = 0

    def read(self, buffer: NDArray[np.uint8], records: Iterable[Any], events: tuple[fmt.PerfEvent, ...]) -> None:
        """Add records (rows of `scan.RECORD`) that are no samples; one that is shorter than its fields is passed over."""
        for record in records:
            start = int(record["offset"]) + _HEADER_BYTES
            payload = buffer[start : start - _HEADER_BYTES + int(record["size"])].tobytes()
            known = record["event"] != fmt.NO_EVENT
            event = events[record["event"]] if known else events[0]
            try:
                self._read_one(payload, int(record["type"]), int(record["misc"]), event.sample_type)
            except struct.error:
                continue

    def _read_one(self, payload: bytes, kind: int, misc: int, sample_type: int) -> None:
        trailer_bytes, time_ns = _trailer_time(payload, sample_type)
        body = payload[: len(payload) - trailer_bytes]
        if kind == fmt.RECORD_MMAP2:
            self.mappings.append(_read_mapping(body, time_ns, misc))
        elif kind in (fmt.RECORD_COMM, fmt.RECORD_FORK, fmt.RECORD_EXIT):
            self.tasks.append(_read_task(body, kind, time_ns, misc))
        elif kind == fmt.RECORD_LOST:
            self.lost += _LOST.unpack_from(body)[1]
        elif kind == fmt.RECORD_LOST_SAMPLES:
            self.lost += int.from_bytes(body[:8], "little")
        elif kind == fmt.RECORD_THROTTLE:
            self.throttled += 1
