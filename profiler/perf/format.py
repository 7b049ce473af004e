"""Names and numbers of perf's records (linux/perf_event.h) and of perf.CPU.bin (native/launch/perffile.h)."""

import struct
from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import TraceError

# PERF_RECORD_*
RECORD_MMAP = 1
RECORD_LOST = 2
RECORD_COMM = 3
RECORD_EXIT = 4
RECORD_THROTTLE = 5
RECORD_FORK = 7
RECORD_SAMPLE = 9
RECORD_MMAP2 = 10
RECORD_LOST_SAMPLES = 13

# PERF_SAMPLE_*
SAMPLE_IP = 1 << 0
SAMPLE_TID = 1 << 1
SAMPLE_TIME = 1 << 2
SAMPLE_ADDR = 1 << 3
SAMPLE_ID = 1 << 6
SAMPLE_CPU = 1 << 7
SAMPLE_PERIOD = 1 << 8
SAMPLE_STREAM_ID = 1 << 9
SAMPLE_RAW = 1 << 10
SAMPLE_REGS_USER = 1 << 12
SAMPLE_WEIGHT = 1 << 14
SAMPLE_DATA_SRC = 1 << 15
SAMPLE_IDENTIFIER = 1 << 16
SAMPLE_TRANSACTION = 1 << 17
SAMPLE_PHYS_ADDR = 1 << 19
SAMPLE_CGROUP = 1 << 21
SAMPLE_DATA_PAGE_SIZE = 1 << 22
SAMPLE_CODE_PAGE_SIZE = 1 << 23
SAMPLE_WEIGHT_STRUCT = 1 << 24

SAMPLE_ALWAYS = SAMPLE_IDENTIFIER | SAMPLE_TID | SAMPLE_TIME

# tp_scan_record.misc: cpumode in the low bits, then what linux/perf_event.h encodes by record type.
MISC_CPUMODE = 7
CPUMODE_KERNEL = 1
MISC_EXACT_IP = 8
MISC_BUILD_ID = 16
MISC_EXEC = 32
NO_EVENT = 255

# PERF_REG_X86_*: AX BX CX DX SI DI BP SP IP FLAGS, no segments, R8..R15; a sample holds them in this order.
REGISTERS = (*range(10), *range(16, 24))
REGISTERS_MASK = sum(1 << number for number in REGISTERS)

_HEADER = struct.Struct("<8sIIIIQ")
_EVENT = struct.Struct("<QQQQIIQ16s")
_MAGIC = b"TPPERF\0\0"
_VERSION = 1
_FLAG_KERNEL = 1


@dataclass(frozen=True)
class PerfEvent:
    """One event of a file, as the kernel took it."""

    id: int
    name: str  # clock | fault | load | store | ibs
    sample_type: int
    regs_user: int
    period: int
    kernel: bool

    @property
    def weight(self) -> float:
        """What one sample stands for: seconds of a clock, else a number of faults or accesses."""
        return self.period * 1e-9 if self.name == "clock" else float(self.period)


@dataclass(frozen=True)
class PerfFileHeader:
    """How a perf.CPU.bin begins."""

    cpu: int
    header_bytes: int
    start_ns: int
    events: tuple[PerfEvent, ...]


def read_header(path: Path) -> PerfFileHeader | None:
    """The header of a perf.CPU.bin, or None if it was cut short before the first record.

    Raises
    ------
    TraceError
        If the file is none of ours or of another version.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return None
        magic, version, header_bytes, cpu, n_events, start_ns = _HEADER.unpack(head)
        if magic != _MAGIC or version != _VERSION:
            what = f"version {version}" if magic == _MAGIC else "other content"
            raise TraceError(f"{path} cannot be read", f"it has {what} where samples of version {_VERSION} are expected", "record it again")
        body = file.read(n_events * _EVENT.size)
    if len(body) < n_events * _EVENT.size:
        return None
    events = []
    for id_, sample_type, regs, period, _type, flags, _config, name in _EVENT.iter_unpack(body):
        events.append(PerfEvent(id_, name.rstrip(b"\0").decode("ascii", "replace"), sample_type, regs, period, bool(flags & _FLAG_KERNEL)))
    return PerfFileHeader(cpu, header_bytes, start_ns, tuple(events))
