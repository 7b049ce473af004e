"""The exact engine on this machine: found, checked, and given the folder that it looks for its parts in."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierprof.base.errors import CommandError, TierprofError
from tierprof.base.native import native_path
from tierprof.profiler.command import CommandFacts
from tierprof.profiler.exact.options import ExactOptions

LOGS = "engine.*.log"
_CONFIG = "machine.config"
_NO_ENGINE = "source exact cannot be used"

# What valgrind itself cannot do without, beside the tool.
_PART = "vgpreload_core-amd64-linux.so"

# How valgrind runs the tool. Its own configuration files are the user's for other tools; the debugger's pipes would litter /tmp;
# threads take turns fairly, or one that waits in a loop would hold up the one that it waits for.
_CORE_ARGUMENTS = ("--command-line-only=yes", "--quiet", "--vgdb=no", "--trace-children=yes", "--fair-sched=try")

# Threads run one at a time: a runtime that spins while it waits would be measured spinning, which on the real machine it would do
# on a core of its own.
_PATIENCE = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@dataclass(frozen=True)
class Engine:
    """The engine, complete and of one version."""

    launcher: Path
    tool: Path
    library: Path  # valgrind's own folder
    version: str  # of valgrind: `3.19.0`


@dataclass(frozen=True)
class EngineCommand:
    """What starts a program under the engine."""

    words: tuple[str, ...]  # that stand before the program's command
    environment: Mapping[str, str]  # that the program gets beside its own
    version: str


def find_engine() -> Engine:
    """Look for valgrind and for our tool in it.

    Raises
    ------
    TierprofError
        If a part is missing, or the parts do not fit each other.
    """
    if platform.machine() != "x86_64":
        raise TierprofError(_NO_ENGINE, f"the engine is for x86-64 and this machine is {platform.machine()}", "use another source")
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise TierprofError(_NO_ENGINE, "valgrind is in no folder of PATH", "install valgrind: apt install valgrind")
    try:
        tool = native_path("exact/tierprof-amd64-linux")
        built_for = native_path("exact/valgrind-version").read_text(encoding="ascii").strip()
        launcher = native_path("exact/tierprof-engine")
    except TierprofError:
        why = "this tierprof was built where valgrind's headers were not installed"
        raise TierprofError(_NO_ENGINE, why, "apt install valgrind, then install tierprof again from source") from None
    installed = _installed_version(Path(valgrind))
    if installed != built_for:
        why = f"it was built for valgrind {built_for}, and valgrind {installed} is installed"
        raise TierprofError(_NO_ENGINE, why, "install tierprof again from source")
    return Engine(launcher.absolute(), tool.absolute(), _library(Path(valgrind)), installed)


def _installed_version(valgrind: Path) -> str:
    done = subprocess.run([str(valgrind), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("valgrind-") or "of no version"


def _library(valgrind: Path) -> Path:
    """The folder of valgrind's parts: where it says itself, or where distributions put it."""
    prefix = valgrind.resolve().parent.parent
    named = [Path(os.environ["VALGRIND_LIB"])] if os.environ.get("VALGRIND_LIB") else []
    places = [*named, *(prefix / place / "valgrind" for place in ("libexec", "lib", "lib64", "lib/x86_64-linux-gnu"))]
    for place in places:
        if (place / _PART).exists():
            return place
    looked = ", ".join(str(place) for place in places)
    raise TierprofError(_NO_ENGINE, f"valgrind's own parts are in none of {looked}", "install valgrind again, or set VALGRIND_LIB")


def check_program(facts: CommandFacts) -> None:
    """Refuse a program that the engine cannot run. A static one it can, without its allocations.

    Raises
    ------
    CommandError
        If it is of another machine or width, or gains privileges.
    """
    what = f"{facts.program} cannot be run by the exact engine"
    if facts.foreign:
        raise CommandError(what, "it is a program for another machine", "build it for this one")
    if facts.bits == 32:
        raise CommandError(what, "it is a 32-bit program, and the engine is for 64 bit", "build it for 64 bit, or use another source")
    if facts.setuid:
        raise CommandError(what, "it is set-uid or set-gid", "copy it without that bit, or use another source")


@contextmanager
def _folder(engine: Engine) -> Iterator[Path]:
    """A folder with valgrind's parts and our tool beside them, as links, for as long as the run lasts.

    What the program leaves running and starts later finds it gone, and runs without the engine.
    """
    folder = Path(_written(tempfile.mkdtemp, None, "tierprof-engine-"))
    try:
        parts = {part.name: part for part in engine.library.iterdir()} | {engine.tool.name: engine.tool}
        for name, part in parts.items():
            _written((folder / name).symlink_to, part)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(write: Callable[..., Any], *arguments: object) -> Any:
    """What writing gives; a place that cannot be written to is one line."""
    try:
        return write(*arguments)
    except OSError as error:
        why = f"{error.filename or tempfile.gettempdir()}: {(error.strerror or str(error)).lower()}"
        raise TierprofError("the exact engine cannot be started", why, "free space there, or set TMPDIR") from error


@contextmanager
def engine_command(options: ExactOptions, raw: Path) -> Iterator[EngineCommand]:
    """How to start a program under the engine, for as long as the run lasts.

    Parameters
    ----------
    options
        What to measure; the machine's description is written into the raw folder.
    raw
        The folder to record into, which exists.

    Raises
    ------
    TierprofError
        As `find_engine`.
    """
    engine = find_engine()
    config = raw / _CONFIG
    _written(config.write_text, options.config())
    log = str(raw).replace("%", "%%") + "/" + LOGS.replace("*", "%p")
    words = (str(engine.launcher), "--tool=tierprof", *_CORE_ARGUMENTS, f"--log-file={log}", *options.engine_arguments(raw, config))
    # What the user says about waiting is kept.
    patience = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    with _folder(engine) as folder:
        yield EngineCommand(words, {"VALGRIND_LIB": str(folder), "TIERPROF_ENGINE": "1", **patience}, engine.version)


def first_complaint(raw: Path) -> str | None:
    """The first line that valgrind wrote into a log of its own; None if there is none."""
    for log in sorted(raw.glob(LOGS)):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        if lines:
            return " ".join(lines[0].split())
    return None
