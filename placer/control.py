"""The control file of a running process (native/common/control.h): found, mapped, and a request put to the process."""

import fcntl
import mmap
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from tierprof.base.errors import TierprofError
from tierprof.placer import threads

MAX_TIERS = 8
#: Why bytes of a site stay where they are, by enum tp_stay.
STAYS = {
    1: "small, in the C library's heap",
    2: "small, in a memkind arena",
    3: "mapped by the program itself",
    4: "the tier is full",
    5: "the tier had no memory",
    6: "less than a page of the tier",
    7: "locked into memory or pinned for a device",
    8: "protected by the program",
    9: "a stack that is in use",
    10: "a thread blocks SIGSEGV",
    11: "left on their node by the kernel",
    12: "a system call failed",
    13: "a thread waits in it for a lock that processes share",
}
#: This one may pass: a thread blocks all signals while it starts.
SIGNALS = STAYS[10]
DONE, MORE, BAD, UNSEEN = 1, 2, 3, 4

_MAGIC = b"TPCTRL"
_VERSION = 1
_REQUEST = np.dtype([("key_hi", "<u8"), ("key_lo", "<u8"), ("max_bytes", "<u8"), ("tier", "<u4"), ("pad", "<u4"), ("serial", "<u8")])
_ANSWER = np.dtype(
    [
        *((name, "<u8") for name in ("moved_bytes", "left_bytes")),
        ("stay_bytes", "<u8", (16,)),
        *((name, "<u8") for name in ("chunks", "frozen_ns", "worst_ns", "taken_ns")),
        ("state", "<u4"),
        ("error", "<i4"),
        ("serial", "<u8"),
    ]
)
CONTROL = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("pid", "<u4"),
        ("cookie", "<u8"),
        ("chunk_bytes", "<u8"),
        ("n_tiers", "<u4"),
        ("pad", "<u4"),
        ("tiers", "S32", (MAX_TIERS,)),
        ("request", _REQUEST),
        ("answer", _ANSWER),
    ]
)

_MAPPED = re.compile(r"^\S+ \S+ \S+ \S+ \S+ +(/.*/control\.\d+\.\d+\.bin)( \(deleted\))?$", re.M)
_PATIENCE_S = 10.0
_BLOCKED_S = 1.0  # a thread blocks all signals for moments only, while it forks or starts another
_SLOWEST_BYTES_PER_S, _LONGEST_MOVE_S = 32 << 20, 600.0  # what is asked for at once may be much
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.1
_POLL_S = 0.0002


@dataclass(frozen=True)
class Answer:
    """What came of one request."""

    state: int
    moved_bytes: int
    left_bytes: int
    stay_bytes: dict[str, int]
    chunks: int
    frozen_s: float
    worst_s: float
    taken_s: float
    error: int


