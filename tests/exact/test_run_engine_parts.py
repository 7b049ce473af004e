"""Finding the engine: what is missing, or does not fit, is one line with the mend; what it runs in is put together and cleaned up."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.base.errors import CommandError, TierprofError
from tierprof.placer import checks
from tierprof.profiler.command import CommandFacts
from tierprof.profiler.exact import engine
from tierprof.profiler.exact.options import ExactOptions

Parts = Callable[..., Path]


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """`parts(version=, built_for=, tool=, library=)`: an installation in a folder of its own, which is found."""

    def make(version: str = "3.19.0", built_for: str = "3.19.0", tool: bool = True, library: bool = True) -> Path:
        for folder in ("bin", "libexec/valgrind", "native/exact"):
            (tmp_path / folder).mkdir(parents=True)
        valgrind = tmp_path / "bin/valgrind"
        valgrind.write_text(f"#!/bin/sh\necho valgrind-{version}\n")
        valgrind.chmod(0o755)
        if library:
            (tmp_path / "libexec/valgrind/vgpreload_core-amd64-linux.so").touch()
            (tmp_path / "libexec/valgrind/none-amd64-linux").touch()
        native = tmp_path / "native"
        (native / "exact/valgrind-version").write_text(f"{built_for}\n")
        for name in ("tierprof-engine", *(["tierprof-amd64-linux"] if tool else [])):
            (native / "exact" / name).touch()

        def native_path(name: str) -> Path:
            if not (native / name).exists():
                raise TierprofError(name, "missing", "build it")
            return native / name

        monkeypatch.setattr(engine, "native_path", native_path)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.delenv("VALGRIND_LIB", raising=False)
        return tmp_path

    return make


def refusal() -> str:
    with pytest.raises(TierprofError) as raised:
        engine.find_engine()
    assert "\n" not in str(raised.value)
    return str(raised.value)


pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the engine is for x86-64")


def test_a_whole_installation_is_found(parts: Parts) -> None:
    folder = parts()
    found = engine.find_engine()
    assert (found.version, found.library) == ("3.19.0", folder / "libexec/valgrind")


def test_the_doctor_tells_of_the_engine(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # GIVEN a whole installation
    parts()
    found = checks.check_exact()
    assert (found.part, found.name, found.state) == ("source", "exact", checks.OK)
    assert found.found.startswith("valgrind 3.19.0: every access, on a simulated machine")
    # AND one without valgrind
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = checks.check_exact()
    # THEN a line says what is missing and how to get it, and nothing is broken
    assert (missing.state, missing.mend) == (checks.ABSENT, "install valgrind: apt install valgrind")
    assert missing.found == "valgrind is in no folder of PATH"


def test_no_valgrind(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valgrind is in no folder of PATH; install valgrind: apt install valgrind" in refusal()


def test_a_build_without_valgrind_s_headers(parts: Parts) -> None:
    parts(tool=False)
    assert "was built where valgrind's headers were not installed; apt install valgrind, then install tierprof again" in refusal()


def test_another_version(parts: Parts) -> None:
    parts(version="3.22.0")
    assert "it was built for valgrind 3.19.0, and valgrind 3.22.0 is installed; install tierprof again from source" in refusal()


def test_valgrind_without_its_parts(parts: Parts) -> None:
    folder = parts(library=False)
    assert f"valgrind's own parts are in none of {folder / 'libexec/valgrind'}, " in refusal()


def test_valgrind_lib_is_followed(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts(library=False)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/vgpreload_core-amd64-linux.so").touch()
    monkeypatch.setenv("VALGRIND_LIB", str(tmp_path / "own"))
    assert engine.find_engine().library == tmp_path / "own"


def test_another_processor(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "the engine is for x86-64 and this machine is aarch64" in refusal()


def test_the_folder_holds_valgrind_s_parts_and_our_tool_and_goes_away(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # GIVEN a user who has said how OpenMP waits, and a raw folder whose name has valgrind's own special character in it
    folder = parts()
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    raw = tmp_path / "50% raw"
    raw.mkdir()
    # WHEN a command is put together
    with engine.engine_command(ExactOptions("cores 3\n", "test", timing=False), raw) as command:
        library = Path(command.environment["VALGRIND_LIB"])
        # THEN the folder has all parts, by links
        assert {part.name: part.resolve() for part in library.iterdir()} == {
            "vgpreload_core-amd64-linux.so": folder / "libexec/valgrind/vgpreload_core-amd64-linux.so",
            "none-amd64-linux": folder / "libexec/valgrind/none-amd64-linux",
            "tierprof-amd64-linux": folder / "native/exact/tierprof-amd64-linux",
        }
        # AND the engine is told where to write, what to simulate, and nothing of the user's own valgrind options
        assert command.words[:2] == (str(folder / "native/exact/tierprof-engine"), "--tool=tierprof")
        assert "--command-line-only=yes" in command.words
        assert f"--log-file={tmp_path}/50%% raw/engine.%p.log" in command.words
        assert f"--tp-dir={raw}" in command.words
        (config,) = (Path(word.partition("=")[2]) for word in command.words if word.startswith("--tp-config="))
        assert config.read_text() == "cores 3\ntiming 0\n"
        # AND what the user said is kept
        assert command.environment["TIERPROF_ENGINE"] == "1"
        assert "OMP_WAIT_POLICY" not in command.environment
        assert command.environment["GOMP_SPINCOUNT"] == "0"
    # AND afterwards nothing is left of it
    assert not library.exists()


def test_a_place_that_cannot_be_written_to_is_one_line(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # GIVEN a folder for temporary files that is not there
    parts()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    # THEN nothing is started, and the line names it
    refused = pytest.raises(TierprofError, match=f"the exact engine cannot be started: {tmp_path}/gone/tierprof-engine-.*: no such file")
    with refused, engine.engine_command(ExactOptions("cores 3\n", "test"), tmp_path):
        pytest.fail("it was started")


def facts(**differing: object) -> CommandFacts:
    usual: dict[str, object] = {"path": Path("p"), "program": Path("p"), "script": False, "static": False, "setuid": False, "bits": 64}
    return CommandFacts(**{**usual, **differing})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("differing", "why"), [({"bits": 32}, "a 32-bit program"), ({"setuid": True}, "set-uid"), ({"foreign": True}, "for another machine")]
)
def test_programs_that_the_engine_cannot_run_are_refused(differing: dict[str, object], why: str) -> None:
    with pytest.raises(CommandError, match=f"p cannot be run by the exact engine: it is .*{why}"):
        engine.check_program(facts(**differing))


def test_a_static_program_runs_without_its_allocations() -> None:
    engine.check_program(facts(static=True))
