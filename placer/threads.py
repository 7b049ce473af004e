"""The threads of a running process: which of them to disturb with a signal, and the signal itself."""

import ctypes
import os
import platform
import signal
import struct
from pathlib import Path
from typing import NamedTuple

from tierprof.base.errors import TierprofError

_NUMBERS = {"x86_64": 297, "aarch64": 240}  # of rt_tgsigqueueinfo, which glibc has no wrapper for
_SI_QUEUE = -1
_SIGINFO_BYTES = 128

# Waits that a handler with SA_RESTART does not cut short (signal(7)): read, write, futex, wait4, flock, accept, recvfrom, recvmsg, sendto,
# sendmsg, connect, openat, waitid, accept4.
_RESTARTED = {
    "x86_64": {0, 1, 202, 61, 73, 43, 45, 47, 44, 46, 42, 257, 247, 288},
    "aarch64": {63, 64, 98, 260, 32, 202, 207, 212, 206, 211, 203, 56, 95, 242},
}
# Waits that fail with EINTR, but do so after SIGSTOP and SIGCONT, too, so that programs are used to it: epoll_wait and its kin.
_STOPPABLE = {"x86_64": {232, 281, 441, 65, 220, 128}, "aarch64": {22, 441, 193, 192, 137}}

RUNNING, RESTARTED, UNKNOWN, STOPPABLE, INTERRUPTED = range(5)


class Thread(NamedTuple):
    """A thread that takes the signal; the lower its disturbance, the better."""

    tid: int
    disturbance: int


def handles(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal now."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def threads(pid: int, number: int) -> list[Thread]:
    """The threads that do not block the signal, those that notice least of it first."""
    found = []
    for folder in Path(f"/proc/{pid}/task").glob("[0-9]*"):
        status = dict(line.partition(":")[::2] for line in _read(folder / "status").splitlines())
        blocked = int(status.get("SigBlk", "f" * 16), 16)
        if not blocked >> (number - 1) & 1:
            found.append(Thread(int(folder.name), _disturbance(folder, status.get("State", "").strip()[:1])))
    return sorted(found, key=lambda thread: thread.disturbance)


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped, by a signal or a debugger."""
    return any(line.split()[1] in "Tt" for line in _read(Path(f"/proc/{pid}/status")).splitlines() if line.startswith("State:"))


def _disturbance(folder: Path, state: str) -> int:
    if state == "R":
        return RUNNING
    words = _read(folder / "syscall").split()
    machine = platform.machine()
    if not words or not words[0].isdigit():
        return RUNNING if words == ["running"] else UNKNOWN
    number = int(words[0])
    if number in _RESTARTED.get(machine, set()):
        return RESTARTED
    return STOPPABLE if number in _STOPPABLE.get(machine, set()) else INTERRUPTED


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def send(pid: int, tid: int, number: int, value: int) -> None:
    """Queue a signal with a value for one thread.

    Raises
    ------
    TierprofError
        If the process belongs to somebody else, or this machine's system calls are not known.
    ProcessLookupError
        If the thread has ended.
    """
    call = _NUMBERS.get(platform.machine())
    if call is None:
        raise TierprofError(f"process {pid}", f"signals with a value are not known on {platform.machine()}", "use a plan with [[move]]")
    info = struct.pack("<iiixxxxiIQ", number, 0, _SI_QUEUE, os.getpid(), os.getuid(), value).ljust(_SIGINFO_BYTES, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(call, pid, tid, number, info) == 0:
        return
    error = ctypes.get_errno()
    if error == 3:  # ESRCH
        raise ProcessLookupError(tid)
    raise TierprofError(f"process {pid} cannot be asked", os.strerror(error).lower(), "ask as its user or as root")


SIGNAL = signal.SIGTRAP
