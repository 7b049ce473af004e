"""A whole run: what is left behind when it works, when it cannot start, and when its records cannot be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tierprof.base.errors import CommandError, TierprofError
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.session import run
from tierprof.profiler.trace import Trace

CompileProgram = Callable[..., Path]


@pytest.fixture(autouse=True)
def quiet_streams(capfd: pytest.CaptureFixture[str]) -> None:
    """The programs' output goes to the captured descriptors."""


def test_a_run_leaves_a_whole_trace_and_nothing_else(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program with four threads
    notes: list[str] = []
    result = run([str(compile_program("run_threads"))], tmp_path / "t", LaunchOptions(source="clock"), on_note=notes.append)
    # THEN the trace opens, knows its objects and says how it was made; the raw folder is gone
    assert result.failure is None
    assert result.trace is not None
    trace = Trace.open(result.trace)
    assert len(trace.objects()) >= 1
    assert trace.meta["exit_status"] == 0
    assert not (tmp_path / "t" / "raw").exists()
    if result.launch.perf_error is None:
        assert notes == []
        assert result.launch.overhead_s > 0
        assert result.launch.skid["share_at_next"] > 0
        assert trace.meta["source"] == "clock"
        assert trace.meta["skid"]["cpu"] == result.launch.skid["cpu"]


def test_converting_is_announced_once_the_program_has_ended(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a context that looks at what is there when it is entered and left
    seen: list[list[str]] = []

    @contextmanager
    def looking() -> Iterator[None]:
        for _ in range(2):
            seen.append(sorted(path.name for path in (tmp_path / "t").iterdir() if path.name in ("raw", "meta.json")))
            if len(seen) == 1:
                yield

    run([str(compile_program("run_status"))], tmp_path / "t", LaunchOptions(source="none"), while_converting=looking)
    assert seen == [["raw"], ["meta.json"]]


def test_a_program_s_status_comes_through_the_whole_run(compile_program: CompileProgram, tmp_path: Path) -> None:
    result = run([str(compile_program("run_status")), "0", "9"], tmp_path / "t", LaunchOptions(source="none"))
    assert result.exit_status == 137
    assert Trace.open(tmp_path / "t").meta["exit_status"] == 137


def test_a_static_program_is_run_with_one_note_and_samples_only(compile_program: CompileProgram, tmp_path: Path) -> None:
    notes: list[str] = []
    program = str(compile_program("run_spin", "-static"))
    result = run([program], tmp_path / "t", LaunchOptions(source="clock"), on_note=notes.append)
    assert (result.exit_status, result.failure, result.launch.preloaded) == (0, None, False)
    assert [note for note in notes if program in note] == [
        f"no allocations will be seen: {program} is linked statically and cannot load the shim; link it dynamically"
    ]
    if result.launch.perf_error is None:
        assert Trace.open(tmp_path / "t").meta["samples"] > 0


def test_what_cannot_start_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run(["no-such-program"], tmp_path / "t")
    with pytest.raises(TierprofError, match="rate"):
        run(["true"], tmp_path / "t", LaunchOptions(rate_hz=1e9))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten_and_the_program_not_run(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mine").write_text("precious")
    with pytest.raises(TierprofError, match="never overwritten"):
        run(["touch", str(tmp_path / "ran")], tmp_path / "t")
    assert (tmp_path / "t" / "mine").read_text() == "precious"
    assert not (tmp_path / "ran").exists()


def test_records_that_cannot_be_read_are_kept_and_the_status_is_the_program_s(tmp_path: Path) -> None:
    # GIVEN a program that leaves samples of no known version beside its own
    spoil = 'printf %064d 0 > "$TIERPROF_DIR/perf.9.bin"; exit 5'
    result = run(["bash", "-c", spoil], tmp_path / "t", LaunchOptions(source="none"))
    assert result.exit_status == 5
    assert result.trace is None
    assert result.failure is not None
    assert "\n" not in result.failure
    assert result.failure.endswith(f"what was recorded is kept in {tmp_path / 't' / 'raw'}")
    assert (tmp_path / "t" / "raw" / "perf.9.bin").exists()
