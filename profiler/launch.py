"""One run of the program under the shim and the sampler, into a raw folder. No conversion, no judgement."""

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tierprof.base.errors import CommandError, TierprofError
from tierprof.base.native import native_path
from tierprof.profiler.command import CommandFacts, check_command
from tierprof.profiler.exact.engine import EngineCommand, check_program, engine_command
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.sources import DEFAULT_RATE_HZ, Source, choose_source, explain_refusal

DEFAULT_THRESHOLD_BYTES = 4096
DEFAULT_SMALL_PERIOD_BYTES = 128 * 1024
DEFAULT_MAX_TRACE_BYTES = 4 * 2**30

_STATUS_LAUNCHER_FAILED = 125


@dataclass(frozen=True)
class LaunchOptions:
    """How to run and what to record."""

    source: str = "auto"
    rate_hz: float = DEFAULT_RATE_HZ
    env: Mapping[str, str] = field(default_factory=dict)  # for the program alone
    threshold_bytes: int = DEFAULT_THRESHOLD_BYTES  # allocations from here on are tracked one by one
    small_period_bytes: int = DEFAULT_SMALL_PERIOD_BYTES  # mean bytes between sampled small ones; 0: none
    max_trace_bytes: int = DEFAULT_MAX_TRACE_BYTES  # of samples, and of one process's allocations
    preload: bool = True
    record: bool = True  # false: the shim places and writes nothing down
    force: bool = False  # permit a rate above the cap
    plan: str | None = None  # the plan that `env` makes the shim follow, for the trace to name
    tiers: tuple[str, ...] = ("dram",)  # names of the tiers by the shim's numbers
    discard_stdout: bool = False  # for runs that repeat one whose results were seen already
    exact: ExactOptions | None = None  # for the source exact: what to measure
    beside: Callable[[Path], AbstractContextManager[object]] | None = None  # of the raw folder: entered before the program starts


@dataclass(frozen=True)
class LaunchResult:
    """How a run went."""

    exit_status: int  # the program's own; 128 + N if signal N ended it
    wall_s: float
    user_s: float
    system_s: float
    sampler_s: float  # CPU time of the process that drains the samples
    perf_error: str | None  # one line on why there are no samples
    source: str  # that was used: pebs | ibs | clock | exact | none
    rate_hz: float
    start_ns: int  # CLOCK_MONOTONIC, just before exec
    end_ns: int
    preloaded: bool
    ended_by: int = 0  # the signal that ended the program; 0: it ended by itself
    signal_received: int = 0  # the last that came for this process, and went on to the program; 0: none
    peak_rss_bytes: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)  # by event: nanoseconds (clock), faults; sampled or not
    periods: Mapping[str, int] = field(default_factory=dict)  # by event: what one sample stands for
    notes: tuple[dict[str, str], ...] = ()  # {code, text}
    sample_cost_s: float = 0.0  # time that samples took from the program, as estimated by the calibration
    plan: str | None = None  # as in the options
    tiers: tuple[str, ...] = ("dram",)
    skid: Mapping[str, Any] = field(default_factory=dict)  # profiler.skid's calibration; empty: none was made
    exact: ExactOptions | None = None  # as in the options
    engine: str = ""  # the version of valgrind that ran the program; times are the engine's then, and not the program's

    @property
    def overhead_s(self) -> float:
        """What sampling cost: the drain's CPU time and the samples' own. The shim's share is in its counters."""
        return self.sampler_s + self.sample_cost_s


def _shim_for_preload() -> str:
    """The shim's path; by way of a link where LD_PRELOAD could not hold it (it separates at spaces and colons)."""
    shim = native_path("libtierprof.so").absolute()
    if " " not in str(shim) and ":" not in str(shim):
        return str(shim)
    link = Path(tempfile.mkdtemp(prefix="tierprof-")) / shim.name
    link.symlink_to(shim)
    return str(link)


def _preload_list(shim: str, before: str) -> str:
    others = [entry for entry in before.replace(":", " ").split() if entry != shim]
    return ":".join([shim, *others])


def program_environment(raw: Path, options: LaunchOptions, preload: bool) -> dict[str, str]:
    """What the program's environment has beside the user's own; the user's LD_PRELOAD is kept behind the shim."""
    extra = dict(options.env)
    if preload:
        before = extra.get("LD_PRELOAD", os.environ.get("LD_PRELOAD", ""))
        extra["LD_PRELOAD"] = _preload_list(_shim_for_preload(), before)
        if options.record:
            extra["TIERPROF_DIR"] = str(raw)
        extra["TIERPROF_THRESHOLD"] = str(options.threshold_bytes)
        extra["TIERPROF_SMALL_PERIOD"] = str(options.small_period_bytes)
        extra["TIERPROF_MAX_BYTES"] = str(options.max_trace_bytes)
    return extra


class _Relay:
    """Passes signals on to the launcher, also those that come while it is being started."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self.received = 0  # the last signal; 0: none

    def __call__(self, number: int, _frame: object) -> None:
        self.received = number
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def attach(self, process: "subprocess.Popen[bytes]") -> None:
        """From now on, and what has come so far."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def stay(self, number: int, _frame: object) -> None:
        """Outlive the program: it decides what the terminal's signals mean, and gets them by itself."""
        self.received = number


