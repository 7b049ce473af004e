"""Runs one entry of the sweep, without tierprof or with it, in a fresh folder, and keeps what can be compared."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entries import Entry

from tierprof.base.errors import TraceError
from tierprof.base.native import native_path
from tierprof.placer.enforce import enforcement_env, plan_for_run
from tierprof.profiler.launch import LaunchOptions, program_environment
from tierprof.profiler.raw import read_counters

HELPERS = Path(__file__).resolve().parents[2] / "tests/sweep/helpers"

#: Of one process; a run that allocates all the time must not fill the disk with what nobody will look at.
_MAX_RECORD_BYTES = 64 << 20

#: A status that no program has: the run was ended because it took too long.
HUNG = -1

#: The plan's tiers as the shim numbers them: DRAM, then the one that everything goes to.
_SLOW = 1


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    status: int
    output: str
    errors: str
    seconds: float
    allocations: int = 0  # that the tier served, all processes of the run together
    placed_bytes: int = 0

    def same_as(self, other: "Outcome") -> bool:
        """Whether a user could tell the two apart, other than by time."""
        return (self.status, self.output, self.errors) == (other.status, other.output, other.errors)


@dataclass(frozen=True)
class Places:
    """Folders of a sweep."""

    scratch: Path  # where runs happen, on a disk; short, for the sake of sockets' names
    corpus: Path  # what entries read
    memory: Path  # the tier's folder
    disk: Path  # the same, of entries that want it on a disk


def _environment(entry: Entry, places: Places, folder: Path) -> dict[str, str]:
    """The same for every user: nothing of the caller's environment decides what is compared."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "1700000000",
        "CORPUS": str(places.corpus),
        "HELPERS": str(HELPERS),
        "NAME": entry.name,
    }


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("work", "home", "tmp", "raw", "plan"):
        (folder / part).mkdir(parents=True)
    for part in (".", "work", "home", "tmp", "raw", "plan"):
        (folder / part).chmod(0o777)  # servers that refuse to be root run as nobody


def _run(words: Sequence[str], environment: Mapping[str, str], folder: Path, limit_s: float) -> tuple[int, float]:
    """Status and seconds. The process group goes with its leader, and so does what a test that failed left behind in it."""
    started = time.monotonic()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            words, cwd=folder / "work", env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            status = process.wait(limit_s)
            status = status if status >= 0 else 128 - status
        except subprocess.TimeoutExpired:
            status = HUNG
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return status, time.monotonic() - started


def _text(path: Path, hide: Sequence[str]) -> str:
    """What was printed, any bytes of it, without what differs by itself."""
    text = path.read_bytes().decode("utf-8", "backslashreplace")
    for pattern in hide:
        text = re.sub(pattern, "~", text, flags=re.MULTILINE)
    return text


def _by_launcher(entry: Entry, tier: Path, folder: Path) -> list[str]:
    options = LaunchOptions(env=enforcement_env(plan_for_run(None, [f"slow=pmem:{tier}"]), folder / "plan", None))
    words = [str(native_path("tierprof-launch")), "--raw", str(folder / "raw"), "--max-bytes", str(_MAX_RECORD_BYTES)]
    for name, value in program_environment(folder / "raw", options, True).items():
        words += ["--env", f"{name}={_MAX_RECORD_BYTES if name == 'TIERPROF_MAX_BYTES' else value}"]
    return [*words, "--", "bash", "-c", entry.run]


def _by_command_line(entry: Entry, tier: Path, folder: Path) -> list[str]:
    options = ["--source", "none", "--tier", f"slow=pmem:{tier}", "-q", "-o", str(folder / "trace")]
    # What Python needs to find tierprof, where it is not installed, is not the entry's business.
    return [sys.executable, "-P", "-m", "tierprof", "run", *options, "--", "env", "-u", "PYTHONPATH", "bash", "-c", entry.run]


def _served(counters: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    tiers = [process["tiers"][_SLOW] for process in counters]
    return sum(tier["allocations"] for tier in tiers), sum(tier["total_bytes"] for tier in tiers)


def _counters(entry: Entry, folder: Path) -> list[Mapping[str, Any]]:
    """Of each process; by the command line of all in one. One that was killed as it began has none."""
    if not entry.whole:
        found = []
        for path in (folder / "raw").glob("counters.*.bin"):
            with contextlib.suppress(TraceError):
                found.append(read_counters(path))
        return found
    meta = folder / "trace/meta.json"
    return [json.loads(meta.read_text(encoding="utf-8"))["counters"]] if meta.exists() else []  # without one tierprof has printed why


def run(entry: Entry, places: Places, *, tiered: bool) -> Outcome:
    """Run an entry once.

    Parameters
    ----------
    entry
        What to run.
    places
        Where.
    tiered
        Under tierprof, with everything from 4 KiB on in a pmem folder; otherwise as it is.

    Raises
    ------
    RuntimeError
        If what the entry needs could not be made.
    """
    folder = places.scratch / entry.name
    _fresh(folder)
    environment = _environment(entry, places, folder)
    if entry.make:
        status, _ = _run(["bash", "-ec", entry.make], environment, folder, entry.limit_s)
        if status != 0:
            raise RuntimeError(f"status {status}: {_text(folder / 'err', ()).strip() or _text(folder / 'out', ()).strip()}")
    tier = places.disk if entry.disk else places.memory
    words = ["bash", "-c", entry.run]
    if tiered:
        words = (_by_command_line if entry.whole else _by_launcher)(entry, tier, folder)
    if tiered and entry.whole:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    status, seconds = _run(words, environment, folder, entry.limit_s)
    served = _served(_counters(entry, folder)) if tiered and status != HUNG else (0, 0)
    outcome = Outcome(status, _text(folder / "out", entry.hide), _text(folder / "err", entry.hide), seconds, *served)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome
