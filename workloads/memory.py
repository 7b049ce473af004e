"""How much memory a program may still take, asked before it builds what might not fit."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

from tierprof.base.units import format_bytes
from tierprof.workloads.graph import WorkloadError

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def _number(path: Path) -> int | None:
    """The number in a file of a control group; None for `max`, and where there is no such file."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _left_in_cgroups(root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> Iterator[int]:
    """What is left under each limit of the process's control groups (version 2), from its own up to the root's."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    place = next((line[3:] for line in lines if line.startswith("0::")), None)
    if place is None:
        return
    folder = root / place.lstrip("/")
    while True:
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None and used is not None:
            yield max(limit - used, 0)
        if folder == root or root not in folder.parents:
            return
        folder = folder.parent


def available_bytes() -> int:
    """Bytes that this process may still take: of the machine's memory, under its control groups' limits and its own."""
    left = [psutil.virtual_memory().available, *_left_in_cgroups()]
    own_limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if own_limit != resource.RLIM_INFINITY:
        left.append(max(own_limit - psutil.Process().memory_info().vms, 0))
    return min(left)


def require_bytes(what: str, needed_bytes: float, mend: str) -> None:
    """Refuse what does not fit into memory.

    Parameters
    ----------
    what
        What is about to be built: ``the graph of 1000 interactions``.
    needed_bytes
        An estimate of its peak.
    mend
        What the user can do about it.

    Raises
    ------
    WorkloadError
        If it needs more than is available.
    """
    left_bytes = available_bytes()
    if needed_bytes > left_bytes:
        raise WorkloadError(
            f"{what} does not fit into memory", f"it needs {format_bytes(needed_bytes)}, and {format_bytes(left_bytes)} are left", mend
        )
