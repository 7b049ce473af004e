"""Marks the part of a Python program that `tierprof run --source exact --region marks` measures: tierprof_region.h from Python."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tierprof.base.native import native_path


@cache
def _library() -> ctypes.CDLL:
    """The two calls; loaded once."""
    return ctypes.CDLL(str(native_path("libtierprof_region.so")))


@contextmanager
def region() -> Iterator[None]:
    """Measure the block under ``with``: blocks nest, and without tierprof they cost a microsecond.

    Raises
    ------
    TierprofError
        If the native library is missing.
    """
    library = _library()
    library.tierprof_mark_begin()
    try:
        yield
    finally:
        library.tierprof_mark_end()
