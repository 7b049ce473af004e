"""Reads what the shim wrote (native/common/records.h) into arrays and plain objects; judges nothing.

What is cut short, by SIGKILL or a full disk, is read as far as it goes, and what is missing is told in words.
"""

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tierprof.base.errors import TraceError
from tierprof.profiler.python_frames import PythonFrame

FORMAT_VERSION = 2
CHUNK_BYTES = 64 * 1024
TIER_COUNT = 8
MODULE_NONE = 2**32 - 1
SITE_NONE = 2**32 - 1

ALLOC_MAGIC = b"TPALLOC\0"
META_MAGIC = b"TPMETA\0\0"
COUNTERS_MAGIC = b"TPCOUNT\0"

RECORD = np.dtype(
    [
        ("time_ns", "<u8"),
        ("address", "<u8"),
        ("size", "<u8"),
        ("site", "<u4"),
        ("tid", "<u4"),
        ("type", "u1"),
        ("tier", "u1"),
        ("flags", "<u2"),
        ("aux", "<u4"),
    ]
)

CHUNK_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("record_bytes", "<u4"),
        ("chunk_bytes", "<u4"),
        ("pid", "<u4"),
        ("tid", "<u4"),
        ("start_ns", "<u8"),
    ]
)

FRAME = np.dtype([("module", "<u4"), ("pad", "<u4"), ("offset", "<u8")])
_LINE = np.dtype([("code", "<u4"), ("line", "<u4")])

_TIER_COUNTERS = ("allocations", "live_bytes", "peak_bytes", "total_bytes", "spilled_allocations", "spilled_bytes")

COUNTERS = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("pid", "<u4"),
        ("tracked_allocations", "<u8"),
        ("tracked_frees", "<u8"),
        ("small_samples", "<u8"),
        ("small_bytes", "<u8"),
        ("unknown_site_allocations", "<u8"),
        ("shim_ns", "<u8"),
        ("dropped_records", "<u8"),
        ("unwind_truncated", "<u8"),
        ("tiers", [(name, "<u8") for name in _TIER_COUNTERS], (TIER_COUNT,)),
        ("emul_signals", "<u8"),
        ("emul_delayed", "<u8"),
        ("emul_unknown_instruction", "<u8"),
        ("emul_elsewhere", "<u8"),
        ("emul_delay_ns", "<u8"),
        ("emul_useful_ns", "<u8"),
        ("emul_bytes", "<u8"),
        ("emul_throttle_ns", "<u8"),
        ("moves", "<u8"),
        ("moved_bytes", "<u8"),
        ("failed_moves", "<u8"),
        ("failed_move_bytes", "<u8"),
        ("frozen_ns", "<u8"),
        ("frozen_worst_ns", "<u8"),
        ("context_keys", "<u8"),
        ("context_misses", "<u8"),
        ("context_mismatches", "<u8"),
        ("small_sites", "<u8"),
        ("small_site_allocations", "<u8"),
        ("small_site_bytes", "<u8"),
    ]
)

# enum tp_meta_type, and the fixed part of each record
_META_HEADER = struct.Struct("<8sII")
_RECORD_HEADER = struct.Struct("<II")
_PROCESS, _MODULE, _SITE, _NOTE, _EXIT, _CODE, _PYTHON = range(1, 8)
_PROCESS_FIXED = struct.Struct("<QIIQQQ")
_MODULE_FIXED = struct.Struct("<IIQQQQ")
_SITE_FIXED = struct.Struct("<IIQQII")
_NOTE_FIXED = struct.Struct("<IIQ")
_EXIT_FIXED = struct.Struct("<Q")
_CODE_FIXED = struct.Struct("<II")
_PYTHON_FIXED = struct.Struct("<II")

_SITE_TRUNCATED, _SITE_NAMED, _SITE_POOL, _SITE_ALLOCATOR_SHIFT = 1, 2, 4, 8

# By enum tp_allocator; without one the pool is the only one that the shim knows (native/shim/pools.c).
_POOLS = ("CPython's small objects", "the program's own malloc", "jemalloc's memory", "mimalloc's memory", "tcmalloc's memory")


@dataclass(frozen=True)
class MetaProcess:
    """A process that the shim was in: one image of it, exec starts another."""

    start_ns: int
    pid: int
    parent_pid: int
    forked: bool  # of a traced process, whose live allocations it shares
    threshold_bytes: int
    small_period_bytes: int
    executable: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class MetaModule:
    """A loaded object. `build_id` is hexadecimal, empty if it has none."""

    module: int
    build_id: str
    bias: int
    start: int
    end: int
    time_ns: int
    path: str


@dataclass(frozen=True)
class MetaSite:
    """A call stack: `frames` is an array of FRAME, offsets being return addresses minus bias; `python` is beyond them; innermost first."""

    site: int
    key: str  # 32 hexadecimal digits
    tier: int
    truncated: bool
    named: bool  # by the plan
    pool: str  # the allocator that maps these pieces and carves objects out of them; empty: the site is a call stack
    frames: np.ndarray
    python: tuple[PythonFrame, ...] = ()


