"""What this machine can do for tierprof: one check a source and a tier kind, each with its state, what was found, and the mend."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.native import native_path
from tierprof.base.units import format_bytes
from tierprof.profiler import sources
from tierprof.profiler.exact.engine import find_engine

OK = "ok"
ABSENT = "absent"  # the machine has not got it; everything else works
BROKEN = "broken"  # a part that every run needs

_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_NODES = Path("/sys/devices/system/node")


@dataclass(frozen=True)
class Check:
    """One line of `tierprof doctor`."""

    part: str  # source | tier | shim
    name: str
    state: str
    found: str
    mend: str = ""


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


def check_pmem() -> Check:
    """Whether memkind is there for file-backed tiers."""
    from tierprof.placer import memkind

    try:
        return Check("tier", "pmem:FOLDER", OK, f"libmemkind {memkind.version()}; any folder, fsdax for real persistent memory")
    except TierprofError as error:
        found = f"{error.why}: tierprof's own mappings serve all sizes"
        return Check("tier", "pmem:FOLDER", OK, found, "apt install libmemkind0, for small allocations at less cost")


def check_node() -> Check:
    """Which NUMA nodes there are to place on."""
    nodes = sorted(int(path.name[4:]) for path in _NODES.glob("node[0-9]*"))
    without_cpu = [n for n in nodes if (_NODES / f"node{n}" / "cpulist").read_text().strip() == ""]
    if len(nodes) < 2:
        mend = "a CXL or KMEM device shows as a node: see daxctl reconfigure-device"
        return Check("tier", "node:N", ABSENT, f"{len(nodes)} node: nothing to place on beside it", mend)
    kinds = f"; without CPUs: {without_cpu}" if without_cpu else "; all with CPUs"
    return Check("tier", "node:N", OK, f"nodes {nodes}{kinds}")


def check_huge() -> Check:
    """Whether madvise yields huge pages."""
    text = _THP.read_text().strip() if _THP.exists() else ""
    mode = text.partition("[")[2].partition("]")[0]
    if mode in ("always", "madvise"):
        return Check("tier", "huge", OK, f"transparent huge pages: {mode}")
    return Check("tier", "huge", ABSENT, f"transparent huge pages: {mode or 'not in this kernel'}", f"echo madvise | sudo tee {_THP}")


def check_emulated() -> Check:
    """Whether a delay can be injected: needs perf's synchronous signals."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release < (5, 13):
        return Check("tier", "emulated:FACTOR", ABSENT, f"Linux {os.uname().release} has no perf sigtrap", "Linux 5.13 or later")
    code = _answer((sources.clock_event(sources.DEFAULT_RATE_HZ),))
    if code:
        return Check("tier", "emulated:FACTOR", ABSENT, os.strerror(code), _perf_mend(code))
    return Check("tier", "emulated:FACTOR", OK, "1.0 < FACTOR <= 3; it proves plumbing and effects, and is no hardware's truth")


CHECKS: tuple[Callable[[], Check], ...] = (
    check_shim,
    check_clock,
    check_pebs,
    check_ibs,
    check_exact,
    check_pmem,
    check_node,
    check_huge,
    check_emulated,
)


def check_machine() -> list[Check]:
    """All checks, in the order of a run: shim, sources, tiers."""
    return [check() for check in CHECKS]


def machine_line() -> str:
    """CPU, cores, memory, kernel and Python in one line."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "CPU")
    memory = format_bytes(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return f"{model}, {os.cpu_count()} cores, {memory}, Linux {os.uname().release}, Python {sys.version.split()[0]}"
