"""Splits a buffer of perf records by libtierprof_scan.so (native/scan); knows nothing of their fields."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import cffi
import numpy as np
from numpy.typing import NDArray

from tierprof.base.native import native_path

RECORD = np.dtype([("offset", "<u8"), ("type", "<u4"), ("size", "<u2"), ("event", "u1"), ("misc", "u1")])

_DECLARATIONS = """
struct tp_scan_result { uint64_t n_records; uint64_t consumed; uint32_t malformed; uint32_t pad; };
void tp_scan(const void *buffer, uint64_t bytes, const uint64_t *ids, uint32_t n_ids, void *records, uint64_t capacity,
             struct tp_scan_result *result);
"""


class Scan(NamedTuple):
    """What was found in a buffer."""

    records: NDArray[Any]  # of RECORD
    consumed_bytes: int  # whole records; what follows is cut short or malformed
    malformed: bool


@cache
def _library() -> tuple[cffi.FFI, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi, ffi.dlopen(str(native_path("libtierprof_scan.so")))


def scan(buffer: NDArray[np.uint8], ids: Sequence[int], capacity: int = 1 << 20) -> Scan:
    """Split records from the start of a buffer until it ends or `capacity` are found.

    Parameters
    ----------
    buffer
        Bytes, 8-byte aligned and contiguous.
    ids
        The events' ids; a record's `event` is the index of its id here, or `NO_EVENT`.
    """
    ffi, library = _library()
    records = np.empty(capacity, RECORD)
    result = ffi.new("struct tp_scan_result *")
    events = ffi.new("uint64_t[]", list(ids))
    library.tp_scan(ffi.from_buffer(buffer), buffer.size, events, len(ids), ffi.from_buffer(records), capacity, result)
    return Scan(records[: result.n_records], int(result.consumed), bool(result.malformed))
