"""The scanner in C against a slow reference, on sequences that a kernel could write and on ones that it could not."""

import struct
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tierprof.profiler.perf import format as fmt
from tierprof.profiler.perf.scan import scan

IDS = [7, 40, 2**40]

_MISC_BITS = {
    fmt.RECORD_SAMPLE: (1 << 14, fmt.MISC_EXACT_IP),
    fmt.RECORD_MMAP2: (1 << 14, fmt.MISC_BUILD_ID),
    fmt.RECORD_COMM: (1 << 13, fmt.MISC_EXEC),
}


class Found(NamedTuple):
    offset: int
    type: int
    size: int
    event: int
    misc: int


def reference(data: bytes, capacity: int) -> tuple[list[Found], int, bool]:
    """What `tp_scan` promises, said again without speed."""
    found: list[Found] = []
    at = 0
    while len(found) < capacity and len(data) - at >= 8:
        kind, misc, size = struct.unpack_from("<IHH", data, at)
        if kind == 0 or size < 8 or size % 8:
            return found, at, True
        if at + size > len(data):
            break
        where = 8 if kind == fmt.RECORD_SAMPLE else size - 8
        id_ = struct.unpack_from("<Q", data, at + where)[0] if size >= 16 else 0
        event = IDS.index(id_) if id_ in IDS else fmt.NO_EVENT
        bit, flag = _MISC_BITS.get(kind, (0, 0))
        found.append(Found(at, kind, size, event, misc & 7 | (flag if misc & bit else 0)))
        at += size
    return found, at, False


def scanned(data: bytes, capacity: int) -> tuple[list[Found], int, bool]:
    buffer = np.zeros(len(data), np.uint8)
    buffer[:] = np.frombuffer(data, np.uint8)
    result = scan(buffer, IDS, capacity)
    return [Found(*(int(field) for field in record)) for record in result.records], result.consumed_bytes, result.malformed


KINDS = st.sampled_from([fmt.RECORD_SAMPLE, fmt.RECORD_MMAP2, fmt.RECORD_COMM, fmt.RECORD_FORK, fmt.RECORD_LOST, 77])
WORDS = st.lists(st.one_of(st.sampled_from(IDS), st.integers(0, 2**64 - 1)), max_size=12)
MISCS = st.integers(0, 2**16 - 1)


@st.composite
def record_bytes(draw: st.DrawFn) -> bytes:
    words = draw(WORDS)
    return struct.pack(f"<IHH{len(words)}Q", draw(KINDS), draw(MISCS), 8 + 8 * len(words), *words)


@given(st.lists(record_bytes(), max_size=20), st.integers(0, 2000), st.integers(1, 25))
def test_whole_records_are_found_wherever_the_file_is_cut(records: list[bytes], cut: int, capacity: int) -> None:
    data = b"".join(records)
    data = data[: max(0, len(data) - cut)] if cut < len(data) else data
    assert scanned(data, capacity) == reference(data, capacity)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_leaving_the_buffer(data: bytes) -> None:
    assert scanned(data, 50) == reference(data, 50)


@given(st.lists(record_bytes(), min_size=1, max_size=8), st.binary(min_size=8, max_size=8))
def test_what_is_no_record_ends_the_scan_and_is_said(records: list[bytes], junk: bytes) -> None:
    # GIVEN records, then a header that says its size is 4
    data = b"".join(records) + junk[:6] + struct.pack("<H", 4)
    found, consumed, malformed = scanned(data, 100)
    assert malformed
    assert len(found) == len(records)
    assert consumed == sum(len(record) for record in records)
