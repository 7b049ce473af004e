"""One run: the program's streams, status, signals and environment are its own, and what perf saw is what it did."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tierprof.base.errors import CommandError, TierprofError
from tierprof.base.native import native_path
from tierprof.profiler import launch as launch_module
from tierprof.profiler.command import check_command
from tierprof.profiler.launch import LaunchOptions, launch, program_environment
from tierprof.profiler.perf import format as fmt
from tierprof.profiler.perf.parser import read_perf
from tierprof.profiler.sources import EventSpec, clock_event, fault_event

CompileProgram = Callable[..., Path]

UNSAMPLED = LaunchOptions(source="none", preload=False)
SAMPLED = LaunchOptions(source="clock", rate_hz=2000.0, preload=False)


def launcher(raw: Path, *command: str, events: tuple[EventSpec, ...] = (), more: tuple[str, ...] = ()) -> list[str]:
    raw.mkdir(exist_ok=True)
    asked = [word for event in events for word in ("--event", event.argument())]
    return [str(native_path("tierprof-launch")), "--raw", str(raw), *asked, *more, "--", *command]


def report_of(raw: Path) -> dict:
    return json.loads((raw / "launch.json").read_text())


@pytest.mark.parametrize(("arguments", "status"), [(["0"], 0), (["3"], 3), (["0", str(int(signal.SIGKILL))], 137), (["0", "11"], 139)])
def test_the_exit_status_is_the_program_s_own(compile_program: CompileProgram, tmp_path: Path, arguments: list[str], status: int) -> None:
    result = launch([str(compile_program("run_status")), *arguments], tmp_path / "raw", UNSAMPLED)
    assert result.exit_status == status
    assert result.wall_s > 0
    assert result.end_ns > result.start_ns > 0


def test_a_run_without_samples_leaves_none(compile_program: CompileProgram, tmp_path: Path) -> None:
    result = launch([str(compile_program("run_status"))], tmp_path / "raw", UNSAMPLED)
    assert (result.source, result.rate_hz, result.perf_error, dict(result.counts)) == ("none", 0.0, None, {})
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["launch.json"]


def test_every_page_touched_is_a_fault_with_its_address(perf_allowed: None, compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program that touches 500 known pages of a fresh mapping once each, at known bytes
    program, raw = str(compile_program("run_faults")), tmp_path / "raw"
    # WHEN every fault is sampled
    done = subprocess.run(
        launcher(raw, program, "1000", events=(clock_event(500.0), fault_event(1))), capture_output=True, text=True, check=True
    )
    start, pages, page = (int(text, base) for text, base in zip(done.stdout.split(), (16, 10, 10), strict=True))
    # THEN the fault events in the mapping are those addresses, in that order, of that process, and nowhere else in it
    samples = read_perf(raw).samples
    inside = (samples["event"] == "fault") & (samples["address"] >= start) & (samples["address"] < start + pages * page)
    expected = [start + i * page + i % page for i in range(0, pages, 2)]
    assert samples["address"][inside].tolist() == expected
    assert len(set(samples["pid"][inside])) == 1
    assert len(set(samples["ip"][inside])) == 1
    assert not samples["kernel"][inside].any()
    assert samples["weight"][inside].sum() == len(expected)
    # AND the count in launch.json is that of all faults
    (fault,) = [event for event in report_of(raw)["events"] if event["name"] == "fault"]
    assert fault["count"] == (samples["event"] == "fault").sum()


def test_faults_that_the_kernel_makes_for_the_program_are_seen_where_permitted(perf_allowed: None, tmp_path: Path) -> None:
    # GIVEN a program that reads a file into a fresh buffer: the kernel touches it first
    raw = tmp_path / "raw"
    done = subprocess.run(
        launcher(raw, "dd", "if=/dev/zero", "of=/dev/null", "bs=4M", "count=1", events=(fault_event(1),)), capture_output=True, check=False
    )
    assert done.returncode == 0
    streams = read_perf(raw)
    if not streams.events[0].kernel:
        pytest.skip("this user may not see the kernel's events (kernel.perf_event_paranoid)")
    assert streams.samples["kernel"].any()


def test_clock_samples_fall_into_the_loop_with_the_registers_of_the_moment(
    perf_allowed: None, compile_program: CompileProgram, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    done = subprocess.run(
        launcher(raw, str(compile_program("run_spin")), events=(clock_event(2000.0),)), capture_output=True, text=True, check=True
    )
    first, last = (int(text, 16) for text in done.stdout.split())
    streams = read_perf(raw)
    samples = streams.samples
    in_loop = (samples["ip"] >= first) & (samples["ip"] < last)
    assert in_loop.any()
    assert samples["has_regs"].all()
    assert np.array_equal(samples["regs"][:, fmt.REGISTERS.index(8)], samples["ip"])
    assert set(samples["regs"][in_loop][:, fmt.REGISTERS.index(20)]) == {0x7EE7}
    # every sample is in code that a mapping record names
    maps = streams.maps
    covered = [((maps["start"] <= ip) & (ip < maps["end"])).any() for ip in samples["ip"].tolist()]
    assert all(covered)
    assert (np.diff(samples["time_ns"]) >= 0).all()
    report = report_of(raw)
    assert ((samples["time_ns"] > report["start_ns"]) & (samples["time_ns"] < report["end_ns"])).all()


def test_children_are_sampled_and_named(perf_allowed: None, tmp_path: Path) -> None:
    # GIVEN a shell that forks and execs
    result = launch(["sh", "-c", "ls / | wc -l; true"], tmp_path / "raw", SAMPLED, stdout=subprocess.DEVNULL)
    assert result.exit_status == 0
    tasks = read_perf(tmp_path / "raw").tasks
    assert {"sh", "ls", "wc"} <= set(tasks[tasks["kind"] == "exec"]["name"])
    assert (tasks["kind"] == "fork").sum() >= 2
    assert set(result.counts) == {"clock", "fault"}


def test_perf_that_fails_leaves_a_run_without_samples(tmp_path: Path) -> None:
    # GIVEN an event that no kernel has
    raw = tmp_path / "raw"
    nonsense = EventSpec("nonsense", 0x7FFFFFF0, 0, 1000, fmt.SAMPLE_ALWAYS)
    done = subprocess.run(launcher(raw, "echo", "said", events=(nonsense,)), capture_output=True, text=True, check=False)
    # THEN the program runs as ever, and the report says which call failed on what
    assert (done.returncode, done.stdout, done.stderr) == (0, "said\n", "")
    report = report_of(raw)
    assert report["perf_errno"] != 0
    assert report["perf_error"].startswith("perf_event_open for nonsense on CPU ")
    assert report["events"] == []


def test_a_refusal_by_perf_is_told_and_the_source_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nonsense = EventSpec("nonsense", 0x7FFFFFF0, 0, 1000, fmt.SAMPLE_ALWAYS)
    monkeypatch.setattr(launch_module, "choose_source", lambda *_: launch_module.Source("clock", 500.0, (nonsense,)))
    result = launch(["true"], tmp_path / "raw", LaunchOptions(preload=False))
    assert result.perf_error is not None
    assert result.perf_error.startswith("no samples: ")
    assert (result.source, result.rate_hz, result.exit_status) == ("none", 0.0, 0)


def test_a_file_that_cannot_grow_ends_the_samples_not_the_program(
    perf_allowed: None, compile_program: CompileProgram, tmp_path: Path
) -> None:
    # GIVEN room for 64 KiB a file, and 20000 sampled faults
    raw = tmp_path / "raw"
    done = subprocess.run(
        launcher(raw, str(compile_program("run_faults")), "40000", events=(fault_event(1),)),
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
    )
    assert done.returncode == 0
    report = report_of(raw)
    assert report["complete"]
    assert report["notes"][0]["code"] == "write_failed"
    samples = read_perf(raw).samples
    assert 0 < len(samples["ip"]) < 20000


def test_the_size_limit_ends_the_samples_and_is_noted(perf_allowed: None, compile_program: CompileProgram, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    command = launcher(raw, str(compile_program("run_faults")), "40000", events=(fault_event(1),), more=("--max-bytes", "200000"))
    subprocess.run(command, capture_output=True, check=True)
    assert [note["code"] for note in report_of(raw)["notes"]] == ["limit_reached"]
    assert sum(path.stat().st_size for path in raw.glob("perf.*.bin")) <= 200000


def start_waiting(compile_program: CompileProgram, raw: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(launcher(raw, str(compile_program("run_signals"))), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_signals_sent_to_the_launcher_reach_the_program(compile_program: CompileProgram, tmp_path: Path) -> None:
    process = start_waiting(compile_program, tmp_path / "raw")
    assert process.stdout is not None
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() == b"hangup\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 7
    process.communicate()


def test_the_launcher_does_not_die_before_its_program(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a terminal's interrupt that the program has not got or does not die of
    process = start_waiting(compile_program, tmp_path / "raw")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGQUIT)
    # THEN the launcher stays until the program's input, and so the program, ends
    process.communicate(b"")
    assert process.returncode == 0
    assert report_of(tmp_path / "raw")["complete"]


def test_the_reader_of_a_pipe_sees_its_end_when_the_program_closes_it(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a program that closes its output and then waits for its input
    command = launcher(tmp_path / "raw", "sh", "-c", "echo out; exec >&-; read line")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    # THEN the end of the output comes before the end of the input is sent
    assert process.stdout.read() == b"out\n"
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_descriptors_and_ignored_signals_are_handed_on(tmp_path: Path) -> None:
    # GIVEN a caller with an open descriptor and a signal that it ignores
    kept = tmp_path / "kept"
    script = f"""