@dataclass(frozen=True)
class MetaNote:
    """Where the shim stepped aside, and why."""

    code: int
    value: int
    time_ns: int
    text: str


@dataclass
class MetaStream:
    """Contents of one meta.PID.SEQ.bin."""

    process: MetaProcess
    modules: list[MetaModule] = field(default_factory=list)
    sites: dict[int, MetaSite] = field(default_factory=dict)  # the last definition of a number holds
    codes: dict[int, tuple[str, str, int]] = field(default_factory=dict)  # of Python: file, function, first line
    notes: list[MetaNote] = field(default_factory=list)
    exit_ns: int | None = None
    damage: list[str] = field(default_factory=list)  # what could not be read, in words

    @property
    def exited(self) -> bool:
        """Whether the process ended in order; false after exec, _exit and signals."""
        return self.exit_ns is not None


def read_allocations(path: Path, damage: list[str] | None = None) -> np.ndarray:
    """The records of one alloc.PID.SEQ.bin.

    Parameters
    ----------
    path
        The file. One without chunks is a process that recorded nothing.
    damage
        If given, what could not be read is added to it, in words.

    Returns
    -------
    ndarray, shape (records,), dtype RECORD
        Chunk by chunk: in order of time for each thread that never left its chunk, but not over all threads.

    Raises
    ------
    TraceError
        If the file cannot be read, is no such file, or is of another version.
    """
    content = _content(path)
    if not _check_first_header(path, content):
        return np.empty(0, RECORD)
    whole = content.size // CHUNK_BYTES
    chunks = content[: whole * CHUNK_BYTES].reshape(whole, CHUNK_BYTES)
    used = chunks[:, : len(ALLOC_MAGIC)].tobytes()
    started = np.frombuffer(used, "S8") == ALLOC_MAGIC.rstrip(b"\0")
    strange = int(np.count_nonzero(~started & chunks[:, : len(ALLOC_MAGIC)].any(axis=1)))
    parts = [_records_of(chunks[started])]
    rest = content[whole * CHUNK_BYTES :]
    if rest[: len(ALLOC_MAGIC)].tobytes() == ALLOC_MAGIC:
        parts.append(_records_of(rest.reshape(1, -1)))
    if damage is not None:
        if rest.size:
            damage.append(f"{path.name} is cut short: {rest.size} bytes of its last chunk of {CHUNK_BYTES} are there")
        if strange:
            damage.append(f"{path.name}: {strange} of {whole} chunks have no valid header and were left out")
    return np.concatenate(parts)


def read_meta(path: Path) -> MetaStream:
    """Contents of one meta.PID.SEQ.bin, as far as it goes.

    Raises
    ------
    TraceError
        If the file cannot be read, is no such file, is of another version, or ends before the process is described.
    """
    content = _content(path).tobytes()
    if len(content) < _META_HEADER.size:
        raise TraceError(f"{path} cannot be read", "it ends within its header", "run `tierprof run` again")
    magic, version, _ = _META_HEADER.unpack_from(content)
    _check(path, magic, META_MAGIC, version)
    stream: MetaStream | None = None
    at = _META_HEADER.size
    while at < len(content):
        kind, size = _RECORD_HEADER.unpack_from(content, at) if at + _RECORD_HEADER.size <= len(content) else (0, len(content))
        payload = content[at + _RECORD_HEADER.size : at + _RECORD_HEADER.size + size]
        if len(payload) < size:
            if stream is not None:
                stream.damage.append(f"{path.name} is cut short: its last record is incomplete")
            break
        if kind == _PROCESS:
            stream = MetaStream(_process(payload))
        elif stream is not None:
            _add(stream, kind, payload)
        at += _RECORD_HEADER.size + size
    if stream is None:
        raise TraceError(f"{path} cannot be read", "it ends before the process is described", "run `tierprof run` again")
    return stream


def read_counters(path: Path) -> dict[str, int | list[dict[str, int]]]:
    """Counters of one counters.PID.SEQ.bin by name; `tiers` is a list of such dictionaries, in the plan's order.

    Raises
    ------
    TraceError
        If the file cannot be read, is no such file, is of another version, or is cut short.
    """
    content = _content(path)
    if content.size < COUNTERS.itemsize:
        raise TraceError(f"{path} cannot be read", f"it has {content.size} of {COUNTERS.itemsize} bytes", "run `tierprof run` again")
    row = np.frombuffer(content[: COUNTERS.itemsize].tobytes(), COUNTERS)[0]
    _check(path, bytes(row["magic"]).ljust(8, b"\0"), COUNTERS_MAGIC, int(row["version"]))
    plain: dict[str, int | list[dict[str, int]]] = {
        name: int(row[name]) for name in COUNTERS.names or () if name not in ("magic", "version", "tiers")
    }
    plain["tiers"] = [{name: int(tier[name]) for name in _TIER_COUNTERS} for tier in row["tiers"]]
    return plain


def _content(path: Path) -> np.ndarray:
    try:
        return np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
    except OSError as error:
        raise TraceError(f"{path} cannot be read", error.strerror or str(error), "run `tierprof run` again") from error


