"""Where another process's pages are, asked of the kernel: nodes by move_pages, files by pagemap, huge pages by smaps. Linux only."""

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.base.errors import TierprofError
from tierprof.profiler.image import PAGE_BYTES
from tierprof.profiler.places import ABSENT, FILE, UNKNOWN

#: Pages of one allocation that are looked at; of a larger one, in places that follow no pattern, since interleaved pages do.
MOST_PAGES = 1024

_MOVE_PAGES = {"x86_64": 279, "aarch64": 239}
_CALL_PAGES = 1 << 16
_PRESENT, _OF_FILE = 1 << 63, 1 << 61  # of an entry of /proc/PID/pagemap
_HUGE_FIELDS = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Private_Hugetlb", "Shared_Hugetlb")


class _Area(NamedTuple):
    """A mapping, and the share of its pages in memory that are huge."""

    start: int
    end: int
    huge_share: float


def sample_pages(start: np.ndarray, end: np.ndarray, most: int = MOST_PAGES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pages of ranges to look at: (row, address), one out of each of `most` equal stretches of a range, or all of its pages.

    Parameters
    ----------
    start, end
        Addresses, end exclusive, no range empty. Shape (n,).
    most
        Pages of one range.
    seed
        Of the places within the stretches.
    """
    first = start.astype(np.int64) // PAGE_BYTES
    pages = (end.astype(np.int64) - 1) // PAGE_BYTES - first + 1
    looks = np.minimum(pages, most)
    rows = np.repeat(np.arange(len(start)), looks)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(looks) - looks, looks)
    low, high = pages[rows] * place // looks[rows], pages[rows] * (place + 1) // looks[rows]
    inside = (np.random.default_rng(seed).random(len(rows)) * (high - low)).astype(np.int64)
    return rows, ((first[rows] + low + inside) * PAGE_BYTES).astype(np.uint64)


def nodes_of(pid: int, addresses: np.ndarray) -> np.ndarray:
    """The node of each page, or an errno below 0: -ENOENT where there is no page.

    Raises
    ------
    TierprofError
        If the process has ended, or may not be asked about.
    """
    number = _MOVE_PAGES.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    status = np.full(len(addresses), -errno.ENOSYS, np.int32)
    if number is None:
        return status
    for first in range(0, len(addresses), _CALL_PAGES):
        part = np.ascontiguousarray(addresses[first : first + _CALL_PAGES], np.uint64)
        answer = np.empty(len(part), np.int32)
        pointers = ctypes.c_void_p(part.ctypes.data), ctypes.c_void_p(None), ctypes.c_void_p(answer.ctypes.data)
        if libc.syscall(ctypes.c_long(number), ctypes.c_int(pid), ctypes.c_ulong(len(part)), *pointers, ctypes.c_int(0)) != 0:
            _explain(pid, ctypes.get_errno())
        status[first : first + len(part)] = answer
    return status


def _explain(pid: int, error: int) -> None:
    what = f"process {pid} cannot be asked where its memory is"
    if error == errno.ESRCH:
        raise TierprofError(what, "it has ended", "ask `tierprof where TRACE`")
    if error == errno.EPERM:
        raise TierprofError(what, "it is another user's, or the kernel forbids it", "ask as its user or as root")
    raise TierprofError(what, os.strerror(error).lower(), "ask `tierprof where TRACE` after the run")


def pages_of_files(pid: int, addresses: np.ndarray, nowhere: np.ndarray) -> np.ndarray:
    """Whether each page of a file-backed tier is there and the file's; False where pagemap cannot be read.

    Those that are `nowhere` (of no node) are pages of a file that is the memory itself (DAX): the kernel does not mark them as a file's.
    """
    found = np.zeros(len(addresses), bool)
    try:
        with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as file:
            for place, address in enumerate(addresses.tolist()):
                entry = os.pread(file.fileno(), 8, address // PAGE_BYTES * 8)
                bits = struct.unpack("<Q", entry)[0] if len(entry) == 8 else 0
                found[place] = bool(bits & _PRESENT and (bits & _OF_FILE or nowhere[place]))
    except OSError:
        return found
    return found


def huge_shares(pid: int, addresses: np.ndarray) -> np.ndarray:
    """For each page the share of its mapping's pages that are huge; 0 where smaps cannot be read."""
    areas = _areas(pid)
    starts = np.array([area.start for area in areas], np.uint64)
    ends = np.array([area.end for area in areas], np.uint64)
    shares = np.array([0.0, *(area.huge_share for area in areas)])
    place = np.searchsorted(starts, addresses, side="right")
    inside = (place > 0) & (addresses < np.concatenate((np.zeros(1, np.uint64), ends))[place])
    return np.where(inside, shares[place], 0.0)


def _areas(pid: int) -> list[_Area]:
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    areas: list[_Area] = []
    rss = huge = 0
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if " " in name or not colon:  # the line that opens a mapping: START-END FLAGS ...
            low, _, high = line.split(" ", 1)[0].partition("-")
            areas.append(_Area(int(low, 16), int(high, 16), 0.0))
            rss = huge = 0
        elif name == "Rss" or name in _HUGE_FIELDS:
            kib = int(rest.split()[0])
            rss, huge = (kib, huge) if name == "Rss" else (rss + kib * name.endswith("Hugetlb"), huge + kib)
            areas[-1] = areas[-1]._replace(huge_share=min(huge / rss, 1.0) if rss else 0.0)
    return areas


def find_pages(pid: int, start: np.ndarray, end: np.ndarray, *, in_files: np.ndarray, in_huge: np.ndarray) -> pd.DataFrame:
    """Where ranges of a process's memory are.

    Parameters
    ----------
    pid
        The process.
    start, end
        Addresses, end exclusive. Shape (n,).
    in_files, in_huge
        Which ranges belong to tiers of files, and of huge pages: only for these the kernel is asked about that. Shape (n,), bool.

    Returns
    -------
    DataFrame
        row, place, huge and bytes, as in `tierprof.base.schema.PLACES`: the bytes of a range, in the proportions of what was looked at.

    Raises
    ------
    TierprofError
        If the process has ended, or may not be asked about.
    """
    rows, pages = sample_pages(start, end)
    status = nodes_of(pid, pages)
    of_file = np.zeros(len(pages), bool)
    of_file[in_files[rows]] = pages_of_files(pid, pages[in_files[rows]], status[in_files[rows]] < 0)
    huge = np.zeros(len(pages))
    if in_huge.any():
        huge[in_huge[rows]] = huge_shares(pid, pages[in_huge[rows]])
    names = np.where(of_file, FILE + " on node ", "node ").astype(object) + status.astype(str).astype(object)
    missing = np.isin(status, (-errno.ENOENT, -errno.EFAULT))
    place = np.select([(status < 0) & of_file, missing, status < 0], [FILE, ABSENT, UNKNOWN], names)
    share = (end.astype(np.float64) - start.astype(np.float64))[rows] / np.bincount(rows, minlength=len(start))[rows]
    huge = np.where(status >= 0, huge, 0.0)
    parts = [
        pd.DataFrame({"row": rows, "place": place, "huge": flag, "bytes": share * weight})
        for flag, weight in ((False, 1 - huge), (True, huge))
    ]
    table = pd.concat(parts).groupby(["row", "place", "huge"], as_index=False)["bytes"].sum()
    table["bytes"] = table["bytes"].round().astype(np.int64)
    return table[table["bytes"] > 0].reset_index(drop=True)
