"""What to sample with: which source this machine has, the perf events of each, the rate's limits, and why perf says no."""

import errno
import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.native import native_path
from tierprof.profiler.perf import format as fmt

SOURCES = ("auto", "pebs", "ibs", "spe", "clock", "exact", "none")

DEFAULT_RATE_HZ = 500.0
MAX_RATE_HZ = 2000.0  # more only with force: a sample costs tens of microseconds in a virtual machine
HARD_MAX_RATE_HZ = 20000.0  # a period of some 10 us can hang a machine

# A clock in step with the kernel's tick, or with the program's own rhythm, sees always the same phase of it.
_OUT_OF_STEP = 1.0017

# Counting a page fault costs some 60 ns and sampling one 600 ns more (`tierprof-launch --cost`), beside 1300 ns for the
# fault itself: one in 31 adds 6 % to a program that does nothing else, 3 % where half of the time goes into faults, and
# less would not save much. Prime, so that strides over pages do not always hide the same ones.
FAULT_PERIOD = 31

# Loads that waited for less are the cache's, and no object's to answer for.
_LOAD_LATENCY_CYCLES = 30

_DEVICES = Path("/sys/bus/event_source/devices")
_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_PARANOID_NEEDED = 2

_TYPE_SOFTWARE = 1
_SW_CPU_CLOCK = 0
_SW_PAGE_FAULTS = 2
_BASE_SAMPLE = fmt.SAMPLE_ALWAYS | fmt.SAMPLE_IP
_HARDWARE_SAMPLE = _BASE_SAMPLE | fmt.SAMPLE_PERIOD


@dataclass(frozen=True)
class EventSpec:
    """One event as the launcher takes it (native/launch/options.h)."""

    name: str
    type: int
    config: int
    period: int
    sample: int
    config1: int = 0
    config2: int = 0
    freq: int = 0
    regs: int = 0
    precise: int = 0
    kernel: int = 0
    track: int = 0
    group: int = 0

    def argument(self) -> str:
        """The launcher's ``--event``."""
        return ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self) if getattr(self, field.name) != field.default)


@dataclass(frozen=True)
class Source:
    """A source and its events; the first event brings mappings and tasks."""

    name: str  # pebs | ibs | clock | exact | none
    rate_hz: float
    events: tuple[EventSpec, ...]


def clock_event(rate_hz: float) -> EventSpec:
    """The software clock with user registers, from which the data address is recovered."""
    period_ns = round(1e9 / rate_hz * _OUT_OF_STEP)
    sample = _BASE_SAMPLE | fmt.SAMPLE_REGS_USER
    return EventSpec("clock", _TYPE_SOFTWARE, _SW_CPU_CLOCK, period_ns, sample, regs=fmt.REGISTERS_MASK, track=1)


def fault_event(period: int = FAULT_PERIOD) -> EventSpec:
    """Page faults with their address: first touches. Those that the kernel makes for the program (read into a fresh buffer) too."""
    return EventSpec("fault", _TYPE_SOFTWARE, _SW_PAGE_FAULTS, period, _BASE_SAMPLE | fmt.SAMPLE_ADDR, kernel=1)


def _encode(pmu: Path, terms: str) -> dict[str, int]:
    """Config words of an event's terms (``event=0xcd,umask=0x1,ldlat=3``), placed as the PMU's format folder says."""
    words = {"config": 0, "config1": 0, "config2": 0}
    for term in terms.strip().split(","):
        name, _, text = term.partition("=")
        match = re.fullmatch(r"(config\d?):(\d+)(?:-\d+)?", (pmu / "format" / name).read_text().strip())
        if match is None or match.group(1) not in words:
            why = "the kernel describes its place in a new way"
            raise TierprofError(f"event term {term} of {pmu.name} cannot be used", why, "use --source clock")
        words[match.group(1)] |= int(text or "1", 0) << int(match.group(2))
    return words


def _hardware_event(pmu: Path, name: str, terms: str, rate_hz: float, sample: int, **more: int) -> EventSpec:
    number = int((pmu / "type").read_text())
    return EventSpec(name, number, period=round(rate_hz), freq=1, sample=_HARDWARE_SAMPLE | sample, **_encode(pmu, terms), **more)


def pebs_events(rate_hz: float, devices: Path = _DEVICES) -> tuple[EventSpec, ...]:
    """Intel's precise loads with latency, and stores; empty where the machine has none."""
    pmu = devices / "cpu"
    loads, stores, auxiliary = (pmu / "events" / name for name in ("mem-loads", "mem-stores", "mem-loads-aux"))
    if not (loads.exists() and stores.exists()):
        return ()
    sample = fmt.SAMPLE_ADDR | fmt.SAMPLE_WEIGHT | fmt.SAMPLE_DATA_SRC
    events = []
    if auxiliary.exists():  # Sapphire Rapids and later: loads are only sampled beside it
        aux = _hardware_event(pmu, "aux", auxiliary.read_text(), rate_hz, 0)
        events.append(replace(aux, period=0, freq=0))
    terms = re.sub(r"ldlat=\w+", f"ldlat={_LOAD_LATENCY_CYCLES}", loads.read_text())
    events.append(_hardware_event(pmu, "load", terms, rate_hz, sample, precise=2, group=int(bool(events))))
    events.append(_hardware_event(pmu, "store", stores.read_text(), rate_hz, sample, precise=2))
    return tuple(events)


