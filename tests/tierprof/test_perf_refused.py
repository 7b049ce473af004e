"""Where perf is really refused, as in most containers: the program runs on, and one line says why there are no samples."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TIERPROF = (sys.executable, "-P", "-m", "tierprof")


def test_a_run_goes_on_without_samples_and_says_so(compile_program: Callable[..., Path], tmp_path: Path) -> None:
    # GIVEN a machine on which perf_event_open answers EACCES
    refused = str(compile_program("no_perf"))
    trace = tmp_path / "sh.trace"
    # WHEN a program is profiled there
    done = subprocess.run(
        [
            refused,
            *TIERPROF,
            "run",
            "-o",
            str(trace),
            "--",
            sys.executable,
            "-c",
            "import sys; print(len(bytearray(1 << 20))); sys.exit(5)",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    # THEN its output and status are its own, and one line names the cause
    assert done.returncode == 5
    assert done.stdout == "1048576\n"
    lines = [line for line in done.stderr.splitlines() if "no samples:" in line]
    assert len(lines) == 1
    assert "perf_event_paranoid" in lines[0]
    # THEN the trace has its allocations
    listed = json.loads(subprocess.run([*TIERPROF, "objects", str(trace), "--json"], capture_output=True, text=True, check=True).stdout)
    assert listed["samples"] == 0
    assert any(own["peak_bytes"] >= 1 << 20 for own in listed["objects"])


def test_the_doctor_tells_what_is_refused(compile_program: Callable[..., Path]) -> None:
    done = subprocess.run([str(compile_program("no_perf")), *TIERPROF, "doctor", "--json"], capture_output=True, text=True, check=False)
    states = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0
    assert states["clock"]["state"] == "absent"
    assert "Permission denied" in states["clock"]["found"]
    assert states["emulated:FACTOR"]["state"] == "absent"
    assert states["libtierprof.so"]["state"] == "ok"
