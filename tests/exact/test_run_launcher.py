"""What starts the engine: static, it changes nothing of the program's environment, and steps aside where the engine cannot go."""

import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tierprof.base.native import native_path
from tierprof.profiler.exact.engine import _library

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the engine is for x86-64")

OPTIONS = ["--tool=none", "--quiet", "--vgdb=no", "--command-line-only=yes", "--trace-children=yes"]


@pytest.fixture
def launcher() -> str:
    return str(native_path("exact/tierprof-engine"))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Path]:
    """A folder with valgrind's own parts, and its tool `none` under our tool's name."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not installed")
    folder = tmp_path / "library"
    folder.mkdir()
    for part in _library(Path(valgrind)).iterdir():
        (folder / part.name).symlink_to(part)
    (folder / "tierprof-amd64-linux").symlink_to(folder / "none-amd64-linux")
    yield folder


def environment_of(command: list[str], env: dict[str, str]) -> dict[str, str]:
    done = subprocess.run(command, capture_output=True, check=True, env=env)
    return dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)


@pytest.mark.parametrize("command", [["env", "-0"], ["sh", "-c", "env -0"]])
def test_the_program_s_environment_is_its_own(launcher: str, library: Path, command: list[str]) -> None:
    # GIVEN a program that prints its environment, itself or through a child
    env = {"PATH": os.environ["PATH"], "OWN": "kept", "VALGRIND_LIB": str(library)}
    plain = environment_of(command, env)
    # WHEN it runs in the engine
    seen = environment_of([launcher, *OPTIONS, *command], env)
    # THEN it has what valgrind preloads beside it, and nothing else
    seen.pop("LD_PRELOAD")
    for names in (plain, seen):
        names.pop("_", None)  # a shell names there how it was started itself
    assert seen == plain


def test_the_launcher_loads_nothing(launcher: str, tmp_path: Path) -> None:
    # GIVEN a library to preload that does not exist, which any dynamic program would complain of
    env = {"LD_PRELOAD": "/nonexistent.so", "VALGRIND_LIB": str(tmp_path)}
    # WHEN the launcher runs THEN nobody does until it has started the program
    done = subprocess.run([launcher, *OPTIONS, "/nonexistent"], capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (127, b"", b"")


def test_when_the_run_is_over_its_daemons_children_run_without_the_engine(launcher: str, tmp_path: Path) -> None:
    # GIVEN a folder of the engine that is gone, or was never named
    for env in ({"VALGRIND_LIB": str(tmp_path / "gone")}, {}):
        # WHEN something is started THEN it runs all the same, with its arguments
        done = subprocess.run([launcher, *OPTIONS, "/bin/echo", "-n", "hello"], capture_output=True, check=False, env=env)
        assert (done.returncode, done.stdout) == (0, b"hello")


def test_a_32_bit_program_runs_without_the_engine(launcher: str, library: Path, tmp_path: Path) -> None:
    # GIVEN a 32-bit program that ends with status 7 (mov $1, %eax; mov $7, %ebx; int $0x80)
    code = bytes.fromhex("b801000000 bb07000000 cd80")
    base, begin = 0x08048000, 52 + 32
    ident = b"\x7fELF\1\1\1".ljust(16, b"\0")
    head = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + begin, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, base, base, begin + len(code), begin + len(code), 5, 4096)
    program = tmp_path / "small"
    program.write_bytes(head + segment + code)
    program.chmod(0o755)
    try:
        native = subprocess.run([program], check=False).returncode
    except OSError:
        pytest.skip("this kernel runs no 32-bit programs")
    # WHEN a traced program executes it THEN it runs, which the engine could not make it do
    done = subprocess.run([launcher, *OPTIONS, str(program)], check=False, env={"VALGRIND_LIB": str(library)})
    assert done.returncode == native == 7
