"""Python frames of allocations, under every interpreter that is here: each program knows what its own stacks are."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tierprof.placer.site_key import NOWHERE, module_identity, site_key
from tierprof.profiler.python_frames import PythonFrame
from tierprof.profiler.raw import MetaSite

PROGRAMS = Path(__file__).parents[1] / "programs"
MINORS = (11, 12, 13)
FRAMES = 32  # more are cut
ALLOC = 1
MEGABYTE = 1_000_000


def candidates(minor: int) -> Iterator[Path]:
    """Where an interpreter may be: this one's, the system's, those of pyenv."""
    if sys.version_info[:2] == (3, minor):
        yield Path(sys.executable)
    for folder in ("/usr/bin", "/usr/local/bin", *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin"))):
        yield Path(folder) / f"python3.{minor}"


@pytest.fixture(scope="module", params=MINORS, ids=lambda minor: f"3.{minor}")
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter of the version; skips where there is none."""
    found = next((path for path in candidates(request.param) if path.exists()), None)
    if found is None:
        pytest.skip(f"no python3.{request.param} is installed")
    return str(found)


@pytest.fixture
def run_program(run_shim: Callable, python: str) -> Callable:
    """`run_program(name, *args)`: run tests/programs/NAME.py under the interpreter and the shim; it must end well."""

    def run(name: str, *args: str, **options: object):  # type: ignore[no-untyped-def]
        ran = run_shim(python, "-I", "-S", str(PROGRAMS / f"{name}.py"), *args, **options)
        assert ran.completed.returncode == 0, ran.completed.stderr.decode()
        return ran

    return run


def collapse(stack: list[list[object]]) -> tuple[PythonFrame, ...]:
    """What is kept of a stack: consecutive repeats are one, and too many are cut."""
    frames: list[PythonFrame] = []
    for file, line, function, first_line in stack:
        frame = PythonFrame(file, line, function, first_line)  # type: ignore[arg-type]
        if not frames or frames[-1] != frame:
            frames.append(frame)
    return tuple(frames[:FRAMES])


def site_of(process, size: int) -> MetaSite:  # type: ignore[no-untyped-def]
    """The site of the only allocation of a size."""
    born = process.records[(process.records["type"] == ALLOC) & (process.records["size"] == size)]
    assert len(born) == 1
    return process.meta.sites[int(born["site"][0])]


def test_every_kind_of_frame_has_the_line_that_python_says(run_program: Callable, read_raw: Callable) -> None:
    # GIVEN a program that notes its own stack at each of its allocations, in all kinds of frames
    run = run_program("python_stacks")
    (process,) = read_raw(run.raw)
    born = process.records[process.records["type"] == ALLOC]
    checked = cut = 0
    for size, stack in json.loads(run.completed.stdout).items():
        # bytearray has a byte more than it shows
        rows = born[(born["size"] == int(size)) | (born["size"] == int(size) + 1)]
        assert len(rows) == 1
        site = process.meta.sites[int(rows["site"][0])]
        # THEN the trace says the same, frame by frame
        wanted = collapse(stack)
        assert site.python == wanted
        checked += 1
        cut += len(wanted) == FRAMES
    assert checked > 60
    assert cut == 1
    assert not process.meta.notes


def test_keys_are_the_same_in_every_run_and_follow_from_the_frames(run_program: Callable, read_raw: Callable) -> None:
    keys = []
    for _ in range(2):
        # small allocations are sampled at random
        (process,) = read_raw(run_program("python_stacks", env={"TIERPROF_SMALL_PERIOD": "0"}).raw)
        modules = {module.module: module for module in process.meta.modules}
        with_python = [site for site in process.meta.sites.values() if site.python]
        for site in with_python:
            found = [(modules.get(int(frame["module"])), int(frame["offset"])) for frame in site.frames]
            frames = [
                (module_identity(module.path, bytes.fromhex(module.build_id)) if module else NOWHERE, offset) for module, offset in found
            ]
            # THEN the key is that of the native frames and the Python frames
            assert site_key(frames, site.python) == site.key
        keys.append({site.key for site in with_python if "python_stacks" in site.python[0].file})
    assert keys[0] == keys[1]
    assert len(keys[0]) > 40


def test_modules_generated_anew_in_every_run_have_the_same_keys(run_program: Callable, read_raw: Callable) -> None:
    files, keys = [], []
    for _ in range(2):
        # GIVEN a program that writes modules to temporary files, as torch-geometric does, and runs them
        (process,) = read_raw(run_program("python_generated", env={"TIERPROF_SMALL_PERIOD": "0"}).raw)
        found = [site_of(process, size) for size in (300_001, 300_003)]
        files.append([site.python[0].file for site in found])
        # THEN their sites have the same keys, although the files are called something else, and each its own
        modules = {module.module: module for module in process.meta.modules}
        for site in found:
            frames = [
                (
                    module_identity(modules[int(frame["module"])].path, bytes.fromhex(modules[int(frame["module"])].build_id)),
                    int(frame["offset"]),
                )
                for frame in site.frames
            ]
            assert site_key(frames, site.python) == site.key
        keys.append([site.key for site in found])
    assert not set(files[0]) & set(files[1])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]


