"""Real runs, from the program to the trace: what was recorded is what the tables say."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tierprof.base.schema import TABLES
from tierprof.profiler.convert import convert
from tierprof.profiler.features import COLUMNS
from tierprof.profiler.launch import LaunchOptions, LaunchResult, launch
from tierprof.profiler.trace import Trace

PROGRAMS = Path(__file__).parent.parent / "programs"
NOT_SAMPLED = LaunchOptions(source="none")


def record(program: Path, folder: Path, options: LaunchOptions) -> tuple[Trace, LaunchResult]:
    raw, trace = folder / "raw", folder / "trace"
    trace.mkdir()
    result = launch([str(program)], raw, options)
    convert(raw, trace, result, [str(program)])
    return Trace.open(trace), result


@pytest.fixture(scope="module")
def hot_and_cold(compile_program, perf_allowed, tmp_path_factory: pytest.TempPathFactory) -> Trace:  # type: ignore[no-untyped-def]
    """A sampled run of a program that reads one large array at random."""
    return record(compile_program("recover_run"), tmp_path_factory.mktemp("hot"), LaunchOptions(source="clock"))[0]


def line_of(source: str, text: str) -> int:
    lines = (PROGRAMS / source).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def object_of(trace: Trace, variable: str, source: str = "recover_run.c") -> pd.Series:
    """The object whose malloc stands on the line that declares a variable."""
    objects = trace.objects()
    found = objects[(objects["file"] == source) & (objects["line"] == line_of(source, f"*{variable} = malloc"))]
    assert len(found) == 1, objects[["name", "file", "line"]]
    return found.iloc[0]


def test_every_table_is_there_and_has_its_schema(hot_and_cold: Trace) -> None:
    for name in ("sites", "allocations", "samples", "modules", "recipes"):
        assert hot_and_cold.table(name).schema.equals(TABLES[name])
    assert tuple(hot_and_cold.objects().columns) == COLUMNS


def test_stalls_fall_on_the_array_that_is_read_at_random(hot_and_cold: Trace) -> None:
    hot, cold = object_of(hot_and_cold, "hot"), object_of(hot_and_cold, "cold")
    # THEN the sizes are exact
    assert (hot["peak_bytes"], hot["allocations"]) == ((1 << 24) * 4, 1)
    assert (cold["peak_bytes"], cold["allocations"]) == (8 << 20, 1)
    # AND most of the time is the hot array's, next to none the cold one's
    assert hot["stall_share"] > 0.6
    assert cold["stall_share"] < 0.1
    assert hot["exact_share"] > 0.6
    # AND its reads are spread, while both were written whole
    assert hot["entropy"] > 0.8
    assert min(hot["touched_share"], cold["touched_share"]) > 0.5
    assert hot["first_touch_main"] == 1


def test_samples_of_an_object_lie_inside_the_allocation_at_that_time(hot_and_cold: Trace) -> None:
    samples = hot_and_cold.frame("samples")
    mine = samples[samples["where"] == "object"].merge(hot_and_cold.frame("allocations"), on="allocation", suffixes=("", "_of"))
    assert len(mine) == (samples["where"] == "object").sum() > 0
    assert (mine["address"] >= mine["address_of"]).all()
    assert (mine["address"] < mine["address_of"] + mine["size_bytes"]).all()
    assert (mine["time_ns"] >= mine["birth_ns"]).all()
    assert (mine["death_ns"].isna() | (mine["time_ns"] < mine["death_ns"])).all()
    assert (mine["site"] == mine["site_of"]).all()
    assert samples["time_ns"].is_monotonic_increasing


def test_names_and_lines_come_from_the_program(hot_and_cold: Trace) -> None:
    hot = object_of(hot_and_cold, "hot")
    assert hot["function"] == "main"
    assert hot["name"] == f"main recover_run.c:{hot['line']}"
    frames = hot_and_cold.frame("sites").set_index("site")["frames"][hot["site"]]
    assert any(frame.endswith(f" main recover_run.c:{hot['line']}") for frame in frames)
    assert any("__libc_start" in frame for frame in frames)


def test_the_meta_file_tells_about_the_run(hot_and_cold: Trace) -> None:
    meta = json.loads((hot_and_cold.path / "meta.json").read_text())
    assert sum(meta["shares"].values()) == pytest.approx(1.0)
    assert meta["source"] == "clock"
    assert meta["exit_status"] == 0
    assert meta["complete"] is True
    assert meta["samples"] == (hot_and_cold.frame("samples")["event"] == "clock").sum()
    assert meta["user_s"] > 0
    assert meta["machine"]["memory_bytes"] > 0
    assert meta["threshold_bytes"] == 4096
    assert meta["counters"]["tracked_allocations"] >= 2


def test_time_in_forked_children_belongs_to_the_parents_object(compile_program, perf_allowed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    # GIVEN an array that two forked children read and free
    trace, _ = record(compile_program("recover_fork"), tmp_path, LaunchOptions(source="clock"))
    shared = object_of(trace, "shared", "recover_fork.c")
    rows = trace.frame("allocations").query("site == @shared.site")
    # THEN it is one allocation, which each child inherited, and freed for itself
    assert shared["allocations"] == 1
    assert shared["peak_bytes"] == (1 << 23) * 4
    assert rows["inherited"].sum() == 2
    assert rows["pid"].nunique() == 3
    assert rows["death_ns"].notna().all()
    # AND the time is in the children, on that object
    samples = trace.frame("samples").query("site == @shared.site and event == 'clock'")
    children = set(rows.loc[rows["inherited"], "pid"])
    assert shared["stall_share"] > 0.5
    assert samples["pid"].isin(children).mean() > 0.5


def test_time_on_static_data_is_named_by_its_symbol(compile_program, perf_allowed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    program = compile_program("recover_table")
    trace, _ = record(program, tmp_path, LaunchOptions(source="clock"))
    first = trace.meta["statics"][0]
    assert (first["name"], first["module"]) == ("lookup_table", program.name)
    assert 0.6 < first["share"] <= trace.meta["shares"]["static"] + 1e-9


def test_a_run_without_samples_has_objects_all_the_same(compile_program, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    trace, _ = record(compile_program("recover_run"), tmp_path, NOT_SAMPLED)
    assert trace.meta["samples"] == 0
    assert set(trace.meta["shares"].values()) == {0.0}
    assert object_of(trace, "hot")["peak_bytes"] == (1 << 24) * 4
    assert len(trace.frame("samples")) == 0


def test_without_the_shim_there_are_samples_and_no_objects(compile_program, perf_allowed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    trace, _ = record(compile_program("recover_run"), tmp_path, LaunchOptions(source="clock", preload=False))
    assert len(trace.objects()) == 0
    assert trace.meta["samples"] > 0
    assert trace.meta["shares"]["object"] == 0.0


def test_a_damaged_stream_is_said_and_the_rest_is_kept(compile_program, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a raw folder in which one process's meta file was cut to nothing
    raw, folder = tmp_path / "raw", tmp_path / "trace"
    folder.mkdir()
    result = launch([str(compile_program("recover_fork"))], raw, NOT_SAMPLED)
    child = sorted(raw.glob("meta.*.bin"))[-1]
    child.write_bytes(b"")
    convert(raw, folder, result, ["recover_fork"])
    trace = Trace.open(folder)
    # THEN the trace says that it is not complete, and why
    assert trace.meta["complete"] is False
    assert any(child.name in note["text"] for note in trace.meta["notes"])
    assert len(trace.objects()) > 0
