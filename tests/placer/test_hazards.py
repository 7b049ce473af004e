"""Programs that are hard on whoever stands between them and their memory behave under every tier as they do alone."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tierprof.placer.achieved import counters_of
from tierprof.placer.binary import tier_order
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, parse_tier

_SPEC = importlib.util.spec_from_file_location("tierprof_hazards", Path(__file__).parents[1] / "hazards.py")
assert _SPEC is not None and _SPEC.loader is not None
hazards = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hazards)

KIB, MIB = 1 << 10, 1 << 20
HUGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HUGE_POOL = Path("/proc/sys/vm/nr_hugepages")
POOL_PAGES = 128
TINY_BYTES, SPILL_BYTES = 3 * MIB, 64 * KIB
MEMORY_FILES = Path("/dev/shm")

#: The tier that everything goes to. FOLDER is the run's own: in memory, on this file system, or on one with hardly any room.
TIERS = {
    "pmem-in-memory": "pmem:FOLDER",
    "pmem-on-disk": "pmem:FOLDER",
    "pmem-tiny": "pmem:FOLDER",
    "pmem-spills": "pmem:FOLDER",
    "node": "node:0",
    "huge": "huge",
    "hugetlb": "hugetlb",
    "emulated": "emulated:2",
    "interleave": "interleave:0=1",
    "dram": "dram",
}
BACKENDS = ("recorded", *TIERS)


class Run(NamedTuple):
    """A run, and what the shim counted of the planned tier in each of its processes."""

    outcome: Any
    served: list[dict[str, int]]


class Lab:
    """Builds and runs programs, as many at a time as there are cores."""

    def __init__(self, folder: Path, shim: Path, folders: Mapping[str, Path], names: set[str]) -> None:
        self.folder, self.shim, self.folders = folder, shim, folders
        self.pool = ThreadPoolExecutor(2 * (os.cpu_count() or 1))  # most of them wait most of the time
        (folder / "programs").mkdir()
        wanted = [hazards.HAZARDS[name] for name in sorted(names) if hazards.missing_compiler(hazards.HAZARDS[name]) is None]
        self.programs = hazards.build_all(wanted, folder / "programs")
        self.runs: dict[tuple[str, str], Future[Run]] = {}

    def start(self, name: str, backend: str) -> Future[Run]:
        """The run, under way or done."""
        if (name, backend) not in self.runs:
            self.runs[name, backend] = self.pool.submit(self._run, name, backend)
        return self.runs[name, backend]

    def _run(self, name: str, backend: str) -> Run:
        folder = self.folder / backend / name
        folder.mkdir(parents=True)
        program = self.programs[name]
        with tempfile.TemporaryDirectory(dir=self.folders.get(backend, folder), ignore_cleanup_errors=True) as memory:
            plan = _plan(backend, Path(memory)) if backend in TIERS else None
            environment = {} if backend == "alone" else hazards.under_shim(self.shim, folder, plan)
            outcome = hazards.run(hazards.HAZARDS[name], program, folder, {**environment, "HAZARD_FOLDER": memory})
        served = [] if plan is None else _served(folder / "raw", plan)
        shutil.rmtree(folder, ignore_errors=True)
        return Run(outcome, served)


def _plan(backend: str, folder: Path) -> Plan:
    tier = parse_tier("slow=" + TIERS[backend].replace("FOLDER", str(folder)))
    if tier.kind == "dram":
        return Plan((tier,), "slow")
    if backend == "pmem-spills":
        tier = replace(tier, capacity_bytes=SPILL_BYTES, spill="dram")
    return Plan((TierSpec("dram"), tier), "slow")


def _served(raw: Path, plan: Plan) -> list[dict[str, int]]:
    number = [tier.name for tier in tier_order(plan)].index("slow")
    return [process["tiers"][number] for process in counters_of(raw)]  # type: ignore[index]


@pytest.fixture(scope="session")
def huge_pool() -> Iterator[str | None]:
    """None: the kernel keeps a pool of huge pages while tests run; otherwise why it does not."""
    try:
        before = int(HUGE_POOL.read_text())
        if before < POOL_PAGES:
            HUGE_POOL.write_text(str(POOL_PAGES))
        have = int(HUGE_POOL.read_text())
    except OSError as error:
        yield str(error)
        return
    yield None if have >= POOL_PAGES else f"a pool of {have} huge pages is all that can be had"
    if before < POOL_PAGES:
        HUGE_POOL.write_text(str(before))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A file system that most programs fill; None where it cannot be mounted."""
    folder = tmp_path_factory.mktemp("tiny")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TINY_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def obstacles(huge_pool: str | None, tiny_folder: Path | None) -> dict[str, str]:
    """Why this machine has not got some of the tiers."""
    found = {}
    if not HUGE_SETTING.exists() or "[never]" in HUGE_SETTING.read_text():
        found["huge"] = "transparent huge pages are not to be had"
    if huge_pool is not None:
        found["hugetlb"] = huge_pool
    if tiny_folder is None:
        found["pmem-tiny"] = "a small file system cannot be mounted"
    if not os.access(MEMORY_FILES, os.W_OK):
        found["pmem-in-memory"] = f"{MEMORY_FILES} is not writable"
    return found


@pytest.fixture(scope="session")
def lab(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shim_library: Path,
    obstacles: dict[str, str],
    tiny_folder: Path | None,
) -> Iterator[Lab]:
    """All runs that the selected tests ask for, under way."""
    chosen = [
        item.callspec.params
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_a_program_runs_as_it_does_alone"
    ]
    pairs = [(params["name"], params["backend"]) for params in chosen if params["backend"] not in obstacles]
    folders = {"pmem-in-memory": MEMORY_FILES} | ({"pmem-tiny": tiny_folder} if tiny_folder else {})
    one = Lab(tmp_path_factory.mktemp("hazards"), shim_library, folders, {name for name, _ in pairs})
    for name, backend in pairs:
        if name in one.programs:
            one.start(name, "alone")
            one.start(name, backend)
    yield one
    one.pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", hazards.HAZARDS)
def test_a_program_runs_as_it_does_alone(name: str, backend: str, lab: Lab, obstacles: dict[str, str]) -> None:
    hazard = hazards.HAZARDS[name]
    if backend in obstacles:
        pytest.skip(obstacles[backend])
    if name not in lab.programs:
        pytest.skip(f"no compiler: {hazards.missing_compiler(hazard)} is not in PATH")
    # GIVEN what the program prints, and how it ends, without tierprof
    alone = lab.start(name, "alone").result().outcome
    if alone.status == hazards.SKIPPED:
        pytest.skip(alone.output.strip())
    assert (alone.status, alone.output != "") == (hazard.status, True), alone
    # WHEN it runs under tierprof, with all that it allocates sent to one tier
    run = lab.start(name, backend).result()
    # THEN nobody could tell the difference
    assert run.outcome == alone
    # AND the tier has served it
    if backend in TIERS:
        served = sum(process["allocations"] for process in run.served)
        spilled = sum(process["spilled_allocations"] for process in run.served)
        assert served + (spilled if backend == "pmem-tiny" else 0) > 0
    if backend == "pmem-spills":
        assert max(process["peak_bytes"] for process in run.served) <= SPILL_BYTES


def test_the_programs_are_enough_and_of_all_languages() -> None:
    languages = [hazard.source.suffix for hazard in hazards.HAZARDS.values()]
    assert len(languages) >= 60
    assert set(languages) == {".c", ".cpp", ".py"}
    assert sys.version_info >= (3, 11)