def test_native_frames_end_at_the_evaluation_loop(run_program: Callable, read_raw: Callable, python: str) -> None:
    (process,) = read_raw(run_program("python_stacks").raw)
    sites = [site for site in process.meta.sites.values() if site.python and site.python[0].function == "plain"]
    assert sites
    # THEN there are few of them, and none is that of main or of the C library, where a Python process begins
    paths = {module.module: module.path for module in process.meta.modules}
    for site in sites:
        assert len(site.frames) < 12
        assert not any(re.search(r"/libc\.so|/libc-", paths.get(int(frame["module"]), "")) for frame in site.frames)


def test_without_python_stacks_they_are_native_throughout(run_program: Callable, read_raw: Callable) -> None:
    (process,) = read_raw(run_program("python_stacks", env={"TIERPROF_PYTHON": "0"}).raw)
    assert not any(site.python for site in process.meta.sites.values())
    assert not process.meta.codes


def test_arenas_of_small_objects_stay_one_pool_without_python_frames(run_program: Callable, read_raw: Callable) -> None:
    (process,) = read_raw(run_program("python_stacks").raw)
    pools = [site for site in process.meta.sites.values() if site.pool]
    assert [len(site.frames) for site in pools] == [1]
    assert pools[0].python == ()


def test_workers_forked_and_spawned_and_threads_have_stacks_of_their_own(run_program: Callable, read_raw: Callable) -> None:
    # GIVEN a program whose workers allocate n million bytes and two, n telling how they were started
    processes = read_raw(run_program("python_workers").raw)
    seen: dict[int, set[int]] = {}
    for process in processes:
        for record in process.records[process.records["type"] == ALLOC]:
            number, rest = divmod(int(record["size"]), MEGABYTE)
            if number == 0 or rest != 2:
                continue
            # THEN each allocation has the worker's line, in a process that defines its site and code itself
            innermost = process.meta.sites[int(record["site"])].python[0]
            assert (Path(innermost.file).name, innermost.function, innermost.line) == ("python_workers.py", "work", 12)
            seen.setdefault(number, set()).add(process.meta.process.pid)
    assert set(seen) == set(range(1, 8))
    assert seen[5] == seen[6]
    assert not (seen[5] & (seen[1] | seen[2] | seen[3] | seen[4] | seen[7]))


def test_a_handler_that_allocates_at_any_instruction_does_no_harm(
    run_program: Callable, compile_program: Callable, read_raw: Callable
) -> None:
    # GIVEN a program that is interrupted 3000 times while it enters and leaves Python functions
    run = run_program("python_signal", str(compile_program("python_signal", "-shared", "-fPIC")))
    assert run.completed.stdout == b"done\n"
    (process,) = read_raw(run.raw)
    born = process.records[(process.records["type"] == ALLOC) & (process.records["size"] == 300001)]
    assert len(born) >= 3000
    # THEN what was interrupted is one of its functions, but for the instants in which a frame is half entered
    stacks = [process.meta.sites[int(site)].python for site in born["site"]]
    assert {stack[0].function for stack in stacks if stack} <= {"leaf", "deep", "spin", "<module>"}
    assert np.mean([bool(stack) and stack[-1].function == "<module>" for stack in stacks]) > 0.9


def test_threads_in_c_while_the_interpreter_goes_away_do_no_harm(run_program: Callable, compile_program: Callable) -> None:
    library = str(compile_program("python_signal", "-shared", "-fPIC"))
    for _ in range(5):
        run_program("python_daemons", library)


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_an_interpreter_that_is_loaded_and_unloaded(
    run_shim: Callable, compile_program: Callable, read_raw: Callable, python: str, again: bool
) -> None:
    # GIVEN a program that loads the interpreter's library, runs it, and unloads it
    asked = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'), sysconfig.get_config_var('INSTSONAME'))"
    folder, name = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    library = Path(folder) / name
    if not library.exists() or ".so" not in name:
        pytest.skip(f"{python} has no library of its own")
    run = run_shim(compile_program("python_embed", "-ldl"), str(library), *(["again"] if again else []))
    assert run.completed.returncode == 0, run.completed.stderr.decode()
    (process,) = read_raw(run.raw)
    born = process.records[process.records["type"] == ALLOC]
    # THEN what Python allocated has its line, each time
    inside = [process.meta.sites[int(site)].python for site in born["site"][born["size"] == 1234568]]
    assert [[(frame.file, frame.line, frame.function) for frame in stack] for stack in inside] == [
        [("<string>", 2, "inside"), ("<string>", 3, "<module>")]
    ] * (1 + again)
    # THEN what was allocated without it has none
    after = [process.meta.sites[int(site)].python for site in born["site"][born["size"] == 7654321]]
    assert after == [()] * (1 + again)
