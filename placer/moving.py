"""Moves live objects of a running process to another tier: request after request, at most so many bytes a second."""

import difflib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tierprof.base.errors import TierprofError
from tierprof.placer.control import DONE, SIGNALS, UNSEEN, Answer, ControlledProcess
from tierprof.profiler.modules import Images
from tierprof.profiler.raw import read_meta
from tierprof.profiler.sites import Heap, site_frames, site_names
from tierprof.profiler.symbols import Symboliser

_KEY = re.compile(r"[0-9a-f]{4,32}")
_LONGEST_PAUSE_S = 0.5
_TRIES, _TRY_AGAIN_S = 50, 0.02

Report = Callable[[int, int], None]


@dataclass
class MoveResult:
    """What came of a move.

    Attributes
    ----------
    bytes_moved : int
        As the program asked for them.
    seconds : float
        From the first request to the last answer.
    bytes_left : int
        That could move, and did not because `max_bytes` were used up.
    stays : dict
        Bytes that cannot move, by why.
    chunks : int
    frozen_s, worst_freeze_s : float
        How long writers were kept waiting at most: in all, and by the worst chunk.
    taken_s : float
        What the moves took from the program's threads.
    unseen : bool
        The site has not allocated yet; when it does, it will be in the tier.
    error : int
        errno of the first system call that failed, or 0.
    """

    bytes_moved: int = 0
    seconds: float = 0.0
    bytes_left: int = 0
    stays: dict[str, int] = field(default_factory=dict)
    chunks: int = 0
    frozen_s: float = 0.0
    worst_freeze_s: float = 0.0
    taken_s: float = 0.0
    unseen: bool = False
    error: int = 0

    def add(self, answer: Answer) -> None:
        """Take one answer into account; what stays and what is left is told anew by each."""
        self.bytes_moved += answer.moved_bytes
        self.bytes_left = answer.left_bytes
        self.stays = answer.stay_bytes
        self.chunks += answer.chunks
        self.frozen_s += answer.frozen_s
        self.worst_freeze_s = max(self.worst_freeze_s, answer.worst_s)
        self.taken_s += answer.taken_s
        self.unseen = answer.state == UNSEEN
        self.error = self.error or answer.error


def move_site(
    process: ControlledProcess,
    site: str,
    tier: str,
    *,
    max_bytes: int | None = None,
    chunk_bytes: int | None = None,
    rate_bytes_per_s: float | None = None,
    report: Report | None = None,
) -> MoveResult:
    """Move the live objects of a site, and have its further allocations made in the tier.

    Parameters
    ----------
    process
        The process.
    site
        Key of the site: 32 hex digits.
    tier
        Name of one of the process's tiers.
    max_bytes
        Stop after so many; None: move all.
    chunk_bytes
        Bytes for one signal, between which the program goes on; None: one chunk of the shim's.
    rate_bytes_per_s
        At most; None: as fast as it goes.
    report
        Called after each answer with the bytes moved so far and those left.

    Raises
    ------
    TierprofError
        As `ControlledProcess.ask`.
    """
    result, tries = MoveResult(), 0
    began = time.monotonic()
    with process:
        while True:
            left = (1 << 62) if max_bytes is None else max_bytes - result.bytes_moved
            answer = process.ask(site, tier, min(left, chunk_bytes or process.chunk_bytes))
            result.add(answer)
            result.seconds = time.monotonic() - began
            if report is not None:
                report(result.bytes_moved, result.bytes_left)
            if SIGNALS in answer.stay_bytes and tries < _TRIES:
                tries += 1
                time.sleep(_TRY_AGAIN_S)
                continue
            used_up = max_bytes is not None and result.bytes_moved >= max_bytes
            if answer.state == DONE or answer.left_bytes == 0 or answer.moved_bytes == 0 or used_up:
                return result
            _keep_pace(result, began, rate_bytes_per_s)


def _keep_pace(result: MoveResult, began: float, rate_bytes_per_s: float | None) -> None:
    """Wait until no more bytes have moved than the rate permits."""
    while rate_bytes_per_s:
        ahead_s = result.bytes_moved / rate_bytes_per_s - (time.monotonic() - began)
        if ahead_s <= 0:
            return
        time.sleep(min(ahead_s, _LONGEST_PAUSE_S))


def request_move(pid: int, raw: Path | None, site_key: str, tier_name: str, max_bytes: int | None = None) -> MoveResult:
    """Move a site's live objects in a running process.

    Parameters
    ----------
    pid
        The process.
    raw
        Its raw folder; the process's own control file is used in any case, and must lie there. None: wherever it is.
    site_key
        32 hex digits.
    tier_name
        One of the process's tiers.
    max_bytes
        Stop after so many; None: move all.

    Raises
    ------
    TierprofError
        If the process is not prepared, ends, has no such tier, or does not answer.
    """
    process = ControlledProcess(pid)
    try:
        if raw is not None and process.path.parent.resolve() != raw.resolve():
            raise TierprofError(f"process {pid}", f"it records into {process.path.parent}, not into {raw}", "give its own raw folder")
        return move_site(process, site_key, tier_name, max_bytes=max_bytes)
    finally:
        process.close()


class Site(NamedTuple):
    """A site of a process; the name is empty if it was asked for by its whole key."""

    key: str
    name: str = ""


def find_site(process: ControlledProcess, wanted: str) -> Site:
    """The site of a process whose key or name begins so.

    Parameters
    ----------
    process
        The process.
    wanted
        The beginning of a key or a name that only one site has; or a whole key, which the process need not have met yet.

    Raises
    ------
    TierprofError
        If there is none, or more than one.
    """
    if re.fullmatch(r"[0-9a-f]{32}", wanted):
        return Site(wanted)
    sites = _sites(process)
    found = [site for site in sites if _KEY.fullmatch(wanted) and site.key.startswith(wanted)]
    found = found or [site for site in sites if site.name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    what = f"process {process.pid}"
    if found:
        some = ", ".join(f"{site.key[:8]} {site.name}" for site in found[:4])
        raise TierprofError(what, f"'{wanted}' fits {len(found)} sites: {some}", "give more letters, or of the key")
    near = difflib.get_close_matches(wanted, [site.name for site in sites], n=1, cutoff=0.4)
    mend = f"did you mean '{near[0]}'?" if near else "`tierprof where` lists its objects"
    raise TierprofError(what, f"no site of it is called '{wanted}' or has such a key", mend)


def _sites(process: ControlledProcess) -> list[Site]:
    meta = read_meta(process.meta)
    heap = Heap()
    modules = {module.module: module.path for module in meta.modules}
    for site in meta.sites.values():
        heap.add_site(site, modules)
    heap.allocations = pd.DataFrame({"site": pd.Series(dtype="int64"), "size_bytes": pd.Series(dtype="float64")})
    frames = site_frames(heap, Symboliser(Images()))
    names = site_names(heap, frames)
    return [Site(key, name) for key, name in zip(heap.keys, names, strict=True)]
