"""Fixtures of the engine's tests: programs of tests/exact/programs, and runs of them under the engine alone, without the shim."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tierprof.base.errors import TierprofError
from tierprof.profiler.exact.engine import engine_command, find_engine
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.rawfile import ExactFile, read_exact

PROGRAMS = Path(__file__).parent / "programs"


class EngineRun(NamedTuple):
    """What a program under the engine left behind."""

    files: list[ExactFile]  # by process and number
    completed: "subprocess.CompletedProcess[bytes]"
    log: str  # what Valgrind itself had to say


@pytest.fixture(scope="session")
def compile_source(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`compile_source(file, *flags)`: the program of tests/exact/programs/FILE, compiled with -O2 -g, each combination once."""
    folder = tmp_path_factory.mktemp("engine-programs")
    compiler = os.environ.get("CC", "cc")
    built: dict[tuple[str, ...], Path] = {}

    def compile_one(file: str, *flags: str) -> Path:
        key = (file, *flags)
        if key not in built:
            if shutil.which(compiler) is None:
                pytest.skip(f"no C compiler: {compiler} is not in PATH")
            built[key] = folder / f"{Path(file).stem}-{len(built)}"
            include = f"-I{PROGRAMS.parents[2] / 'native' / 'include'}"
            words = [compiler, "-O2", "-g", "-pthread", "-D_GNU_SOURCE", include, "-o", str(built[key]), str(PROGRAMS / file), *flags]
            subprocess.run(words, check=True)
        return built[key]

    return compile_one


@pytest.fixture
def engine_run(tmp_path: Path) -> Callable[..., EngineRun]:
    """`engine_run(program, *arguments, config=, preload=, **options)`: run it under the engine. Skips where there is none."""
    try:
        find_engine()
    except TierprofError as error:
        pytest.skip(str(error))
    runs = 0

    def run_one(program: Path, *arguments: str, config: str = "", preload: Path | None = None, **options: object) -> EngineRun:
        nonlocal runs
        raw = tmp_path / f"raw{runs}"
        runs += 1
        raw.mkdir()
        shim = {"LD_PRELOAD": str(preload), "TIERPROF_DIR": str(raw)} if preload is not None else {}
        with engine_command(ExactOptions(config, "default", **options), raw) as engine:  # type: ignore[arg-type]
            words = [*engine.words, str(program), *arguments]
            environment = {**os.environ, **engine.environment, **shim}
            done = subprocess.run(words, check=False, capture_output=True, env=environment, timeout=120)
        files = sorted(raw.glob("exact.*.bin"), key=lambda path: [int(word) for word in path.name.split(".")[1:3]])
        log = "".join(path.read_text(encoding="utf-8") for path in raw.glob("*.log"))
        return EngineRun([read_exact(path) for path in files], done, log)

    return run_one