class ControlledProcess:
    """A running process that can be asked to move objects; a context manager, one asker at a time.

    Parameters
    ----------
    pid
        The process.

    Raises
    ------
    TierprofError
        If there is no such process, it may not be looked at, or it is not prepared: SIGTRAP would kill it.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.path = self._find()
        try:
            descriptor = os.open(f"/proc/{pid}/root{self.path}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise self._error(f"its control file {self.path}: {(error.strerror or '').lower()}", "ask as its user or as root") from error
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, CONTROL.itemsize)
        self._control = np.frombuffer(self._map, CONTROL)[0:1]
        if self._control["magic"][0] != _MAGIC or self._control["version"][0] != _VERSION:
            raise self._error("its control file is of another version", "use the tierprof that started it")
        self.tiers = tuple(name.decode() for name in self._control["tiers"][0][: self._control["n_tiers"][0]])
        self.chunk_bytes = int(self._control["chunk_bytes"][0])

    @property
    def meta(self) -> Path:
        """The process's meta file, which names its sites."""
        return Path(f"/proc/{self.pid}/root{self.path.with_name(self.path.name.replace('control', 'meta', 1))}")

    def __enter__(self) -> "ControlledProcess":
        """Wait until nobody else asks the process."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise self._error("somebody else is moving its objects", "wait for that to end") from None
                time.sleep(_FIRST_WAIT_S)
            else:
                return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Let others ask."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; its mapping goes with the last view of it."""
        del self._control, self._map
        os.close(self._descriptor)

    def ask(self, site: str, tier: str, max_bytes: int) -> Answer:
        """Have at most `max_bytes` of a site (32 hex digits) moved, or one chunk if that is more, and wait for the answer.

        Raises
        ------
        TierprofError
            If the process has no such tier, ends, blocks the signal, or does not answer.
        """
        request = self._control["request"]
        request["key_hi"], request["key_lo"] = int(site[:16], 16), int(site[16:], 16)
        request["max_bytes"], request["tier"] = min(max(max_bytes, 1), 2**64 - 1), self.check_tier(tier)
        serial = max(int(request["serial"][0]), int(self._control["answer"]["serial"][0])) + 1
        request["serial"] = serial
        wait_s, began, sent = _FIRST_WAIT_S, time.monotonic(), False
        until = began + _PATIENCE_S + min(max_bytes / _SLOWEST_BYTES_PER_S, _LONGEST_MOVE_S)
        while True:
            sent = self._send() or sent
            if self._answered(serial, wait_s):
                return self._answer()
            if not sent and time.monotonic() > began + _BLOCKED_S:
                raise self._error("all its threads block SIGTRAP", "use a plan with [[move]] at an allocation")
            if time.monotonic() > until:
                raise self._error("it does not answer", "try again; a process that is stopped or waits in the kernel cannot")
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def check_tier(self, tier: str) -> int:
        """The number of the tier.

        Raises
        ------
        TierprofError
            If the process has none of that name.
        """
        if tier not in self.tiers:
            raise self._error(f"it has no tier '{tier}'", f"it has {', '.join(self.tiers)}; others are given when it starts")
        return self.tiers.index(tier)

    def _send(self) -> bool:
        """Send the signal to the thread that notices least of it; False if none takes it now: while one forks, starts, or moves."""
        self._check_same()
        if not threads.handles(self.pid, threads.SIGNAL):
            raise self._error("its SIGTRAP would kill it: it has set that past the C library", "use a plan with [[move]] at an allocation")
        if threads.is_stopped(self.pid):
            raise self._error("it is stopped", f"let it go on: kill -CONT {self.pid}")
        for thread in threads.threads(self.pid, threads.SIGNAL):
            self._check_same()
            try:
                threads.send(self.pid, thread.tid, threads.SIGNAL, int(self._control["cookie"][0]))
            except ProcessLookupError:
                continue
            return True
        return False

    def _answered(self, serial: int, wait_s: float) -> bool:
        until = time.monotonic() + wait_s
        while int(self._control["answer"]["serial"][0]) != serial:
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True

    def _check_same(self) -> None:
        if self._mapped() != str(self.path):
            raise self._error("it has ended, or runs another program now", "look with `ps`")

    def _answer(self) -> Answer:
        answer = self._control["answer"][0]
        return Answer(
            state=int(answer["state"]),
            moved_bytes=int(answer["moved_bytes"]),
            left_bytes=int(answer["left_bytes"]),
            stay_bytes={STAYS.get(why, "another reason"): int(size) for why, size in enumerate(answer["stay_bytes"]) if size},
            chunks=int(answer["chunks"]),
            frozen_s=int(answer["frozen_ns"]) / 1e9,
            worst_s=int(answer["worst_ns"]) / 1e9,
            taken_s=int(answer["taken_ns"]) / 1e9,
            error=int(answer["error"]),
        )

    def _find(self) -> Path:
        path = self._mapped()
        if path is not None and not path.endswith(" (deleted)"):
            return Path(path)
        if path is not None:
            raise self._error("its raw folder is gone", "it outlived the `tierprof run` that started it")
        if "libtierprof.so" in self._maps():
            why, mend = "it has no tiers", "start it with `tierprof run --plan PLAN`, or with --tier dram --tier slow=..., -- COMMAND"
            raise self._error(why, mend)
        raise self._error("it does not run under tierprof", "start it with `tierprof run --tier dram --tier slow=... -- COMMAND`")

    def _mapped(self) -> str | None:
        match = _MAPPED.search(self._maps())
        return match.group(1) + (match.group(2) or "") if match else None

    def _maps(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, ProcessLookupError):
            raise self._error("there is no such process", "`ps` lists them") from None
        except OSError as error:
            raise self._error((error.strerror or str(error)).lower(), "ask as its user or as root") from error

    def _error(self, why: str, mend: str) -> TierprofError:
        return TierprofError(f"process {self.pid}", why, mend)
