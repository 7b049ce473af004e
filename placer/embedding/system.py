"""The system calls that back a range of addresses: mmap at a fixed address, mbind, madvise. All errors are OSError."""

import os
import platform
from collections.abc import Iterable
from typing import Any

import cffi

PAGE_BYTES = os.sysconf("SC_PAGESIZE")

#: A range of this size and more starts at a multiple of it, so that huge pages can back it from its first byte.
HUGE_BYTES = 2 << 20

# linux/mempolicy.h
PREFERRED, BIND, PREFERRED_MANY = 1, 2, 5

_MAX_NODES = 1024
_WORD_BITS = 64

# glibc has no wrapper for it.
_MBIND_NUMBER = {"x86_64": 237, "aarch64": 235}

# sys/mman.h; Python's mmap module has no way to give an address.
_PROT_NONE, _PROT_READ_WRITE = 0, 3
_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_NORESERVE = 0x01, 0x02, 0x10, 0x20, 0x4000
_MADV_HUGEPAGE = 14

_ffi = cffi.FFI()
_ffi.cdef(
    """
    void *mmap(void *address, size_t size, int protection, int flags, int file, long offset);
    int munmap(void *address, size_t size);
    int madvise(void *address, size_t size, int advice);
    long syscall(long number, ...);
    """
)
_libc: Any = _ffi.dlopen(None)


def round_up(size_bytes: int, unit_bytes: int) -> int:
    """The next multiple of the unit."""
    return -(-size_bytes // unit_bytes) * unit_bytes


def reserve(size_bytes: int) -> int:
    """Address of a range that nothing backs yet; on a 2 MiB boundary if it is as large as that.

    Raises
    ------
    OSError
        If there is no such range of addresses.
    """
    align_bytes = HUGE_BYTES if size_bytes >= HUGE_BYTES else PAGE_BYTES
    wide_bytes = size_bytes + align_bytes
    address = _map(0, wide_bytes, _PROT_NONE, _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_NORESERVE, -1)
    start = round_up(address, align_bytes)
    if start > address:
        release(address, start - address)
    if address + wide_bytes > start + size_bytes:
        release(start + size_bytes, address + wide_bytes - start - size_bytes)
    return start


def back_by_memory(address: int, size_bytes: int) -> None:
    """Put private zeroed memory into a reserved range."""
    _map(address, size_bytes, _PROT_READ_WRITE, _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_FIXED, -1)


def back_by_file(address: int, size_bytes: int, file: int) -> None:
    """Map a file's first bytes, shared, into a reserved range."""
    _map(address, size_bytes, _PROT_READ_WRITE, _MAP_SHARED | _MAP_FIXED, file)


def release(address: int, size_bytes: int) -> None:
    """Give a range back with all that backs it."""
    _libc.munmap(_ffi.cast("void *", address), size_bytes)


def advise_huge_pages(address: int, size_bytes: int) -> None:
    """Ask for huge pages (MADV_HUGEPAGE)."""
    if _libc.madvise(_ffi.cast("void *", address), size_bytes, _MADV_HUGEPAGE) != 0:
        raise _error()


def set_policy(address: int, size_bytes: int, mode: int, nodes: Iterable[int]) -> None:
    """Say on which NUMA nodes the range's pages shall be made (mbind)."""
    number = _MBIND_NUMBER.get(platform.machine())
    if number is None:
        raise OSError(0, f"the number of mbind is not known on {platform.machine()}")
    words = _ffi.new("unsigned long[]", _MAX_NODES // _WORD_BITS)
    for node in nodes:
        words[node // _WORD_BITS] |= 1 << node % _WORD_BITS
    arguments = (address, size_bytes, mode, int(_ffi.cast("uintptr_t", words)), _MAX_NODES, 0)
    if _libc.syscall(number, *(_ffi.cast("unsigned long", value) for value in arguments)) != 0:
        raise _error()


def _map(address: int, size_bytes: int, protection: int, flags: int, file: int) -> int:
    mapped = int(_ffi.cast("uintptr_t", _libc.mmap(_ffi.cast("void *", address), size_bytes, protection, flags, file, 0)))
    if mapped == 2 ** (8 * _ffi.sizeof("uintptr_t")) - 1:  # MAP_FAILED
        raise _error()
    return mapped


def _error() -> OSError:
    return OSError(_ffi.errno, os.strerror(_ffi.errno))
