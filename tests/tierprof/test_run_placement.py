"""The part of `tierprof run` that places: what it refuses, and what it says of a plan."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tierprof.cli import main
from tierprof.placer.decisions import read_decisions
from tierprof.placer.plan import Plan
from tierprof.profiler.trace import Trace

MIB = 1 << 20


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--online"], "--online cannot be used: there is nothing to move between; give --plan, or --tier slow=SPEC"),
        (["--stay", "5s"], "--stay cannot be used: there is nothing to move between"),
        (["--tier", "slow=pmem:MEMORY", "--every", "1s"], "--every cannot be used: it is for the online policy; add --online"),
        (["--tier", "slow=pmem:MEMORY", "--move-rate", "1MiB/s"], "--move-rate cannot be used: it is for the online policy"),
        (
            ["--tier", "slow=pmem:MEMORY", "--online", "--source", "none"],
            "--online cannot be used: source none takes no samples to decide by",
        ),
        (["--tier", "slow=pmem:MEMORY", "--online", "--every", "never"], "'never' is no time"),
        (["--tier", "dram", "--online"], "--online: the plan has only one tier"),
        (["--tier", "slow=pmem:MEMORY/none"], "the folder does not exist"),
        (["--no-trace", "--tier", "slow=pmem:MEMORY"], "--no-trace cannot be used with --output: that records; leave out one of them"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    options: Sequence[str], line: str, memory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [word.replace("MEMORY", str(memory)) for word in options]
    assert main(["run", "-o", str(memory / "trace"), *words, "--", "true"]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert line in err
    assert not (memory / "trace").exists()


_SHOW_WHERE = """
import mmap
block = mmap.mmap(-1, 3 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
block[:] = b"x" * len(block)
print(sum("MEMORY" in line for line in open("/proc/self/maps")) > 0, block[-1])
raise SystemExit(5)
"""


def test_a_run_without_a_trace_places_and_leaves_nothing_behind(
    memory: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a program that says whether it has memory in a tier's folder
    monkeypatch.chdir(memory.parent)
    program = [sys.executable, "-c", _SHOW_WHERE.replace("MEMORY", str(memory))]
    # WHEN it is placed and not recorded
    assert main(["run", "--no-trace", "--tier", f"slow=pmem:{memory}", "--", *program]) == 5
    # THEN it has, and there is no trace and no word of one
    assert capfd.readouterr() == ("True 120\n", "")
    assert list(memory.parent.iterdir()) == [memory]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "--no-trace cannot be used: then there is nothing to do; give --plan, or --tier slow=SPEC"),
        (["--tier", "dram", "--online"], "--no-trace cannot be used with --online: that records"),
        (["--tier", "dram", "--source", "clock"], "--no-trace cannot be used with --source clock: that records"),
    ],
)
def test_what_records_does_not_go_with_no_trace(options: Sequence[str], line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--no-trace", *options, "--", "true"]) == 1
    assert line in capfd.readouterr().err


def test_a_program_that_ends_at_once_is_no_trouble_to_the_policy(memory: Path, perf_allowed: None) -> None:
    trace = memory.parent / "trace"
    options = ["-o", str(trace), "--tier", f"slow=pmem:{memory}", "--online", "--every", "10ms"]
    command = [sys.executable, "-P", "-m", "tierprof", "run", *options, "--", "sh", "-c", "exit 7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (7, "")
    assert "tierprof: the online policy moved nothing\n" in done.stderr
    assert "stumbled" not in done.stderr
    assert read_decisions(trace) == []


# A line before all that allocates moves it, in the file and in the program.
SOURCE = """\
#include <stdlib.h>
#include <string.h>
MORE
__attribute__((noipa)) static char *keep(size_t size) { return memset(malloc(size), 1, size); }
int main(void) {
    char *large = keep(3 << 20), *larger = NAME(5 << 20);
    return large[7] - larger[9];
}
"""


def _build(folder: Path, more: str, name: str) -> Path:
    folder.mkdir()
    other = "__attribute__((noipa)) static char *other(size_t n) { char *m = malloc(n); return m == NULL ? m : memset(m, 1, n); }"
    (folder / "prog.c").write_text(SOURCE.replace("MORE", f"{other}\n{more}").replace("NAME", name))
    flags = "-Wl,--build-id", "-Wno-unused-function"
    subprocess.run(["gcc", "-g", "-O2", *flags, "prog.c", "-o", "prog"], check=True, cwd=folder)
    return folder / "prog"


def test_a_plan_of_another_build_is_followed_with_a_warning(tmp_path: Path, memory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # GIVEN a plan that sends two objects of a program to a folder, and another build of it, in which another function makes one
    first = _build(tmp_path / "one", "", "other")
    second = _build(tmp_path / "two", "__attribute__((used)) int more(int n) { return n < 2 ? n : more(n - 1) * more(n - 2); }", "keep")
    assert main(["run", "-q", "--source", "none", "-o", str(tmp_path / "one.trace"), "--", str(first)]) == 0
    options = ["--budget", "dram=1MiB", "--tier", f"slow=pmem:{memory}", "-o", str(tmp_path / "plan")]
    assert main(["place", str(tmp_path / "one.trace"), "--by", "size", *options]) == 0
    capfd.readouterr()
    # WHEN the other build runs under it
    assert main(["run", "--source", "none", "-o", str(tmp_path / "two.trace"), "--plan", str(tmp_path / "plan"), "--", str(second)]) == 0
    err = capfd.readouterr().err
    # THEN what is found by function and line is placed, and the other one is named, before the run and after it
    planned = {own.bytes: own.site for own in Plan.load(tmp_path / "plan").objects}
    assert "the plan is of another build: 1 of its 2 sites were matched by function and line" in err
    assert "1 of the plan's 2 sites are not in this build, and go to its default tier: " in err
    assert "1 object of the plan was not met" in err
    found = json.loads(_where(tmp_path / "two.trace", capfd))["objects"]
    by_size = {own["peak_bytes"]: own for own in found if own["peak_bytes"] > MIB}
    assert (by_size[3 * MIB]["planned"], by_size[3 * MIB]["tier"]) == ("slow", "slow")
    assert by_size[3 * MIB]["site"] not in planned.values()
    missing = next(own for own in found if own["site"] == planned[5 * MIB])
    assert (missing["tier"], missing["reason"], missing["planned_bytes"]) == (None, "never allocated in this run", 5 * MIB)
    # AND the plan that the run followed is kept with its trace
    kept = Plan.load(tmp_path / "two.trace" / "plan.toml")
    assert by_size[3 * MIB]["site"] in {own.site for own in kept.objects}


def _where(trace: Path, capfd: pytest.CaptureFixture[str]) -> str:
    assert main(["where", str(trace), "--json"]) == 0
    return capfd.readouterr().out


def test_what_a_plan_does_not_name_has_what_the_budget_leaves(
    tmp_path: Path, memory: Path, compile_program: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a plan that gives 8 MiB of DRAM, 3 of them to one named object, and a default tier that it shares with it
    program = str(compile_program("place_sites"))
    assert main(["run", "-q", "--source", "none", "-o", str(tmp_path / "one.trace"), "--", program, "3"]) == 0
    options = ["--budget", "dram=8MiB", "--tier", f"slow=pmem:{memory}", "-o", str(tmp_path / "plan")]
    assert main(["place", str(tmp_path / "one.trace"), "--by", "size", *options]) == 0
    plan = Plan.load(tmp_path / "plan")
    assert plan.default == "dram"
    named = [own for own in plan.objects if own.bytes == 3 * MIB]
    Plan(plan.tiers, plan.default, (named[0],)).save(tmp_path / "plan")
    # WHEN the program makes more than it did
    assert (
        main(["run", "-q", "--source", "none", "-o", str(tmp_path / "two.trace"), "--plan", str(tmp_path / "plan"), "--", program, "9"])
        == 0
    )
    # THEN DRAM never holds more than it may, what is left of it is used, and the rest is in the slow tier
    tiers = Trace.open(tmp_path / "two.trace").meta["counters"]["tiers"]
    assert 7 * MIB < tiers[0]["peak_bytes"] <= 8 * MIB
    assert tiers[0]["peak_bytes"] + tiers[1]["peak_bytes"] >= 18 * MIB
    capfd.readouterr()
    rows = [own for own in json.loads(_where(tmp_path / "two.trace", capfd))["objects"] if own["peak_bytes"] >= MIB]
    spilled = [own for own in rows if own["tier"] == "slow"]
    assert len(spilled) == 2
    assert all(own["reason"].startswith("dram was full (") for own in spilled)
    # AND only the named object was not where it was planned
    assert {own["site"] for own in rows if not own["as_planned"]} == {named[0].site}