def _check(path: Path, magic: bytes, expected: bytes, version: int) -> None:
    if magic != expected:
        raise TraceError(f"{path} cannot be read", f"it begins with {magic!r}, not {expected!r}", "give a folder that tierprof wrote")
    if version != FORMAT_VERSION:
        why = f"it is of version {version}, and this tierprof reads version {FORMAT_VERSION}"
        raise TraceError(f"{path} cannot be read", why, "read it with the tierprof that wrote it")


def _check_first_header(path: Path, content: np.ndarray) -> bool:
    """Whether any chunk has a header; the first may lack it, if its thread was killed between reserving it and writing to it."""
    starts = range(0, content.size, CHUNK_BYTES)
    start = next((at for at in starts if content[at : at + len(ALLOC_MAGIC)].any()), None)
    if start is None:
        return False
    if content.size - start < CHUNK_HEADER.itemsize:
        raise TraceError(f"{path} cannot be read", "it ends within its header", "run `tierprof run` again")
    header: np.void = np.frombuffer(content[start : start + CHUNK_HEADER.itemsize].tobytes(), CHUNK_HEADER)[0]
    _check(path, bytes(header["magic"]).ljust(8, b"\0"), ALLOC_MAGIC, int(header["version"]))
    sizes = (int(header["record_bytes"]), int(header["chunk_bytes"]), int(header["header_bytes"]))
    if sizes != (RECORD.itemsize, CHUNK_BYTES, CHUNK_HEADER.itemsize):
        raise TraceError(f"{path} cannot be read", "its header contradicts its version", "run `tierprof run` again")
    return True


def _records_of(chunks: np.ndarray) -> np.ndarray:
    """Of each chunk (a row of bytes) the records before its first of type TP_END, in one array."""
    count = max(chunks.shape[1] - CHUNK_HEADER.itemsize, 0) // RECORD.itemsize
    end = CHUNK_HEADER.itemsize + count * RECORD.itemsize
    records = np.ascontiguousarray(chunks[:, CHUNK_HEADER.itemsize : end]).reshape(-1).view(RECORD).reshape(len(chunks), count)
    filled: np.ndarray = np.logical_and.accumulate(records["type"] != 0, axis=1)
    return records[filled]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _process(payload: bytes) -> MetaProcess:
    start_ns, pid, parent_pid, forked, threshold_bytes, small_period_bytes = _PROCESS_FIXED.unpack_from(payload)
    executable, _, command = payload[_PROCESS_FIXED.size :].partition(b"\0")
    arguments = tuple(_text(argument) for argument in command.removesuffix(b"\0").split(b"\0"))
    return MetaProcess(start_ns, pid, parent_pid, bool(forked), threshold_bytes, small_period_bytes, _text(executable), arguments)


def _add(stream: MetaStream, kind: int, payload: bytes) -> None:
    """A record after the first; kinds of a later version are passed over."""
    if kind == _MODULE:
        module, build_id_bytes, bias, start, end, time_ns = _MODULE_FIXED.unpack_from(payload)
        build_id = payload[_MODULE_FIXED.size : _MODULE_FIXED.size + build_id_bytes].hex()
        path = _text(payload[_MODULE_FIXED.size + build_id_bytes :].removesuffix(b"\0"))
        stream.modules.append(MetaModule(module, build_id, bias, start, end, time_ns, path))
    elif kind == _SITE:
        site, n_frames, key_hi, key_lo, tier, flags = _SITE_FIXED.unpack_from(payload)
        frames = np.frombuffer(payload, FRAME, n_frames, _SITE_FIXED.size)
        key = f"{key_hi:016x}{key_lo:016x}"
        truncated, named = bool(flags & _SITE_TRUNCATED), bool(flags & _SITE_NAMED)
        pool = _POOLS[min(flags >> _SITE_ALLOCATOR_SHIFT, len(_POOLS) - 1)] if flags & _SITE_POOL else ""
        stream.sites[site] = MetaSite(site, key, tier, truncated, named, pool, frames)
    elif kind == _NOTE:
        code, value, time_ns = _NOTE_FIXED.unpack_from(payload)
        stream.notes.append(MetaNote(code, value, time_ns, _text(payload[_NOTE_FIXED.size :].removesuffix(b"\0"))))
    elif kind == _CODE:
        code, first_line = _CODE_FIXED.unpack_from(payload)
        file, _, function = payload[_CODE_FIXED.size :].partition(b"\0")
        stream.codes[code] = _text(file), _text(function), first_line
    elif kind == _PYTHON:
        site, n_frames = _PYTHON_FIXED.unpack_from(payload)
        lines = np.frombuffer(payload, _LINE, n_frames, _PYTHON_FIXED.size).tolist()
        codes = [stream.codes.get(code, ("?", "?", 0)) for code, _ in lines]
        python = tuple(PythonFrame(file, line, function, first) for (file, function, first), (_, line) in zip(codes, lines, strict=True))
        if site in stream.sites:
            stream.sites[site] = replace(stream.sites[site], python=python)
    elif kind == _EXIT:
        stream.exit_ns = _EXIT_FIXED.unpack_from(payload)[0]
