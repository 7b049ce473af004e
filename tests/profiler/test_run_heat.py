"""Heat by block of real sampled runs: it is where the program waits."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tierprof import cli
from tierprof.base.schema import TABLES
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.rows import row_curve
from tierprof.profiler.trace import Trace

CompileProgram = Callable[..., Path]
TABLE_BYTES = 128 << 20
HOT = 0.9 + 0.1 / 16  # share of the reads that goes to a sixteenth of the rows


def sampled(program: Path, folder: Path, *arguments: str) -> Trace:
    result = session.run([str(program), *arguments], folder / "t", LaunchOptions(source="clock", discard_stdout=True))
    assert (result.failure, result.exit_status) == (None, 0)
    return Trace.open(folder / "t")


def heat_of_table(trace: Trace) -> pd.DataFrame:
    heat = trace.frame("heat").merge(trace.frame("allocations")[["allocation", "size_bytes"]], on="allocation")
    return heat[heat["size_bytes"] == TABLE_BYTES]


def test_the_hot_end_of_a_table_is_seen(compile_program: CompileProgram, perf_allowed: None, tmp_path: Path) -> None:
    # GIVEN a table of which the last sixteenth takes nine reads of ten
    trace = sampled(compile_program("heat_places"), tmp_path, "tail")
    assert trace.table("heat").schema.equals(TABLES["heat"])
    heat = heat_of_table(trace)
    # THEN its blocks have most of the time, and all of the samples whose place is known are in a block
    hot = heat["block"] * heat["block_bytes"] >= TABLE_BYTES // 16 * 15
    assert heat.loc[hot, "stall_s"].sum() > 0.6 * heat["stall_s"].sum() > 0
    samples = trace.frame("samples")
    mine = samples[samples["allocation"].isin(heat["allocation"]) & (samples["event"] == "clock")]
    assert heat["samples"].sum() == (mine["confidence"] == "exact").sum()
    assert heat["located_share"].iloc[0] == pytest.approx((mine["confidence"] == "exact").mean())
    # AND a sixteenth of its pages catches that, and for sure several times an even share, however few samples there are
    curve = row_curve(trace, int(heat["site"].iloc[0]), 256)
    caught = curve.by_page.caught(1 / 16)
    assert 4 / 16 < caught.low <= HOT <= caught.high


def test_rows_that_are_scattered_are_not_taken_for_pages(compile_program: CompileProgram, perf_allowed: None, tmp_path: Path) -> None:
    # GIVEN a table of which every sixteenth row takes nine reads of ten
    trace = sampled(compile_program("heat_places"), tmp_path)
    heat = heat_of_table(trace)
    # THEN by block it is even: blocks are large, and none is hot
    assert heat["block_bytes"].iloc[0] == 2 << 20
    assert heat["stall_s"].max() < 0.2 * heat["stall_s"].sum()
    # AND what rows and pages would catch is bounded honestly
    curve = row_curve(trace, int(heat["site"].iloc[0]), 256)
    assert curve.by_row is not None
    rows, pages = curve.by_row.caught(1 / 16), curve.by_page.caught(1 / 16)
    assert rows.low <= HOT <= rows.high
    assert pages.low <= 1 / 16 + 0.01 <= pages.high
    assert pages.value < 0.25


def test_a_program_without_large_objects_has_no_table(
    compile_program: CompileProgram, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a program whose arrays are below 1 MiB
    result = session.run([str(compile_program("exact_counts"))], tmp_path / "t", LaunchOptions(source="none", discard_stdout=True))
    assert result.failure is None
    # THEN its trace has no heat, and asking for rows is one line
    assert not Trace.open(tmp_path / "t").has("heat")
    assert cli.main(["objects", str(tmp_path / "t"), "--rows"]) != 0
    assert "there is no heat by row: no sample with an exact address" in capsys.readouterr().err
