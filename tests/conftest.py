"""Fixtures that all layers' tests share: compiled hazard programs, runs under the shim, what the machine permits."""

import ctypes
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from tierprof.base.native import native_path
from tierprof.base.schema import TABLES
from tierprof.profiler.raw import MetaStream, read_allocations, read_counters, read_meta
from tierprof.profiler.trace import Trace, create_trace_folder

# Tests time nothing, not themselves either: a busy machine must not fail them. CI judges a commit by the same examples each time; by
# hand, every run draws new ones.
settings.register_profile("tierprof", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tierprof")

PROGRAMS = Path(__file__).parent / "programs"

# Number of the perf_event_open system call; glibc has no wrapper for it.
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_PERF_TYPE_SOFTWARE = 1
_PERF_ATTR_BYTES = 64
_PERF_EXCLUDE_KERNEL = 1 << 5
_PERF_FLAG_FD_CLOEXEC = 8

# The counters of struct tpx_thread and struct tpx_object (native/model/exactfile.h), said here once more to check the reader by.
_THREAD_COUNTERS = ("instructions", "loads", "stores", "base_cycles", "branches", "mispredicts", "tlb1_misses", "walks", "fences")
_OBJECT_COUNTERS = (
    "loads", "stores", "nt_stores", "load_bytes", "store_bytes", "l1_misses", "l2_misses", "l3_hits", "near_loads", "mid_loads",
    "far_loads", "rfo_lines", "prefetched_lines", "prefetched_used", "writeback_lines", "read_blocks", "write_blocks", "tlb1_misses",
    "walks",
)  # fmt: skip

CompileProgram = Callable[..., Path]
RunShim = Callable[..., "ShimRun"]


class ShimRun(NamedTuple):
    """What a program under the shim left behind."""

    raw: Path
    completed: subprocess.CompletedProcess[bytes]


class RawProcess(NamedTuple):
    """What one process left in the raw folder: one image of it, exec starts another."""

    meta: MetaStream
    records: np.ndarray
    counters: dict[str, int | list[dict[str, int]]]


def read_raw_folder(raw: Path) -> list[RawProcess]:
    """All processes of a raw folder, in order of their start."""
    processes = []
    for meta in raw.glob("meta.*.bin"):
        alloc, counters = (meta.with_name(meta.name.replace("meta", kind, 1)) for kind in ("alloc", "counters"))
        processes.append(RawProcess(read_meta(meta), read_allocations(alloc), read_counters(counters)))
    return sorted(processes, key=lambda process: process.meta.process.start_ns)


@pytest.fixture(scope="session")
def read_raw() -> Callable[[Path], list[RawProcess]]:
    """`read_raw(folder)`: what each process left there, in order of their start."""
    return read_raw_folder


@pytest.fixture(scope="session")
def compile_program(tmp_path_factory: pytest.TempPathFactory) -> CompileProgram:
    """`compile_program(name, *flags)`: the path of tests/programs/NAME.c compiled with -O2 -g and the flags, each combination once."""
    folder = tmp_path_factory.mktemp("programs")
    built: dict[tuple[str, ...], Path] = {}
    compiler = os.environ.get("CC", "cc")

    def compile_one(name: str, *flags: str) -> Path:
        key = (name, *flags)
        if key not in built:
            if shutil.which(compiler) is None:
                pytest.skip(f"no C compiler: {compiler} is not in PATH")
            suffix = ".so" if "-shared" in flags else ""
            output = folder / f"{name}-{len(built)}{suffix}"
            command = [compiler, "-O2", "-g", "-pthread", "-D_GNU_SOURCE", "-o", str(output), str(PROGRAMS / f"{name}.c"), *flags]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.fail(f"{' '.join(command)}\n{done.stderr}")
            built[key] = output
        return built[key]

    return compile_one


@pytest.fixture(scope="session")
def shim_library() -> Path:
    """The shim that is tested: the package's own."""
    return native_path("libtierprof.so")


@pytest.fixture
def run_shim(tmp_path: Path, shim_library: Path) -> RunShim:
    """`run_shim(program, *args, env={}, **subprocess options)`: run it under the shim, each time with a raw folder of its own."""
    runs = 0

    def run_one(program: Path | str, *args: str, env: Mapping[str, str] | None = None, timeout: float = 60, **options: object) -> ShimRun:
        nonlocal runs
        raw = tmp_path / f"raw{runs}"
        runs += 1
        raw.mkdir()
        environment = {**os.environ, "LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(raw), **(env or {})}
        command: Sequence[str] = [str(program), *args]
        settings: dict[str, object] = {"capture_output": True, "timeout": timeout, **options}
        return ShimRun(raw, subprocess.run(command, check=False, env=environment, **settings))  # type: ignore[call-overload]

    return run_one


class MovedProgram:
    """A program that runs under the shim with tiers, says "ready", and ends when its standard input does."""

    def __init__(self, process: "subprocess.Popen[bytes]", raw: Path) -> None:
        self.process = process
        self.raw = raw

    @property
    def pid(self) -> int:
        """The program's process number."""
        return self.process.pid

    def born(self) -> list[tuple[str, int, int]]:
        """Key of the site, size and address of each tracked allocation and mapping so far, in order."""
        records = read_allocations(next(self.raw.glob(f"alloc.{self.pid}.*.bin")))
        records = records[(records["type"] == 1) | (records["type"] == 3)]
        sites = read_meta(next(self.raw.glob(f"meta.{self.pid}.*.bin"))).sites
        return [(sites[int(one["site"])].key, int(one["size"]), int(one["address"])) for one in np.sort(records, order="time_ns")]

    def finish(self) -> str:
        """Let it end in order; what it printed after "ready"."""
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, output
        return str(output.decode())


@pytest.fixture
def start_moved(tmp_path: Path, shim_library: Path) -> Iterator[Callable[..., MovedProgram]]:
    """`start_moved(plan_bytes, program, *args, env={})`: start it, and wait until it is ready to have its objects moved."""
    started: list[MovedProgram] = []

    def start(plan: bytes, program: Path, *args: str, env: Mapping[str, str] | None = None) -> MovedProgram:
        raw, file = tmp_path / f"raw-{len(started)}", tmp_path / f"plan-{len(started)}.bin"
        raw.mkdir()
        file.write_bytes(plan)
        own = {"LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(raw), "TIERPROF_PLAN": str(file), **(env or {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([str(program), *args], env={**os.environ, **own}, **pipes)  # type: ignore[call-overload]
        started.append(MovedProgram(process, raw))
        assert process.stdout.readline() == b"ready\n"
        return started[-1]

    yield start
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()


def _perf_refusal() -> str | None:
    number = _PERF_EVENT_OPEN.get(platform.machine())
    if number is None:
        return f"perf_event_open's number on {platform.machine()} is not known"
    attr = struct.pack("<IIQQQQQ", _PERF_TYPE_SOFTWARE, _PERF_ATTR_BYTES, 0, 0, 0, 0, _PERF_EXCLUDE_KERNEL).ljust(_PERF_ATTR_BYTES, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, attr, 0, -1, -1, _PERF_FLAG_FD_CLOEXEC)
    if fd < 0:
        return f"perf_event_open: {os.strerror(ctypes.get_errno())} (kernel.perf_event_paranoid)"
    os.close(fd)
    return None


@pytest.fixture(scope="session")
def perf_allowed() -> None:
    """Skips, with the reason, where this process may not open a software perf event on itself."""
    refusal = _perf_refusal()
    if refusal is not None:
        pytest.skip(refusal)


_OBJECT_DEFAULTS: dict[str, object] = {
    "kind": "malloc", "function": "make", "file": "make.c", "line": 7, "total_bytes": 0, "allocations": 1, "mean_size_bytes": 0.0,
    "largest_bytes": 0, "lifetime_s": 1.0, "live_share": 1.0, "samples": 0, "stall_s": 0.0, "stall_share": 0.0, "stall_density": 0.0,
    "faults": 0, "fault_share": 0.0, "kernel_s": 0.0, "touched_share": 1.0, "entropy": 0.5, "stride_regularity": 0.5, "instructions": 1,
    "threads": 1, "burstiness": 0.0, "first_touch_tid": 1, "first_touch_main": 1, "write_share": 0.0, "chase_share": 0.0,
    "exact_share": 1.0, "confidence": 1.0, "accesses": 0,
}  # fmt: skip


@pytest.fixture
def make_trace(tmp_path: Path) -> Callable[..., Trace]:
    """`make_trace(name, objects, costs=, allocations=, **meta)`: a small trace with known numbers, written through the schemas.

    `objects` are dicts of features (at least peak_bytes and stall_s, of a run of 10 s); `costs` are their CPU seconds in the slow tier, or
    None where not measured, each with an interval of 0.1 s either side; `allocations` are (site, size, birth, death).
    """

    def make(
        name: str,
        objects: Sequence[Mapping[str, object]],
        costs: Sequence[float | None] | None = None,
        allocations: Sequence[tuple[int, int, int, int | None]] = (),
        **meta: object,
    ) -> Trace:
        folder = create_trace_folder(tmp_path / f"{name}.trace", [name])
        command = [f"/usr/bin/{name}"]
        known = {
            "command": command,
            "cwd": str(tmp_path),
            "source": "clock",
            "rate_hz": 500,
            "duration_s": 10.0,
            "user_s": 9.0,
            "system_s": 0.5,
        }
        more = {
            "samples": 5000,
            "lost": 0,
            "overhead_s": 0.1,
            "exit_status": 0,
            "complete": True,
            "notes": [],
            "started_at": "2026-01-01T00:00:00",
        }
        shares = {"object": 0.8, "stack": 0.05, "static": 0.05, "runtime": 0.0, "compute": 0.1, "unknown": 0.0}
        machine = {"cpu": "test", "cores": 2, "llc_bytes": 2**25, "memory_bytes": 2**33}
        trace = Trace(folder, {**known, **more, "shares": shares, "machine": machine, "plan": None, **meta})
        rows = [
            {**_OBJECT_DEFAULTS, "site": site, "key": f"{site + 1:032x}", "name": f"{name}_{site}", **own}
            for site, own in enumerate(objects)
        ]
        for row in rows:
            row.update(
                {
                    "stall_share": float(row["stall_s"]) / 10.0,
                    "largest_bytes": row["peak_bytes"],
                    "samples": int(500 * float(row["stall_s"])),
                }
            )  # type: ignore[arg-type]
        frame = pd.DataFrame(rows)
        frame["accesses"] = frame["samples"] if not frame["accesses"].any() else frame["accesses"]
        frame["stall_density"] = frame["stall_share"] / (frame["peak_bytes"] / 2**30)
        trace.write("objects", frame)
        lives = [(site, size, birth, death) for site, size, birth, death in allocations]
        table = pd.DataFrame(lives, columns=["site", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
        table = table.assign(
            allocation=range(len(table)),
            pid=1,
            tid=1,
            address=4096,
            kind="malloc",
            weight=1.0,
            resident_bytes=None,
            tier="dram",
            inherited=False,
            name=None,
        )
        trace.write("allocations", table)
        for empty in ("samples", "modules"):
            trace.write(empty, TABLES[empty].empty_table())
        sites = frame[["site", "key", "kind", "name", "function", "file", "line"]].assign(truncated=False)
        trace.write("sites", sites.assign(frames=[["libx.so+0x10 make make.c:7"] for _ in rows], python=[[] for _ in rows]))
        if costs is not None:
            trace.write("criticality", _criticality([str(row["key"]) for row in rows], costs))
        trace.write_meta()
        return Trace.open(folder)

    return make


def _criticality(keys: Sequence[str], costs: Sequence[float | None]) -> pd.DataFrame:
    measured = [(key, "object", cost) for key, cost in zip(keys, costs, strict=True) if cost is not None]
    rows = [("", "none", 10.0), ("", "all", 10.0 + sum(cost for _, _, cost in measured)), *measured]
    frame = pd.DataFrame(rows, columns=["key", "what", "cpu_s"]).assign(
        fast="dram", slow="emulated:2.5", source="intervention emulated:2.5"
    )
    frame = frame.assign(cpu_low_s=frame["cpu_s"] - 0.1, cpu_high_s=frame["cpu_s"] + 0.1, repeats=5, met=True)
    return frame.assign(wall_s=frame["cpu_s"], wall_low_s=frame["cpu_low_s"], wall_high_s=frame["cpu_high_s"])


def _packed(names: Sequence[str], counters: Mapping[str, int]) -> bytes:
    assert set(counters) <= set(names), counters
    return struct.pack(f"<{len(names)}Q", *(counters.get(name, 0) for name in names))


class ExactFileBuilder:
    """Makes the bytes of an exact.PID.SEQ.bin record by record, as native/model/exactfile.h has them."""

    def __init__(self, config: str = "cores 1\nl3_bytes 37486592\n", pid: int = 7, version: int = 2) -> None:
        self.parts = [struct.pack("<8sII", b"TPEXACT", version, pid)]
        self._instructions = 0
        self.record(1, config.encode())

    def record(self, kind: int, payload: bytes) -> "ExactFileBuilder":
        self.parts.append(struct.pack("<II", kind, len(payload)) + payload)
        return self

    def thread(self, thread: int = 0, tid: int = 7, **counters: int) -> "ExactFileBuilder":
        return self.record(2, struct.pack("<II", thread, tid) + _packed(_THREAD_COUNTERS, counters))

    def object(self, number: int, thread: int = 0, **counters: int) -> "ExactFileBuilder":
        return self.record(3, struct.pack("<II", number, thread) + _packed(_OBJECT_COUNTERS, counters))

    def episode(
        self,
        nodes: Sequence[tuple[int, int, int, int]],
        *,
        thread: int = 0,
        count: int = 1,
        base_cycles: int = 0,
        instructions: int = 0,
        misses: int = 1,
    ) -> "ExactFileBuilder":
        """Nodes are (object, chain, class, count)."""
        fixed = struct.pack("<II4Q", thread, len(nodes), count, base_cycles, instructions, misses)
        return self.record(4, fixed + b"".join(struct.pack("<IBBH", *node) for node in nodes))

    def slice(self, instructions: int, weight: float = 1.0) -> "ExactFileBuilder":
        first, self._instructions = self._instructions, self._instructions + instructions
        return self.record(5, struct.pack("<QQd", first, instructions, weight))

    def reuse(self, number: int, granule_bytes: int, cold: float, bins: Mapping[int, float]) -> "ExactFileBuilder":
        weights = (bins.get(at, 0.0) for at in range(48))
        return self.record(6, struct.pack("<II50d", number, granule_bytes, cold, 0.0, *weights))

    def note(self, code: int, value: int = 0, text: str = "") -> "ExactFileBuilder":
        return self.record(7, struct.pack("<IIQ", code, 0, value) + text.encode())

    def heat(
        self,
        number: int,
        size: int,
        granules: Mapping[int, tuple[int, int, int]],
        *,
        lane: int = 0,
        granule_bytes: int = 64,
        weight: float = 1.0,
    ) -> "ExactFileBuilder":
        """Granules are number: (reads, writes, misses)."""
        fixed = struct.pack("<IIQdQII", number, lane, size, weight, granule_bytes, len(granules), 0)
        return self.record(9, fixed + b"".join(struct.pack("<4I", at, *counts) for at, counts in granules.items()))

    def end(self) -> "ExactFileBuilder":
        return self.record(8, struct.pack("<QQ", self._instructions, self._instructions))

    def bytes(self) -> bytes:
        return b"".join(self.parts)


@pytest.fixture(scope="session")
def exact_file() -> type[ExactFileBuilder]:
    """`exact_file().thread(...).object(...).slice(...).end().bytes()`: a file of an exact run."""
    return ExactFileBuilder
