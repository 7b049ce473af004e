"""Heat by block of real programs under the engine: every access is counted where it fell."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tierprof import cli
from tierprof.base.errors import TierprofError
from tierprof.base.schema import TABLES
from tierprof.profiler import session
from tierprof.profiler.curve import counted_curve
from tierprof.profiler.exact.engine import find_engine
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.rows import row_curves
from tierprof.profiler.trace import Trace

CompileProgram = Callable[..., Path]
PAGE = 4096
CONFIG = "cores 1\nl3_bytes 1048576\nl3_ways 16\nl2_bytes 262144\ntiming 0\n"
CONFIG += "prefetch_next_line 0\nprefetch_stream 0\nprefetch_stride 0\n"


@pytest.fixture(scope="module")
def counted(compile_program: CompileProgram, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trace]:
    """`counted(program)`: the trace of a program's exact run, each once. Skips where there is no engine."""
    try:
        find_engine()
    except TierprofError as error:
        pytest.skip(str(error))
    traces: dict[str, Trace] = {}

    def run(program: str) -> Trace:
        if program not in traces:
            folder = tmp_path_factory.mktemp(program) / "t"
            wanted = LaunchOptions(source="exact", exact=ExactOptions(CONFIG, "optane100-x6"), discard_stdout=True)
            result = session.run([str(compile_program(program))], folder, wanted)
            assert (result.failure, result.exit_status) == (None, 0)
            traces[program] = Trace.open(folder)
        return traces[program]

    return run


def test_accesses_are_counted_in_the_pages_that_they_fell_in(counted: Callable[..., Trace]) -> None:
    # GIVEN an array whose page 10 is read 6000 times and whose page 1000 is written 1200 times, by hand
    trace = counted("heat_blocks")
    heat = trace.frame("heat")
    sizes = trace.frame("allocations").set_index("allocation")["size_bytes"]
    array = heat[heat["allocation"].map(sizes) == 4 << 20]
    # THEN the counts are those, in blocks of a page, and nothing else was touched
    assert array[["block_bytes", "block", "samples", "writes"]].to_numpy().tolist() == [[PAGE, 10, 6000, 0], [PAGE, 1000, 1200, 1200]]
    assert array["stall_s"].isna().all()
    # AND of each page sixty lines were fetched; malloc's head shifts them against the lines
    assert array["misses"].tolist() == pytest.approx([60, 60], abs=1)
    assert trace.table("heat").schema.equals(TABLES["heat"])
    assert trace.table("exact_heat").schema.equals(TABLES["exact_heat"])


def test_what_is_made_anew_lies_on_top_of_itself(counted: Callable[..., Trace]) -> None:
    # GIVEN an array that three rounds make anew, read 100 times in each, written 50 times at its end in the last
    trace = counted("heat_blocks")
    heat = trace.frame("heat")
    again = heat[heat["allocations"] == 3]
    # THEN it is one histogram, of its first allocation
    assert again["allocation"].nunique() == 1
    assert (again["samples"].sum(), again["writes"].sum()) == (350, 50)
    born = trace.frame("allocations").set_index("allocation")
    same = born[(born["site"] == again["site"].iloc[0]) & (born["size_bytes"] == 2 << 20)]
    assert again["allocation"].iloc[0] == same["birth_ns"].idxmin()


def test_the_curve_of_rows_is_the_program_s_own(counted: Callable[..., Trace]) -> None:
    # GIVEN a table whose rows are read as often as a formula says, hot ones scattered over it
    trace = counted("heat_rows")
    rank = np.arange(16384) * 7919 % 16384
    truth = counted_curve(1 + 4000 // (1 + rank), 16384)
    (curve,) = row_curves(trace, row_bytes=256)
    # THEN the rows' curve is that
    assert (curve.rows, curve.samples, curve.exact) == (16384, truth.samples, True)
    assert curve.by_row is not None
    for share in (0.01, 0.05, 0.1, 0.25, 0.5):
        assert curve.by_row.caught(share).value == pytest.approx(truth.caught(share).value, abs=0.002)
    # AND pages catch as much as sixteen rows side by side have
    pages = counted_curve((1 + 4000 // (1 + rank)).reshape(-1, 16).sum(axis=1), 1024)
    assert curve.by_page.caught(0.1).value == pytest.approx(pages.caught(0.1).value, abs=0.01)
    assert curve.by_page.caught(0.1).value < curve.by_row.caught(0.1).value - 0.05


def test_objects_shows_the_rows(counted: Callable[..., Trace], capsys: pytest.CaptureFixture[str]) -> None:
    trace = str(counted("heat_rows").path)
    assert cli.main(["objects", trace, "--rows", "--row-bytes", "256", "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert (table["rows"], table["exact"], table["by_row"]["units"]) == (16384, True, 16384)
    value, low, high = table["by_row"]["caught"]["0.1"]
    assert value == low == high
    assert cli.main(["objects", trace, "--rows", "main", "--row-bytes", "256"]) == 0
    shown = capsys.readouterr().out
    assert "16,384" in shown
    assert f"as they lie, 10.0% of pages catch {100 * table['by_page']['caught']['0.1'][0]:.1f}% of the accesses" in shown
    assert f"sorted by heat, 10.0% of rows would catch {100 * value:.1f}%" in shown


def test_a_program_without_large_objects_has_no_table(counted: Callable[..., Trace], capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a program whose arrays are below 1 MiB
    trace = counted("exact_counts")
    # THEN there is no table, and asking for its rows is one line
    assert not trace.has("heat")
    assert not trace.has("exact_heat")
    assert cli.main(["objects", str(trace.path), "--rows"]) != 0
    assert "there is no heat by row" in capsys.readouterr().err
