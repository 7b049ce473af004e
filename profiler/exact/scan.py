"""Finds the tagged records of a buffer by libtierprof_scan.so (native/scan/tagged.h); knows nothing of what they mean."""

from functools import cache
from typing import Any, NamedTuple

import cffi
import numpy as np
from numpy.typing import NDArray

from tierprof.base.native import native_path

RECORD = np.dtype([("offset", "<u8"), ("type", "<u4"), ("bytes", "<u4")])

_DECLARATIONS = """
uint64_t tp_tagged_scan(const void *buffer, uint64_t bytes, uint32_t last_type, uint64_t *at, void *records, uint64_t capacity);
"""
_AT_ONCE = 1 << 16


class Scan(NamedTuple):
    """What was found in a buffer."""

    records: NDArray[Any]  # of RECORD: where each payload is
    end: int  # behind the last whole record


@cache
def _library() -> tuple[cffi.FFI, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi, ffi.dlopen(str(native_path("libtierprof_scan.so")))


def scan(buffer: NDArray[np.uint8], start: int, last_type: int) -> Scan:
    """Find all records of a buffer.

    Parameters
    ----------
    buffer
        Bytes, contiguous.
    start
        Where the first record begins.
    last_type
        The greatest type that a record can have; what follows one of another type is not looked at.
    """
    ffi, library = _library()
    at = ffi.new("uint64_t *", start)
    data = ffi.from_buffer(buffer)
    parts: list[NDArray[Any]] = []
    while not parts or len(parts[-1]) == _AT_ONCE:
        records = np.empty(_AT_ONCE, RECORD)
        found = library.tp_tagged_scan(data, buffer.size, last_type, at, ffi.from_buffer(records), _AT_ONCE)
        parts.append(records[:found])
    return Scan(np.concatenate(parts), int(at[0]))
