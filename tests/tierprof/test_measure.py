"""`tierprof measure` on a real program."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tierprof.cli import main
from tierprof.placer.runlog import NAME
from tierprof.profiler.trace import Trace

MIB = 2**20


def _key(trace: Trace, size_bytes: int) -> str:
    objects = trace.objects()
    return str(objects.loc[objects["peak_bytes"] == size_bytes, "key"].iloc[0])


def test_each_object_is_moved_alone_and_met(measured: tuple[Path, Trace]) -> None:
    _, trace = measured
    table = trace.frame("criticality")
    # none, all and the two objects, each once, met where something had to be in the slow tier
    assert sorted(table["what"]) == ["all", "none", "object", "object"]
    assert set(table.loc[table["what"] == "object", "key"]) == {_key(trace, 24 * MIB), _key(trace, 40 * MIB)}
    assert table["met"].all()
    assert set(table["repeats"]) == {1}
    assert set(table["source"]) == {"intervention emulated:2.5"}
    runs = pd.read_json(trace.path / NAME, lines=True)
    assert len(runs) == 4
    assert runs.loc[runs["configuration"] == "none", "met"].tolist() == [False]
    assert (runs[["cpu_s", "wall_s"]] > 0).all(axis=None)


def test_a_finished_measurement_runs_nothing_again(measured: tuple[Path, Trace], capsys: pytest.CaptureFixture[str]) -> None:
    program, trace = measured
    before = (trace.path / NAME).read_text()
    assert main(["measure", str(trace.path), "--objects", "2", "--repeat", "1", "--", str(program)]) == 0
    assert (trace.path / NAME).read_text() == before
    printed = capsys.readouterr()
    assert "4 runs were finished before; going on from there" in printed.err
    assert "everything in emulated:2.5 costs" in printed.out
    assert "emulated:2.5 is emulated: it is DRAM" in printed.out


def test_another_status_than_the_profiled_one_is_an_error(profiled: tuple[Path, Trace], capsys: pytest.CaptureFixture[str]) -> None:
    program, trace = profiled
    assert main(["measure", str(trace.path), "--objects", "1", "--repeat", "1", "--", str(program), "3"]) == 1
    assert "it ended with status 3, and with 0 when it was profiled" in capsys.readouterr().err


def test_what_the_program_prints_is_discarded(profiled: tuple[Path, Trace], capfd: pytest.CaptureFixture[str]) -> None:
    program, trace = profiled
    main(["measure", str(trace.path), "--objects", "0", "--repeat", "1", "--json", "--", str(program)])
    out = capfd.readouterr().out
    assert [row["what"] for row in json.loads(out)["criticality"]][:2] == ["none", "all"]


def test_objects_measured_before_stay_in_the_table(measured: tuple[Path, Trace], capsys: pytest.CaptureFixture[str]) -> None:
    program, trace = measured
    assert main(["measure", str(trace.path), "--objects", "0", "--repeat", "1", "--", str(program)]) == 0
    assert len(trace.frame("criticality")) == 4
    capsys.readouterr()


def test_an_object_that_the_program_does_not_allocate_is_marked(
    profiled: tuple[Path, Trace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a trace whose leader has the key of another build
    program, trace = profiled
    moved = tmp_path / "stale.trace"
    moved.mkdir()
    for file in trace.path.glob("*.*"):
        if file.name not in (NAME, "criticality.parquet"):
            (moved / file.name).write_bytes(file.read_bytes())
    stale = Trace.open(moved)
    objects = stale.objects()
    objects.loc[objects["peak_bytes"] == 24 * MIB, "key"] = "f" * 32
    stale.write("objects", objects)
    # WHEN it is measured THEN it says which object never was there, and the table keeps it apart
    assert main(["measure", str(moved), "--objects", "2", "--repeat", "1", "--", str(program)]) == 0
    assert "(not met in these runs)" in capsys.readouterr().out
    table = Trace.open(moved).frame("criticality").set_index("key")
    assert not table.loc["f" * 32, "met"]
    assert table.loc[_key(trace, 40 * MIB), "met"]


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(tmp_path / "none.trace"), "--", "true"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "none.trace cannot be opened: there is no such folder" in err


@pytest.mark.parametrize("slow", ["tape", "emulated:9"])
def test_a_bad_tier_is_one_line(profiled: tuple[Path, Trace], slow: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, trace = profiled
    assert main(["measure", str(trace.path), "--slow", slow, "--", str(program)]) == 1
    assert capsys.readouterr().err.startswith(f"tierprof: tier 'slow={slow}'")
