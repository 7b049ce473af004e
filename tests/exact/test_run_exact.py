"""`tierprof run --source exact` end to end: counts are exact, the program behaves as without it, and whatever ends it leaves a trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from tierprof.base.errors import TierprofError
from tierprof.profiler import session
from tierprof.profiler.exact.engine import find_engine
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.trace import Trace

CompileProgram = Callable[..., Path]
Done = subprocess.CompletedProcess

READS, WRITES = 60_000, 20_000
READ_BYTES, WRITTEN_BYTES = READS * 8, WRITES * 8
INCLUDE = Path(__file__).parents[2] / "native/include"
CONFIG = "cores 2\nl3_bytes 1048576\nl3_ways 16\nl2_bytes 262144\n"


@pytest.fixture(autouse=True)
def engine() -> None:
    """Skips where the engine was not built, or valgrind is not installed."""
    try:
        find_engine()
    except TierprofError as error:
        pytest.skip(str(error))


def tierprof_run(options: Sequence[str], command: Sequence[str], cwd: Path, **more: object) -> "Done[bytes]":
    settings: dict = {"capture_output": True, "cwd": cwd, "timeout": 300, **more}
    words = [sys.executable, "-P", "-m", "tierprof", "run", "--source", "exact", *options, "--", *command]
    return subprocess.run(words, check=False, **settings)


def plain(command: Sequence[str], cwd: Path) -> "Done[bytes]":
    return subprocess.run(command, capture_output=True, check=False, cwd=cwd, timeout=60)


Ran = Callable[..., tuple[Trace, session.RunResult]]


@pytest.fixture
def ran(tmp_path: Path, compile_program: CompileProgram) -> Ran:
    """`ran(*arguments, program=, **options)`: a run of a program with arguments, and its trace."""

    def run(*arguments: str, program: str = "exact_counts", config: str = CONFIG, **options: object) -> tuple[Trace, session.RunResult]:
        exact = ExactOptions(config, "optane100-x6", **options)  # type: ignore[arg-type]
        command = [str(compile_program(program)), *arguments]
        wanted = LaunchOptions(source="exact", exact=exact, discard_stdout=True)
        result = session.run(command, tmp_path / "t", wanted)
        assert result.failure is None
        return Trace.open(tmp_path / "t"), result

    return run


def loads_and_stores(trace: Trace) -> tuple[list[int], list[int]]:
    """(loads, stores) of the array that is only read, and of the one that is only written."""
    objects = trace.objects().set_index("peak_bytes")
    read, written = (objects.loc[size, ["loads", "stores"]] for size in (READ_BYTES, WRITTEN_BYTES))
    return read.astype(int).tolist(), written.astype(int).tolist()


def notes(trace: Trace) -> str:
    return "\n".join(note["text"] for note in trace.meta["notes"])


def test_each_access_is_counted_for_its_object(ran: Ran) -> None:
    # GIVEN a program that reads one array 60000 times and writes another 20000 times
    trace, result = ran()
    # THEN the counts are those, and the run was whole
    assert loads_and_stores(trace) == ([READS, 0], [0, WRITES])
    assert trace.meta["complete"]
    exact = trace.meta["exact"]
    assert (exact["cut"], exact["files"], exact["instructions"]) == (False, 1, exact["measured"])
    assert result.exit_status == 0
    # AND every access is some object's
    profile = ExactProfile.from_trace(trace)
    for kind in ("loads", "stores"):
        assert profile.objects[kind].sum() == profile.threads[kind].sum() == exact[kind]


def test_lines_fetched_are_those_of_the_arrays(ran: Ran) -> None:
    # GIVEN arrays of 7500 and 2500 lines that were never touched before, and no prefetcher to run past their ends
    trace, _ = ran(config=CONFIG + "prefetch_next_line 0\nprefetch_stream 0\nprefetch_stride 0\n")
    objects = trace.frame("exact_objects").merge(trace.objects()[["site", "peak_bytes"]], left_on="object", right_on="site")
    lines = objects.set_index("peak_bytes")
    # THEN each line came from memory once, for a load or for a store; malloc's heads shift the arrays against the lines
    loaded = lines[["near_loads", "mid_loads", "far_loads"]].sum(axis=1)
    assert loaded[READ_BYTES] == pytest.approx(READ_BYTES / 64, abs=1)
    assert lines["rfo_lines"][WRITTEN_BYTES] == pytest.approx(WRITTEN_BYTES / 64, abs=1)
    assert (loaded[WRITTEN_BYTES], lines["rfo_lines"][READ_BYTES], lines["prefetched_lines"].sum()) == (0, 0, 0)


def test_without_timing_the_counts_are_the_same(ran: Ran) -> None:
    trace, _ = ran(timing=False)
    assert loads_and_stores(trace) == ([READS, 0], [0, WRITES])
    assert trace.meta["exact"]["config"]["timing"] == 0
    assert len(trace.frame("exact_episodes")) == 0


def test_a_region_is_what_the_function_does(ran: Ran) -> None:
    trace, _ = ran(region="kernel")
    # THEN the arrays' counts are whole, and next to nothing else was counted
    assert loads_and_stores(trace) == ([READS, 0], [0, WRITES])
    exact = trace.meta["exact"]
    assert exact["measured"] < exact["instructions"]
    assert READS <= exact["loads"] < READS + 100
    assert WRITES <= exact["stores"] < WRITES + 100


def test_a_region_between_marks(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program that reads an array three times, once between the marks
    program = str(compile_program("exact_marks", f"-I{INCLUDE}"))
    # THEN it runs as it is, without tierprof
    assert plain([program], tmp_path).returncode == 0
    # AND with it the one reading is what was counted
    assert tierprof_run(["-q", "--region", "marks", "-o", "t"], [program], tmp_path).returncode == 0
    trace = Trace.open(tmp_path / "t")
    assert trace.objects()["loads"].max() == 50_000
    assert trace.meta["exact"]["loads"] < 50_100


def test_a_region_that_is_never_entered_is_named(ran: Ran) -> None:
    trace, _ = ran(region="no_such_function")
    assert "nothing was measured: function no_such_function was never entered" in notes(trace)
    assert trace.meta["exact"]["measured"] == 0


def test_counts_bound_what_is_measured(ran: Ran) -> None:
    # GIVEN a run of some length
    trace, _ = ran(start_after=100_000, stop_after=200_000)
    # THEN what was measured is what lies between the counts, but for the block in which each falls
    assert trace.meta["exact"]["measured"] == pytest.approx(100_000, abs=1000)


def test_intervals_stand_for_the_whole(ran: Ran) -> None:
    trace, _ = ran(interval=(5_000, 50_000), warm_up=2_000)
    # THEN a tenth was measured, and the weighted counts are the run's, as well as such a sample can tell
    exact = trace.meta["exact"]
    assert exact["measured"] == pytest.approx(exact["instructions"] / 10, rel=0.2)
    assert loads_and_stores(trace)[0][0] == pytest.approx(READS, rel=0.5)
    assert "% of the instructions were measured" in notes(trace)


@pytest.mark.parametrize(("then", "number"), [("segv", signal.SIGSEGV), ("abort", signal.SIGABRT)])
def test_a_program_that_dies_is_counted_until_then(ran: Ran, then: str, number: signal.Signals) -> None:
    trace, result = ran(then)
    assert result.exit_status == 128 + number
    assert loads_and_stores(trace) == ([READS, 0], [0, WRITES])
    assert f"{number.name} ended the program" in notes(trace)
    assert not trace.meta["exact"]["cut"]


def test_a_program_that_is_killed_leaves_its_whole_slices(ran: Ran) -> None:
    # GIVEN slices short enough for some to be over when the program is killed
    trace, result = ran("kill", config=CONFIG + "slice_instructions 10000\n")
    # THEN they are there, and the trace is marked
    assert result.exit_status == 128 + signal.SIGKILL
    assert (trace.meta["exact"]["cut"], trace.meta["complete"]) == (True, False)
    assert 0 < loads_and_stores(trace)[0][0] <= READS
    assert "is cut short: its last slice is missing" in notes(trace)


def test_a_forked_child_has_counts_of_its_own_for_the_same_objects(ran: Ran) -> None:
    trace, _ = ran("fork")
    assert trace.meta["exact"]["files"] == 2
    assert loads_and_stores(trace) == ([2 * READS, 0], [0, 2 * WRITES])
    by_process = ExactProfile.from_trace(trace).threads.groupby("pid")["loads"].sum()
    assert len(by_process) == 2
    assert by_process.min() >= READS


def test_a_program_that_another_replaces_has_both_counted(ran: Ran) -> None:
    # GIVEN a program that executes itself once more
    trace, _ = ran("exec")
    # THEN each image has a file, and their objects are the same sites
    assert trace.meta["exact"]["files"] == 2
    assert not trace.meta["exact"]["cut"]
    assert loads_and_stores(trace) == ([2 * READS, 0], [0, 2 * WRITES])


def test_threads_are_told_apart(ran: Ran) -> None:
    trace, _ = ran("threads")
    assert loads_and_stores(trace) == ([2 * READS, 0], [0, 2 * WRITES])
    threads = ExactProfile.from_trace(trace).threads.groupby("thread")["loads"].sum()
    assert len(threads) == 2
    assert threads.min() >= READS
    assert trace.objects().set_index("peak_bytes").loc[READ_BYTES, "threads"] == 2
    assert "threads took turns" in notes(trace)


def test_two_runs_of_one_thread_are_alike(ran: Ran, tmp_path: Path) -> None:
    # GIVEN the same run twice
    first, _ = ran()
    shutil.move(first.path, tmp_path / "first")
    second, _ = ran()
    # THEN the counts of the objects are the same, to the last line
    keys = ["object", "loads", "stores", "l1_misses", "l2_misses", "far_loads", "prefetched_lines", "writeback_lines"]
    one, two = (
        trace.frame("exact_objects").query("object >= 0")[keys].reset_index(drop=True) for trace in (Trace.open(tmp_path / "first"), second)
    )
    pd.testing.assert_frame_equal(one, two)


COMMANDS = {
    "ls": ["ls", "-la", "/usr"],
    "pipeline": ["bash", "-c", "ls /usr/bin | wc -l"],
    "failing": ["bash", "-c", "echo out; echo err >&2; exit 42"],
    "killed": ["bash", "-c", "kill -SEGV $$"],
}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_output_and_status_are_as_without_tierprof(tmp_path: Path, name: str) -> None:
    expected = plain(COMMANDS[name], tmp_path)
    done = tierprof_run(["-q", "-o", "t"], COMMANDS[name], tmp_path)
    assert (done.stdout, done.stderr) == (expected.stdout, expected.stderr)
    assert done.returncode == (expected.returncode if expected.returncode >= 0 else 128 - expected.returncode)
    assert json.loads((tmp_path / "t/meta.json").read_text())["source"] == "exact"


def test_python_s_objects_have_their_lines(tmp_path: Path) -> None:
    # GIVEN a Python program that sums an array of two million numbers
    pytest.importorskip("numpy")
    (tmp_path / "total.py").write_text("import numpy\nnumbers = numpy.ones(2_000_000)\nprint(numbers.sum())\n")
    done = tierprof_run(["-q", "-o", "t"], [sys.executable, "total.py"], tmp_path)
    # THEN it runs as without the engine, and the array was read and written once, however wide the accesses were
    assert (done.stdout, done.returncode) == (b"2000000.0\n", 0)
    trace = Trace.open(tmp_path / "t")
    (array,) = trace.objects().query("kind == 'malloc' and peak_bytes >= 16_000_000").to_dict("records")
    table = trace.frame("exact_objects")
    mine = table[table["object"] == array["site"]][["load_bytes", "store_bytes"]].sum()
    assert mine.tolist() == [16_000_000, 16_000_000]


def test_termination_is_the_program_s_to_answer(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program that ends with status 7 when it is told to
    words = [sys.executable, "-P", "-m", "tierprof", "run", "-q", "--source", "exact", "-o", "t", "--", str(compile_program("run_signals"))]
    process = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    # WHEN tierprof is told to THEN the program does, and the trace is whole
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 7
    process.communicate()
    assert json.loads((tmp_path / "t/meta.json").read_text())["exact"]["cut"] is False


def test_one_line_sums_the_run_up(compile_program: CompileProgram, tmp_path: Path) -> None:
    done = tierprof_run(["-o", "t"], [str(compile_program("exact_counts"))], tmp_path)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("tierprof: ")
    assert " instructions measured, " in line
    assert line.endswith("objects; trace t")


def test_a_static_program_is_counted_without_its_objects(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program that cannot load the shim
    done = tierprof_run(["-o", "t"], [str(compile_program("exact_counts", "-static"))], tmp_path)
    # THEN it runs, one line says what will be missing, and its accesses are nobody's
    assert done.stdout == b"counted\n"
    assert "is linked statically and cannot load the shim" in done.stderr.decode()
    trace = Trace.open(tmp_path / "t")
    assert len(trace.objects()) == 0
    assert ExactProfile.from_trace(trace).objects["loads"].sum() >= READS


def test_no_valgrind_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    # GIVEN a PATH without valgrind
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/true").symlink_to("/bin/true")
    done = tierprof_run(["-o", "t"], ["true"], tmp_path, env={**os.environ, "PATH": str(tmp_path / "bin")})
    # THEN one line says what to install
    (line,) = done.stderr.decode().splitlines()
    assert line == "tierprof: source exact cannot be used: valgrind is in no folder of PATH; install valgrind: apt install valgrind"
    assert (done.returncode, (tmp_path / "t").exists()) == (1, False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_the_trace_and_not_the_program(compile_program: CompileProgram, small_disk: Path, tmp_path: Path) -> None:
    # GIVEN a trace on a disk that is too small for it
    (small_disk / "filler").write_bytes(bytes(200 * 1024))
    done = tierprof_run(["-o", str(small_disk / "t")], [str(compile_program("exact_counts")), "end", "3"], tmp_path)
    # THEN the program ran to its own end
    assert (done.stdout, done.returncode) == (b"counted\n", 3)
    # AND lines say what became of the trace
    assert done.stderr.decode().count("Traceback") == 0
    assert "tierprof: " in done.stderr.decode()


def test_spinning_is_turned_off_unless_the_user_says_how_to_wait(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $OMP_WAIT_POLICY $GOMP_SPINCOUNT"]
    assert tierprof_run(["-q", "-o", "a"], command, tmp_path).stdout == b"passive 0\n"
    env = {**os.environ, "OMP_WAIT_POLICY": "active"}
    assert tierprof_run(["-q", "-o", "b"], command, tmp_path, env=env).stdout == b"active 0\n"
