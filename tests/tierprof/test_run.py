"""`tierprof run` as its users meet it: programs behave as without it, and each bad input is one line."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tierprof import cli

CompileProgram = Callable[..., Path]
Done = subprocess.CompletedProcess


def tierprof_run(options: Sequence[str], command: Sequence[str], cwd: Path, **more: object) -> "Done[bytes]":
    settings: dict = {"capture_output": True, "cwd": cwd, "timeout": 120, **more}
    return subprocess.run([sys.executable, "-P", "-m", "tierprof", "run", *options, "--", *command], check=False, **settings)


def plain(command: Sequence[str], cwd: Path) -> "Done[bytes]":
    return subprocess.run(command, capture_output=True, check=False, cwd=cwd, timeout=120)


COMMANDS = {
    "ls": ["ls", "-la", "/usr"],
    "pipeline": ["bash", "-c", "ls /usr/bin | wc -l"],
    "grep": ["grep", "-c", "root", "/etc/passwd"],
    "grep without a match": ["grep", "no such line", "/etc/passwd"],
    "numpy": [sys.executable, "-c", "import numpy; print(int(numpy.arange(1000).sum()))"],
    "gcc": ["gcc", "-c", "source.c", "-o", "/dev/null"],
    "git": ["git", "status", "--porcelain", "--branch"],
    "sort": ["sort", "-rn", "numbers"],
    "failing": ["bash", "-c", "echo out; echo err >&2; exit 42"],
    "killed": ["bash", "-c", "kill -SEGV $$"],
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source file, a repository and a large file."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "source.c").write_text("#include <stdio.h>\nint main(void) { puts(__FILE__); return 0; }\n")
    (folder / "numbers").write_text("".join(f"{i * 7919 % 200003}\n" for i in range(200_000)))
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    return folder


@pytest.mark.parametrize("name", list(COMMANDS))
def test_output_and_status_are_as_without_tierprof(work: Path, tmp_path: Path, name: str) -> None:
    command = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    expected = plain(command, work)
    done = tierprof_run(["-q", "-o", str(tmp_path / "t")], command, work)
    assert done.stdout == expected.stdout
    assert done.stderr == expected.stderr
    assert done.returncode == (expected.returncode if expected.returncode >= 0 else 128 - expected.returncode)
    assert (tmp_path / "t" / "meta.json").exists()


@pytest.mark.parametrize("name", ["run_threads", "run_forks"])
def test_threads_and_forks_are_as_without_tierprof(compile_program: CompileProgram, tmp_path: Path, name: str) -> None:
    program = [str(compile_program(name))]
    done = tierprof_run(["-q", "-o", "t"], program, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (plain(program, tmp_path).stdout, b"", 0)


def test_input_reaches_the_program(tmp_path: Path) -> None:
    done = tierprof_run(["-q"], ["tr", "a-z", "A-Z"], tmp_path, input=b"quiet please")
    assert done.stdout == b"QUIET PLEASE"
    assert (tmp_path / "tr.trace" / "meta.json").exists()


def test_one_line_sums_the_run_up(tmp_path: Path) -> None:
    done = tierprof_run(["--source", "none", "-o", "t"], ["ls", "/"], tmp_path)
    assert re.fullmatch(r"tierprof: no samples, \d+ objects; trace t\n", done.stderr.decode())


def test_the_samples_and_their_share_are_in_the_line(perf_allowed: None, compile_program: CompileProgram, tmp_path: Path) -> None:
    done = tierprof_run(["--source", "clock", "--rate", "2000", "-o", "t"], [str(compile_program("run_spin"))], tmp_path)
    assert re.fullmatch(r"tierprof: \d+ samples, \d+\.\d% attributed, \d+ objects; trace t\n", done.stderr.decode())


def test_a_second_run_makes_a_second_trace(tmp_path: Path) -> None:
    for _ in range(2):
        assert tierprof_run(["-q", "--source", "none"], ["true"], tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["true-2.trace", "true.trace"]


def test_termination_is_passed_on_and_the_trace_still_made(compile_program: CompileProgram, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tierprof", "run", "-q", "-o", "t", "--", str(compile_program("run_signals"))]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 7
    process.communicate()
    assert (tmp_path / "t" / "meta.json").exists()


def test_the_terminal_s_interrupt_is_the_program_s_to_answer(tmp_path: Path) -> None:
    # GIVEN a program on a terminal that answers an interrupt with a word and a status of its own
    program = 'trap "echo heard; exit 9" INT; echo up; read -r line'
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts background jobs with it ignored, and no trap undoes that
        os.execv(sys.executable, [sys.executable, "-P", "-m", "tierprof", "run", "-q", "-o", "t", "--", "bash", "-c", program])
    said = b""
    while b"up" not in said:
        said += os.read(terminal, 100)
    # WHEN the user presses control-C
    os.write(terminal, b"\x03")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said += os.read(terminal, 1000)
    os.close(terminal)
    # THEN the program decides, and the trace is made
    assert b"heard" in said
    assert status == 9
    assert (tmp_path / "t" / "meta.json").exists()


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """`refused(options, command, status=1)`: the one line that the command line says before it runs anything."""
    monkeypatch.chdir(tmp_path)

    def run(options: Sequence[str], command: Sequence[str], status: int = 1) -> str:
        assert cli.main(["run", *options, "--", *command]) == status
        out, err = capfd.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("tierprof")
        return line

    return run


def test_each_bad_input_is_one_line(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "text").write_text("text")
    (tmp_path / "there").mkdir()
    assert "it is in no folder of PATH" in refused([], ["no-such-program"])
    assert "there is no such file" in refused([], ["./absent"])
    assert "it is a folder" in refused([], ["./there"])
    assert "it is not executable" in refused([], ["./text"])
    assert "no command was given" in refused([], [])
    assert "a trace is never overwritten" in refused(["-o", "there"], ["true"])
    assert "trace /dev/null/t cannot be made" in refused(["-o", "/dev/null/t"], ["true"])
    assert "rate 5000 Hz cannot be used" in refused(["--rate", "5000"], ["true"])
    assert "rate 0 Hz cannot be used" in refused(["--rate", "0"], ["true"])
    assert "source spe cannot be used" in refused(["--source", "spe"], ["true"])
    assert "'4x' is no size" in refused(["--threshold", "4x"], ["true"])
    assert "invalid choice" in refused(["--source", "magic"], ["true"], status=2)
    assert "plan absent.plan" in refused(["--plan", "absent.plan"], ["true"])
    assert "tier" in refused(["--tier", "slow=nothing"], ["true"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text", "there"]


def test_a_folder_without_permission_is_one_line(tmp_path: Path, refused: Refused) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o555)
    assert "cannot be made: permission denied" in refused(["-o", "t"], ["true"])


def test_a_static_program_runs_on_with_one_warning(compile_program: CompileProgram, tmp_path: Path) -> None:
    program = str(compile_program("run_status", "-static"))
    done = tierprof_run(["--source", "none", "-o", "t"], [program, "6"], tmp_path)
    assert done.returncode == 6
    lines = done.stderr.decode().splitlines()
    assert (
        lines[0] == f"tierprof: no allocations will be seen: {program} is linked statically and cannot load the shim; link it dynamically"
    )
    assert len(lines) == 2


def test_a_file_that_cannot_grow_does_not_stop_the_program(compile_program: CompileProgram, tmp_path: Path) -> None:
    # GIVEN a limit of 64 KiB a file, as a full disk would be
    import resource

    done = tierprof_run(
        ["--source", "clock", "-o", "t"],
        [str(compile_program("run_threads"))],
        tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
    )
    assert done.returncode == 0
    assert done.stdout == plain([str(compile_program("run_threads"))], tmp_path).stdout
    assert all(line.startswith("tierprof: ") for line in done.stderr.decode().splitlines())
