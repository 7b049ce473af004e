"""The options of an exact run: counts as people write them, what goes together, and what the engine is told."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tierprof import cli
from tierprof.base.errors import TierprofError
from tierprof.base.units import format_count, parse_count
from tierprof.commands import run
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.profile import parse_config


@pytest.mark.parametrize(
    ("text", "count"), [("20M", 20_000_000), ("1.5G", 1_500_000_000), ("100k", 100_000), ("4096", 4096), ("2 B", 2 * 10**9), ("1t", 10**12)]
)
def test_counts_read_as_people_write_them(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "many", "20MiB", "-5", "1e6"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(TierprofError, match="is no count"):
        parse_count(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (999_600, "1M"), (20_000_000, "20M"), (1_234_567_890, "1.23G"), (10**13, "10T")],
)
def test_counts_print_with_three_digits(count: int, text: str) -> None:
    assert format_count(count) == text


def parsed(words: Sequence[str]) -> Namespace:
    parser = ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args([*words, "--", "true"])


def test_all_options_reach_the_engine(tmp_path: Path) -> None:
    # GIVEN every option that can stand beside the others
    words = ["--source", "exact", "--cores", "2", "--start-after", "5k", "--stop-after", "1M", "--warm-up", "2k", "--interval", "10:500"]
    options = run.exact_options(parsed([*words, "--no-timing", "--machine", "optane100-x6"]))
    assert options is not None
    # WHEN the engine is told
    config, arguments = parse_config(options.config()), options.engine_arguments(tmp_path, tmp_path / "c")
    # THEN it is told all of it, the machine by its numbers
    assert (config["cores"], config["timing"]) == (2, 0)
    assert config["l3_bytes"] > config["l2_bytes"] > config["l1_bytes"] > 0
    assert arguments == [
        f"--tp-dir={tmp_path}",
        f"--tp-config={tmp_path / 'c'}",
        "--tp-start-after=5000",
        "--tp-stop-after=1000000",
        "--tp-warm-up=2000",
        "--tp-interval=10:500",
    ]


@pytest.mark.parametrize(("asked", "cores"), [("7", 7), ("7,2", 7), ("1000", 24), ("many", 3), (None, 3)])
def test_as_many_cores_as_the_program_may_have_threads(monkeypatch: pytest.MonkeyPatch, asked: str | None, cores: int) -> None:
    # GIVEN a machine of three processors, and a user who asks OpenMP for some number of threads, or does not
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2})
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    # THEN so many cores are simulated, and no more than the simulated machine has
    options = run.exact_options(parsed(["--source", "exact", "--machine", "optane100-x6"]))
    assert options is not None
    assert parse_config(options.config())["cores"] == cores


def test_what_is_left_out_is_not_said(tmp_path: Path) -> None:
    # GIVEN only the source and a region
    options = run.exact_options(parsed(["--source", "exact", "--region", "kernel"]))
    assert options is not None
    # THEN the engine hears of nothing else, and the machine is the default one
    assert options.engine_arguments(tmp_path, tmp_path)[2:] == ["--tp-region=kernel"]
    assert options.machine == run.DEFAULT_MACHINE
    assert options.timing


def test_another_source_simulates_nothing() -> None:
    assert run.exact_options(parsed(["--source", "clock"])) is None


Refused = Callable[[Sequence[str]], str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """`refused(options)`: the one line that `tierprof run OPTIONS -- true` says, before it makes or runs anything."""
    monkeypatch.chdir(tmp_path)

    def refuse(options: Sequence[str]) -> str:
        assert cli.main(["run", *options, "--", "true"]) == 1
        out, err = capfd.readouterr()
        assert out == ""
        assert list(tmp_path.glob("*.trace")) == []
        (line,) = err.splitlines()
        return line

    return refuse


EXACT = ["--source", "exact"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--region", "f"], "--region cannot be used: source auto simulates nothing; add --source exact"),
        (["--source", "clock", "--no-timing"], "--no-timing cannot be used: source clock simulates nothing"),
        ([*EXACT, "--region", "f", "--start-after", "5"], "--region cannot be used with --start-after or --stop-after"),
        ([*EXACT, "--start-after", "2M", "--stop-after", "1M"], "--stop-after 1M measures nothing: measuring starts after 2M instructions"),
        ([*EXACT, "--interval", "20M:20M"], "--interval 20M:20M cannot be used"),
        ([*EXACT, "--interval", "0:20M"], "--interval 0:20M cannot be used"),
        ([*EXACT, "--interval", "20M"], "--interval 20M cannot be used: it is two counts, MEASURED:EVERY; write it like 10M:200M"),
        ([*EXACT, "--warm-up", "long"], "'long' is no count"),
        ([*EXACT, "--cores", "0"], "--cores 0 cannot be used"),
        ([*EXACT, "--tier", "slow=emulated:2"], "source exact cannot place objects"),
        ([*EXACT, "--plan", "some.plan"], "source exact cannot place objects"),
        ([*EXACT, "--machine", "optane7"], "machine optane7: it is not known; take "),
        ([*EXACT, "--machine", "./none.toml"], "machine file none.toml: it cannot be read"),
    ],
)
def test_what_does_not_go_together_is_one_line(refused: Refused, options: list[str], line: str) -> None:
    assert refused(options).startswith(f"tierprof: {line}")


def test_a_wrong_machine_file_is_told_by_its_key(refused: Refused, tmp_path: Path) -> None:
    # GIVEN a machine file that replaces a figure by one that cannot be
    (tmp_path / "mine.toml").write_text('base = "optane100-x6"\n[host]\nl3_bytes = { value = -4, source = "none" }\n')
    # WHEN it is named
    line = refused([*EXACT, "--machine", "mine.toml"])
    # THEN the line names file and key
    assert "mine.toml" in line
    assert "l3_bytes" in line


def test_a_machine_that_cannot_be_simulated_is_told_before_the_run(refused: Refused, tmp_path: Path) -> None:
    # GIVEN a machine file whose first cache has no whole number of sets
    (tmp_path / "mine.toml").write_text('base = "optane100-x6"\n[host]\nl1_bytes = { value = 33792, source = "none" }\n')
    # WHEN it is named THEN the line says so
    assert "the machine cannot be simulated: l1_bytes" in refused([*EXACT, "--machine", "mine.toml"])


def test_options_that_python_callers_give_are_checked_too() -> None:
    with pytest.raises(TierprofError, match="EVERY instructions fewer than all"):
        ExactOptions("cores 1\n", "test", interval=(5, 5))