def ibs_events(rate_hz: float, devices: Path = _DEVICES) -> tuple[EventSpec, ...]:
    """AMD's op sampling, raw registers and all; empty where the machine has none."""
    pmu = devices / "ibs_op"
    if not pmu.exists():
        return ()
    # cnt_ctl counts ops, not cycles; swfilt drops the kernel's own in software, as the hardware cannot: without it
    # only those who may see the kernel may sample at all.
    have = [term for term in ("cnt_ctl", "swfilt") if (pmu / "format" / term).exists()]
    words = _encode(pmu, ",".join(f"{term}=1" for term in have)) if have else {"config": 0}
    sample, kernel = _HARDWARE_SAMPLE | fmt.SAMPLE_RAW, int("swfilt" not in have)
    return (EventSpec("ibs", int((pmu / "type").read_text()), period=round(rate_hz), freq=1, sample=sample, kernel=kernel, **words),)


def try_events(events: Sequence[EventSpec]) -> dict[str, int]:
    """What the kernel answers when it is asked for each event: 0, or an errno."""
    command = [str(native_path("tierprof-launch")), "--try"]
    for event in events:
        command += ["--event", event.argument()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip() or f"tierprof-launch ended with status {done.returncode}"
        raise TierprofError("perf cannot be asked for its events", why, "install tierprof again")
    answers: dict[str, int] = json.loads(done.stdout)
    return answers


def _hardware(name: str, rate_hz: float) -> tuple[EventSpec, ...]:
    return pebs_events(rate_hz) if name == "pebs" else ibs_events(rate_hz)


def check_rate(rate_hz: float, force: bool) -> None:
    """Refuse a rate that would disturb the program.

    Raises
    ------
    TierprofError
        Below 1 Hz, above `MAX_RATE_HZ` without `force`, above `HARD_MAX_RATE_HZ` at all.
    """
    what = f"rate {rate_hz:g} Hz cannot be used"
    if not rate_hz >= 1:
        raise TierprofError(what, "a rate is at least 1 Hz", f"leave out --rate for {DEFAULT_RATE_HZ:g} Hz")
    if rate_hz > HARD_MAX_RATE_HZ:
        raise TierprofError(what, "it could hang the machine", f"stay at or below {HARD_MAX_RATE_HZ:g} Hz")
    if rate_hz > MAX_RATE_HZ and not force:
        raise TierprofError(what, f"above {MAX_RATE_HZ:g} Hz sampling slows the program visibly", "lower --rate, or add --force")


def choose_source(requested: str = "auto", rate_hz: float = DEFAULT_RATE_HZ, force: bool = False) -> Source:
    """The source that this machine has.

    Parameters
    ----------
    requested
        One of `SOURCES`; ``auto`` takes pebs or ibs where the kernel opens their events, else the clock.
    rate_hz
        Samples a second of a computing thread.
    force
        Permit a rate above `MAX_RATE_HZ`.

    Raises
    ------
    TierprofError
        If the rate is out of range, or the source is not on this machine or not in this version. The exact engine is looked for when
        it is started.
    """
    check_rate(rate_hz, force)
    if requested in ("none", "exact"):  # the engine, not the kernel, sees what the program does
        return Source(requested, 0.0, ())
    timed = (clock_event(rate_hz), fault_event())
    if requested == "clock":
        return Source("clock", rate_hz, timed)
    if requested not in ("auto", "pebs", "ibs"):
        raise TierprofError(f"source {requested} cannot be used", "this version of tierprof has not got it", "use --source auto or clock")
    for name in ("pebs", "ibs") if requested == "auto" else (requested,):
        events = _hardware(name, rate_hz)
        if events and not any(try_events(events).values()):
            return Source(name, rate_hz, (*timed, *events))
    if requested != "auto":
        refused = {event: os.strerror(code) for event, code in try_events(events).items() if code} if events else {}
        why = f"the kernel refuses {refused}" if refused else f"this machine shows no {_pmu_of(requested)} (virtual machines rarely do)"
        raise TierprofError(f"source {requested} cannot be used", why, "use --source auto or clock")
    return Source("clock", rate_hz, timed)


def _pmu_of(source: str) -> str:
    return f"{_DEVICES}/" + ("cpu/events/mem-loads" if source == "pebs" else "ibs_op")


def explain_refusal(error: int, call: str, paranoid: Path = _PARANOID) -> str:
    """One line on why perf was refused, and what would permit it.

    Parameters
    ----------
    error
        The errno.
    call
        The call that failed, as the launcher tells it.
    """
    if error in (errno.ENOSYS, errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return f"no samples: {call}; this kernel cannot sample that, and the run goes on without samples"
    try:
        level = int(paranoid.read_text())
    except (OSError, ValueError):
        return f"no samples: {call}; this kernel has no perf events, and the run goes on without samples"
    if error in (errno.EACCES, errno.EPERM) and level > _PARANOID_NEEDED:
        return (
            f"no samples: kernel.perf_event_paranoid is {level} and sampling needs {_PARANOID_NEEDED} or less; "
            f"run `sudo sysctl kernel.perf_event_paranoid={_PARANOID_NEEDED}`; the run goes on without samples"
        )
    if error in (errno.EACCES, errno.EPERM):
        return (
            f"no samples: {call} though kernel.perf_event_paranoid is {level}: a container's seccomp filter forbids it; "
            "start the container with --cap-add PERFMON and a seccomp profile that permits perf_event_open; the run goes on without samples"
        )
    if error == errno.EMFILE:
        return f"no samples: {call}; raise the limit on open files (ulimit -n); the run goes on without samples"
    return f"no samples: {call}; the run goes on without samples"
