"""The hazard programs under sanitizers: the programs built with them, and then the shim."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, parse_tier

_SPEC = importlib.util.spec_from_file_location("tierprof_hazards", Path(__file__).parents[1] / "hazards.py")
assert _SPEC is not None and _SPEC.loader is not None
hazards = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hazards)

NATIVE = Path(__file__).parents[2] / "native"
MEMORY_FILES = Path("/dev/shm")
COMPILED = {name: hazard for name, hazard in hazards.HAZARDS.items() if hazard.compiled}

PROGRAM_FLAGS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
#: The shim stands in front of the sanitizer's malloc, and faults and children that the programs want to have stay theirs.
PROGRAM_OPTIONS = ":".join(
    (
        "verify_asan_link_order=0",
        "detect_leaks=0",
        "allocator_may_return_null=1",
        *(f"handle_{fault}=0" for fault in ("segv", "sigbus", "sigill", "sigfpe", "abort")),
    )
)
#: As CMake builds it, with the checks; undefined behaviour is an illegal instruction, so that no other library comes into the program.
UNDEFINED_TRAPS = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
SHIM_FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-DTP_CHECKS=1", "-O1", "-g", "-w", "-fPIC", "-fvisibility=hidden", "-fno-plt"),
    *("-ftls-model=initial-exec", "-fno-builtin-malloc", "-fno-omit-frame-pointer", *UNDEFINED_TRAPS),
)


class Lab:
    """Programs, plain and sanitized, and their runs, as many at a time as there are cores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool = ThreadPoolExecutor(os.cpu_count())
        self.programs: dict[str, dict[str, Path]] = {}
        self.runs: dict[tuple[str, ...], Future[Any]] = {}

    def build(self, kind: str, names: set[str], *flags: str) -> None:
        """Compile the programs that this machine has compilers for."""
        (self.folder / kind).mkdir()
        wanted = [hazards.HAZARDS[name] for name in sorted(names) if hazards.missing_compiler(hazards.HAZARDS[name]) is None]
        self.programs[kind] = hazards.build_all(wanted, self.folder / kind, *flags)

    def start(self, kind: str, name: str, shim: Path | None = None) -> Future[Any]:
        """The run, under way or done; under the shim everything goes to files in memory."""
        key = (kind, name, str(shim))
        if key not in self.runs:
            self.runs[key] = self.pool.submit(self._run, kind, name, shim)
        return self.runs[key]

    def _run(self, kind: str, name: str, shim: Path | None) -> Any:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with tempfile.TemporaryDirectory(dir=MEMORY_FILES, ignore_cleanup_errors=True) as memory:
            plan = Plan((TierSpec("dram"), parse_tier(f"slow=pmem:{memory}")), "slow")
            environment = {} if shim is None else hazards.under_shim(shim, folder, plan)
            environment |= {"ASAN_OPTIONS": PROGRAM_OPTIONS, "HAZARD_FOLDER": memory}
            outcome = hazards.run(hazards.HAZARDS[name], self.programs[kind][name], folder, environment)
        shutil.rmtree(folder, ignore_errors=True)
        return outcome


def _chosen(session: pytest.Session, test: str) -> set[str]:
    return {item.callspec.params["name"] for item in session.items if getattr(item, "originalname", "") == test}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """All programs that the selected tests ask for, built as they are, and the lab's runs."""
    if not os.access(MEMORY_FILES, os.W_OK):
        pytest.skip(f"{MEMORY_FILES} is not writable")
    one = Lab(tmp_path_factory.mktemp("hazards"))
    sanitized = _chosen(request.session, "test_a_sanitized_program_runs_as_ever")
    one.build("plain", sanitized | _chosen(request.session, "test_the_sanitized_shim_finds_nothing"))
    yield one
    one.pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def sanitized(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory, shim_library: Path) -> None:
    """The same programs built with the sanitizers, under way beneath the shim."""
    trial = tmp_path_factory.mktemp("trial") / "trial"
    command = [os.environ.get("CC", "cc"), *PROGRAM_FLAGS, "-x", "c", "-", "-o", str(trial)]
    if subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True, check=False).returncode != 0:
        pytest.skip("the compiler has no sanitizers")
    names = {name for name in _chosen(request.session, "test_a_sanitized_program_runs_as_ever") if COMPILED[name].not_sanitized is None}
    lab.build("sanitized", names, *PROGRAM_FLAGS)
    for name in lab.programs["sanitized"]:
        lab.start("plain", name)
        lab.start("sanitized", name, shim_library)


@pytest.fixture(scope="module")
def sanitized_shim(request: pytest.FixtureRequest, lab: Lab) -> Path:
    """The shim built with traps where behaviour is undefined, and the programs under way beneath it."""
    sources = [*sorted((NATIVE / "shim").glob("*.c")), *sorted((NATIVE / "place").glob("*.c"))]
    compiler = os.environ.get("CC", "cc")
    if not sources or shutil.which(compiler) is None:
        pytest.skip("the shim's sources are not here" if not sources else f"no C compiler: {compiler} is not in PATH")
    shim = lab.folder / "libtierprof.so"
    objects = [lab.folder / f"{source.parent.name}-{source.stem}.o" for source in sources]
    commands = [[compiler, *SHIM_FLAGS, "-c", str(source), "-o", str(to)] for source, to in zip(sources, objects, strict=True)]
    linked = [compiler, "-shared", *UNDEFINED_TRAPS, "-Wl,-z,now", *map(str, objects)]
    done = [*lab.pool.map(_compile, commands), _compile([*linked, "-ldl", "-lpthread", "-o", str(shim)])]
    assert not any(done), "".join(done)
    for name in _chosen(request.session, "test_the_sanitized_shim_finds_nothing") & set(lab.programs["plain"]):
        lab.start("plain", name)
        lab.start("plain", name, shim)
    return shim


def _compile(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("name", COMPILED)
def test_a_sanitized_program_runs_as_ever(name: str, lab: Lab, sanitized: None, shim_library: Path) -> None:
    # GIVEN what the program prints, and how it ends, without tierprof and without sanitizers
    if COMPILED[name].not_sanitized is not None:
        pytest.skip(COMPILED[name].not_sanitized)
    if name not in lab.programs["sanitized"]:
        pytest.skip(f"no compiler: {hazards.missing_compiler(COMPILED[name])} is not in PATH")
    plain = lab.start("plain", name).result()
    # WHEN it is built with them, so that the address sanitizer's malloc lies beneath the shim, and everything is placed
    run = lab.start("sanitized", name, shim_library).result()
    # THEN it says the same, and the sanitizers have nothing to say
    assert (run.status, run.output) == (plain.status, plain.output), run.errors
    assert "ERROR: AddressSanitizer" not in run.errors and "runtime error" not in run.errors, run.errors


@pytest.mark.parametrize("name", hazards.HAZARDS)
def test_the_sanitized_shim_finds_nothing(name: str, lab: Lab, sanitized_shim: Path) -> None:
    # GIVEN what the program does without tierprof
    if name not in lab.programs["plain"]:
        pytest.skip(f"no compiler: {hazards.missing_compiler(hazards.HAZARDS[name])} is not in PATH")
    plain = lab.start("plain", name).result()
    # WHEN it runs under a shim that stops where the behaviour of C is undefined, and everything is placed
    run = lab.start("plain", name, sanitized_shim).result()
    # THEN nothing stops it
    assert run == plain
