"""What this machine can do for tierprof: one check a source and a tier kind, each with its state, what was found, and the mend."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.native import native_path
from tierprof.base.units import format_bytes
from tierprof.placer import memory_checks
from tierprof.placer.check import ABSENT, BROKEN, OK, Check
from tierprof.profiler import sources
from tierprof.profiler.exact.engine import find_engine

_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


def _answer(events: tuple[sources.EventSpec, ...]) -> int:
    """The first errno that the kernel answers to the events; 0: it opens all of them."""
    return next((code for code in sources.try_events(events).values() if code), 0)


def _perf_mend(code: int) -> str:
    if code in (errno.EACCES, errno.EPERM):
        return "sudo sysctl kernel.perf_event_paranoid=2 (in a container: also permit perf_event_open)"
    return "none on this kernel"


def check_shim() -> Check:
    """Whether a program starts and ends in order with the shim in it."""
    shim = native_path("libtierprof.so")
    done = subprocess.run(["/bin/sh", "-c", ":"], env={**os.environ, "LD_PRELOAD": str(shim)}, capture_output=True, check=False)
    if done.returncode == 0 and not done.stderr:
        return Check("shim", "libtierprof.so", OK, f"loads into /bin/sh; {os.confstr('CS_GNU_LIBC_VERSION')}")
    why = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
    return Check("shim", "libtierprof.so", BROKEN, why, "install tierprof again, built on this machine")


def check_clock() -> Check:
    """Whether the clock source works: the one that needs no hardware."""
    code = _answer((sources.clock_event(sources.DEFAULT_RATE_HZ), sources.fault_event()))
    level = _PARANOID.read_text().strip() if _PARANOID.exists() else "absent"
    if code == 0:
        return Check("source", "clock", OK, f"perf_event_paranoid is {level}")
    return Check("source", "clock", ABSENT, f"{os.strerror(code)}; perf_event_paranoid is {level}", _perf_mend(code))


def _check_hardware(name: str, events: tuple[sources.EventSpec, ...]) -> Check:
    if not events:
        return Check("source", name, ABSENT, "the kernel shows no such PMU", "none in most virtual machines: the clock source stands in")
    code = _answer(events)
    if code:
        return Check("source", name, ABSENT, f"the PMU is there; {os.strerror(code)}", _perf_mend(code))
    return Check("source", name, OK, "the kernel opens its events")


def check_pebs() -> Check:
    """Whether Intel's precise loads and stores can be sampled."""
    return _check_hardware("pebs", sources.pebs_events(sources.DEFAULT_RATE_HZ))


def check_ibs() -> Check:
    """Whether AMD's op sampling can be used."""
    return _check_hardware("ibs", sources.ibs_events(sources.DEFAULT_RATE_HZ))


def check_exact() -> Check:
    """Whether the exact engine is there: valgrind, and our tool for that version of it."""
    try:
        found = f"valgrind {find_engine().version}: every access, on a simulated machine"
    except TierprofError as error:
        return Check("source", "exact", ABSENT, error.why, error.mend)
    try:
        header = f"; for --region marks: {native_path('include/tierprof_region.h')}"
    except TierprofError:
        header = ""
    return Check("source", "exact", OK, found + header)


def check_emulated() -> Check:
    """Whether a delay can be injected: needs perf's synchronous signals."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release < (5, 19):  # 5.13 sends signals already, but kills a thread that blocks them
        return Check("tier", "emulated:FACTOR", ABSENT, f"Linux {os.uname().release} has no perf sigtrap that waits", "Linux 5.19 or later")
    code = _answer((sources.clock_event(sources.DEFAULT_RATE_HZ),))
    if code:
        return Check("tier", "emulated:FACTOR", ABSENT, os.strerror(code), _perf_mend(code))
    what = "1.0 < FACTOR <= 3: DRAM with injected delay; it proves plumbing and effects, and is no hardware's truth"
    return Check("tier", "emulated:FACTOR", OK, what)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_shim,
    check_clock,
    check_pebs,
    check_ibs,
    check_exact,
    memory_checks.check_pmem,
    memory_checks.check_node,
    memory_checks.check_kmem,
    memory_checks.check_interleave,
    memory_checks.check_huge,
    memory_checks.check_hugetlb,
    check_emulated,
    memory_checks.check_move,
)


def check_machine() -> list[Check]:
    """All checks, in the order of a run: shim, sources, tiers, moves."""
    return [check() for check in CHECKS]


def machine_line() -> str:
    """CPU, cores, memory, kernel and Python in one line."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "CPU")
    memory = format_bytes(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return f"{model}, {os.cpu_count()} cores, {memory}, Linux {os.uname().release}, Python {sys.version.split()[0]}"