@contextmanager
def _signals_relayed() -> Iterator[_Relay]:
    """Signals that are sent to this process go to the program.

    Signals that were ignored stay ignored, so that `nohup` and background jobs mean what they say.
    """
    relay = _Relay()
    if threading.current_thread() is not threading.main_thread():
        yield relay
        return
    handlers: dict[signal.Signals, Callable[[int, object], None]] = {
        signal.SIGINT: relay.stay,
        signal.SIGQUIT: relay.stay,
        signal.SIGTERM: relay,
        signal.SIGHUP: relay,
    }
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield relay
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _start_and_wait(arguments: list[str], stdout: int | None) -> tuple[int, int]:
    """The launcher's exit status, negative if a signal ended it; and the last signal that this process got meanwhile, or 0."""
    with _signals_relayed() as relay:
        try:
            # Descriptors that the user's shell handed on (a make jobserver, <(...)) are the program's too.
            process = subprocess.Popen(arguments, close_fds=False, stdout=stdout)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CommandError("the command cannot be started", why, "shorten its arguments or environment") from error
        relay.attach(process)
        return process.wait(), relay.received


def _report(raw: Path) -> dict[str, Any]:
    """The launcher's launch.json; empty if a full disk or a SIGKILL kept it from being written."""
    try:
        report: dict[str, Any] = json.loads((raw / "launch.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if report.get("complete") else {}


def _result(report: dict[str, Any], status: int, source: Source, preloaded: bool, notes: list[dict[str, str]]) -> LaunchResult:
    perf_error = explain_refusal(report["perf_errno"], report["perf_error"]) if report.get("perf_errno") else None
    if not report:
        notes.append({"code": "report_lost", "text": "times and samples of the run are missing: launch.json could not be written"})
    events = report.get("events", [])
    return LaunchResult(
        exit_status=status if status >= 0 else 128 - status,
        wall_s=report.get("wall_s", 0.0),
        user_s=report.get("user_s", 0.0),
        system_s=report.get("system_s", 0.0),
        sampler_s=report.get("sampler_s", 0.0),
        perf_error=perf_error,
        source="none" if perf_error else source.name,
        rate_hz=0.0 if perf_error else source.rate_hz,
        start_ns=report.get("start_ns", 0),
        end_ns=report.get("end_ns", 0),
        preloaded=preloaded,
        ended_by=report.get("signal", 0),
        peak_rss_bytes=report.get("peak_rss_bytes", 0),
        minor_faults=report.get("minor_faults", 0),
        major_faults=report.get("major_faults", 0),
        counts={event["name"]: event["count"] for event in events},
        periods={event["name"]: event["period"] for event in events},
        notes=(*notes, *report.get("notes", [])),
    )


def _engine(options: LaunchOptions, source: Source, facts: CommandFacts, raw: Path) -> AbstractContextManager[EngineCommand]:
    """How to start the program under the engine; without a word where the source needs none."""
    if source.name != "exact":
        return nullcontext(EngineCommand((), {}, ""))
    if options.exact is None:
        raise TierprofError("source exact cannot be used", "no machine to simulate was given", "name one with --machine")
    check_program(facts)
    return engine_command(options.exact, raw)


def launch(
    command: Sequence[str],
    raw: Path,
    options: LaunchOptions | None = None,
    *,
    facts: CommandFacts | None = None,
    stdout: int | None = None,
) -> LaunchResult:
    """Run a command once and leave what the shim and the sampler saw in a raw folder.

    Parameters
    ----------
    command
        Program and arguments. It gets this process's streams, terminal, working folder and environment.
    raw
        The folder to record into; made if need be.
    options
        What to record.
    facts
        What `check_command` said, if it has been asked already.
    stdout
        A descriptor for the program's standard output; this process's own by default.

    Returns
    -------
    LaunchResult
        If perf is forbidden, or the shim cannot go along, the program runs all the same and the result says so.

    Raises
    ------
    CommandError
        If the program cannot be started, or not by the exact engine.
    TierprofError
        If the source or rate is not to be had, or the folder cannot be written to.
    """
    options = options or LaunchOptions()
    facts = facts or check_command(command)
    source = choose_source(options.source, options.rate_hz, options.force)
    preloaded = options.preload and facts.preloadable
    notes = [{"code": "no_shim", "text": facts.warning}] if options.preload and facts.warning else []
    try:
        raw.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TierprofError(f"folder {raw} cannot be made", (error.strerror or "").lower(), "choose one that you may write to") from error
    arguments = [str(native_path("tierprof-launch")), "--raw", str(raw.absolute()), "--max-bytes", str(options.max_trace_bytes)]
    for event in source.events:
        arguments += ["--event", event.argument()]
    if stdout is None and options.discard_stdout:
        stdout = subprocess.DEVNULL
    beside = options.beside(raw.absolute()) if options.beside is not None else nullcontext()
    with _engine(options, source, facts, raw.absolute()) as engine, beside:
        for name, value in {**program_environment(raw.absolute(), options, preloaded), **engine.environment}.items():
            arguments += ["--env", f"{name}={value}"]
        status, received = _start_and_wait([*arguments, "--", *engine.words, *command], stdout)
    report = _report(raw)
    if report.get("exec_error"):
        why = os.strerror(report["exec_error"]).lower()
        raise CommandError(f"{command[0]} cannot be run", why, "check that it is a program for this machine")
    if not report and status == _STATUS_LAUNCHER_FAILED:
        raise TierprofError(f"folder {raw} cannot be recorded into", "the launcher's line above says why", "choose another folder")
    result = _result(report, status, source, preloaded, notes)
    exact = options.exact if engine.version else None
    return replace(result, plan=options.plan, tiers=options.tiers, signal_received=received, exact=exact, engine=engine.version)