import os, signal, sys
from pathlib import Path
from tierprof.profiler.command import check_command
from tierprof.profiler.launch import LaunchOptions, launch
signal.signal(signal.SIGHUP, signal.SIG_IGN)
fd = os.open({str(kept)!r}, os.O_WRONLY | os.O_CREAT)
os.dup2(fd, 9)
program = "echo kept >&9; grep SigIgn /proc/self/status >&9"
launch(["sh", "-c", program], Path({str(tmp_path / "raw")!r}), LaunchOptions(source="none", preload=False))
"""
    subprocess.run([sys.executable, "-P", "-c", script], check=True)
    lines = kept.read_text().splitlines()
    assert lines[0] == "kept"
    assert int(lines[1].split()[1], 16) & 1 << (signal.SIGHUP - 1)


def test_the_shim_comes_before_the_user_s_own_preloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/lib/libuser.so /lib/libother.so")
    options = LaunchOptions(env={"EXTRA": "1"}, threshold_bytes=8192, small_period_bytes=0, max_trace_bytes=77)
    added = program_environment(tmp_path, options, preload=True)
    shim = str(native_path("libtierprof.so").absolute())
    assert added == {
        "EXTRA": "1",
        "LD_PRELOAD": f"{shim}:/lib/libuser.so:/lib/libother.so",
        "TIERPROF_DIR": str(tmp_path),
        "TIERPROF_THRESHOLD": "8192",
        "TIERPROF_SMALL_PERIOD": "0",
        "TIERPROF_MAX_BYTES": "77",
    }
    assert program_environment(tmp_path, options, preload=False) == {"EXTRA": "1"}
    # a wrapped tierprof does not preload the shim twice
    monkeypatch.setenv("LD_PRELOAD", shim)
    assert program_environment(tmp_path, options, preload=True)["LD_PRELOAD"] == shim


def test_a_shim_in_a_folder_with_spaces_is_preloaded_by_way_of_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "with space" / "libtierprof.so"
    shim.parent.mkdir()
    shim.write_bytes(native_path("libtierprof.so").read_bytes())
    monkeypatch.setattr(launch_module, "native_path", lambda _name: shim)
    first = program_environment(tmp_path, LaunchOptions(), preload=True)["LD_PRELOAD"].split(":")[0]
    assert " " not in first
    assert os.path.realpath(first) == str(shim)


def test_what_exec_refuses_is_reported(tmp_path: Path) -> None:
    # GIVEN a program that vanishes between the check and exec: here, whose interpreter was never there
    program = tmp_path / "script"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    done = subprocess.run(launcher(tmp_path / "raw", str(program)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (125, "")
    assert report_of(tmp_path / "raw")["exec_error"] == errno.ENOENT
    # THEN Python tells it as an error of the command
    with pytest.raises(CommandError, match=f"{program} cannot be run: no such file or directory;"):
        launch([str(program)], tmp_path / "raw2", UNSAMPLED, facts=check_command(["true"]))


def test_a_command_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="the command cannot be started: argument list too long; shorten"):
        launch(["true", "x" * 4_000_000], tmp_path / "raw", UNSAMPLED)


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(TierprofError, match="folder /dev/null/raw cannot be made: not a directory;"):
        launch(["true"], Path("/dev/null/raw"), UNSAMPLED)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--raw"],
        ["--what", "x"],
        ["--event", "name=a,bogus=1"],
        ["--event", "type=1"],
        ["--env", "NOVALUE"],
        ["--max-bytes", "x"],
        ["--", "true"],
    ],
)
def test_a_wrong_command_line_of_the_launcher_is_refused(wrong: list[str]) -> None:
    done = subprocess.run([str(native_path("tierprof-launch")), *wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1
