"""libmemkind in this process, by cffi in ABI mode: what version there is, whether a folder is DAX, and file-backed memory for trials.

A wrapped program's memory is placed by the shim, which opens memkind itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cffi

from tierprof.base.errors import TierError

_LIBRARY = "libmemkind.so.0"
_HOG = "MEMKIND_HOG_MEMORY"  # without it Debian's 1.14 crashes with threads; read when the first kind is made
_MEND = "apt install libmemkind0 (Debian), or memkind (Fedora)"

_DECLARATIONS = """
    typedef struct memkind *memkind_t;
    int memkind_get_version(void);
    void memkind_error_message(int error, char *text, size_t size);
    int memkind_check_dax_path(const char *folder);
    int memkind_create_pmem(const char *folder, size_t limit, memkind_t *kind);
    int memkind_destroy_kind(memkind_t kind);
    void *memkind_malloc(memkind_t kind, size_t size);
    void memkind_free(memkind_t kind, void *memory);
"""

_ffi = cffi.FFI()
_ffi.cdef(_DECLARATIONS)


@cache
def _library() -> Any:
    try:
        return _ffi.dlopen(_LIBRARY)
    except OSError as error:
        raise TierError("memkind", str(error), _MEND) from error


def available() -> bool:
    """Whether memkind is installed."""
    try:
        _library()
    except TierError:
        return False
    return True


def version() -> str:
    """The installed version, like ``1.14.0``.

    Raises
    ------
    TierError
        If memkind is not installed.
    """
    number = _library().memkind_get_version()
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def is_dax(folder: Path) -> bool:
    """Whether the folder lies on persistent memory, mapped without a page cache.

    Raises
    ------
    TierError
        If memkind is not installed.
    """
    return int(_library().memkind_check_dax_path(os.fsencode(folder))) == 0


class PmemKind:
    """Memory in a file in a folder. Use `pmem_kind`."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def allocate(self, size: int) -> Any:
        """A cffi buffer of `size` bytes, the caller's until `free`.

        Raises
        ------
        TierError
            If the kind is full.
        """
        memory = _library().memkind_malloc(self._kind, size)
        if memory == _ffi.NULL:
            raise TierError("memkind", f"no {size} bytes are left in the folder", "free space there")
        return _ffi.buffer(memory, size)

    def free(self, buffer: Any) -> None:
        """Give a buffer of `allocate` back; it must not be used afterwards."""
        _library().memkind_free(self._kind, _ffi.from_buffer(buffer))


@contextmanager
def pmem_kind(folder: Path, limit_bytes: int = 0) -> Iterator[PmemKind]:
    """A file-backed kind for as long as the context lasts.

    Parameters
    ----------
    folder
        An existing folder; memkind makes a file without a name in it.
    limit_bytes
        At most so much, at least 16 MiB; 0: as much as there is.

    Raises
    ------
    TierError
        If memkind is not installed, or refuses the folder.
    """
    library = _library()
    kind = _ffi.new("memkind_t *")
    hog = os.environ.get(_HOG)
    os.environ[_HOG] = "1"
    try:
        status = library.memkind_create_pmem(os.fsencode(folder), limit_bytes, kind)
    finally:
        if hog is None:
            del os.environ[_HOG]
        else:
            os.environ[_HOG] = hog
    if status != 0:
        text = _ffi.new("char[]", 256)
        library.memkind_error_message(status, text, 256)
        raise TierError(
            f"memkind cannot use {folder}", _ffi.string(text).decode(errors="replace"), "give an existing folder that you may write to"
        )
    try:
        yield PmemKind(kind[0])
    finally:
        library.memkind_destroy_kind(kind[0])
