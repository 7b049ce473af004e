"""An exact run's files as tables: sites for the engine's numbers, pseudo objects, several processes, and the profile on top of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tierprof.base.errors import TraceError
from tierprof.base.schema import TABLES
from tierprof.profiler.exact.profile import ExactProfile, parse_config
from tierprof.profiler.exact.rawfile import parse_exact
from tierprof.profiler.exact.tables import NAMES, Process, exact_tables
from tierprof.profiler.trace import Trace

STACK, UNKNOWN, BEYOND = (1 << 24) - 16, (1 << 24) - 12, (1 << 24) - 1


def process(data: bytes, site_rows: dict[int, int] | None = None, unknown_row: int = -5) -> Process:
    return Process(parse_exact(np.frombuffer(data, np.uint8), "exact.7.0.bin"), site_rows, unknown_row)


def test_a_profile_of_one_file_has_every_table(exact_file: Any) -> None:
    # GIVEN a file with everything in it
    builder = exact_file("cores 2\n# a comment\nl3_bytes 4096\n").thread(4, tid=11, instructions=100, loads=9, base_cycles=50)
    builder.object(3, 4, loads=9, far_loads=2).episode([(3, 0, 3, 2), (0, 1, 0, 1)], thread=4, count=6, base_cycles=30, misses=12)
    data = builder.slice(100, weight=2.5).reuse(3, 64, 1.5, {0: 1.0, 7: 2.0}).end().bytes()
    # WHEN it becomes a profile
    profile = ExactProfile.from_bytes(data)
    # THEN each table says what the file says
    assert profile.config == {"cores": 2, "l3_bytes": 4096}
    thread = profile.threads.iloc[0]
    assert (thread["slice"], thread["thread"], thread["tid"], thread["weight"], thread["loads"], thread["base_cycles"]) == (
        0,
        0,
        11,
        2.5,
        9,
        50,
    )
    assert profile.objects[["object", "thread", "loads", "far_loads"]].values.tolist() == [[3, 0, 9, 2]]
    assert profile.episodes[["episode", "thread", "count", "base_cycles", "misses"]].values.tolist() == [[0, 0, 6, 30, 12]]
    assert profile.nodes.values.tolist() == [[0, 0, 3, 3, 2], [0, 1, 0, 0, 1]]
    assert profile.reuse.values.tolist() == [[3, 64, 1.5, 0, 1.0], [3, 64, 1.5, 7, 2.0]]
    assert profile.object_ids.tolist() == [3]


def test_sites_are_rows_and_pseudo_objects_are_below_zero(exact_file: Any) -> None:
    # GIVEN objects of two sites, one of a site that was never described, and pseudo objects, one of them of a later version
    builder = exact_file()
    for number in (0, 5, 77, STACK, UNKNOWN, BEYOND):
        builder.object(number, loads=1)
    data = builder.episode([(5, 0, 3, 1), (STACK, 0, 2, 1), (5, 1, 0, 1)]).slice(100).end().bytes()
    # WHEN its site numbers are told
    profile = ExactProfile.from_bytes(data, {0: 10, 5: 2})
    # THEN the tables name rows; an L3 hit stays nobody's
    assert profile.objects[["object", "loads"]].values.tolist() == [[-5, 3], [-1, 1], [2, 1], [10, 1]]
    assert profile.nodes["object"].tolist() == [2, -1, 0]
    assert profile.object_ids.tolist() == [-5, -1, 2, 10]


def test_processes_are_numbered_on(exact_file: Any) -> None:
    # GIVEN a process of two slices and two threads, and its child of one, which have a site in common under different numbers
    one = exact_file(pid=7).thread(0).thread(9).object(1, 9, loads=1).episode([(1, 0, 3, 1)], thread=9).slice(10).thread(0).slice(20)
    two = exact_file(pid=8).thread(0, tid=8).object(2, loads=5).episode([(2, 0, 3, 1)]).slice(40)
    first = process(one.reuse(1, 64, 1.0, {3: 2.0}).end().bytes(), {1: 4})
    second = process(two.reuse(2, 64, 2.0, {3: 1.0, 4: 1.0}).reuse(9, 64, 3.0, {}).end().bytes(), {2: 4}, unknown_row=6)
    # WHEN they become tables
    tables = exact_tables([first, second])
    # THEN slices, threads and episodes go on counting, and the site is one object
    assert tables["exact_threads"][["pid", "slice", "thread", "first_instruction"]].values.tolist() == [
        [7, 0, 0, 0],
        [7, 0, 1, 0],
        [7, 1, 0, 10],
        [8, 2, 2, 0],
    ]
    assert tables["exact_objects"][["slice", "thread", "object", "loads"]].values.tolist() == [[0, 1, 4, 1], [2, 2, 4, 5]]
    assert tables["exact_episodes"][["episode", "slice", "thread"]].values.tolist() == [[0, 0, 1], [1, 2, 2]]
    assert tables["exact_nodes"][["episode", "object"]].values.tolist() == [[0, 4], [1, 4]]
    # AND so is its histogram; one of a site that nobody described has its own row, and no weight
    assert tables["exact_reuse"].values.tolist() == [[4, 64, 3.0, 3, 3.0], [4, 64, 3.0, 4, 1.0], [6, 64, 3.0, 0, 0.0]]


@pytest.mark.parametrize("empty", [True, False])
def test_tables_fit_their_schemas(exact_file: Any, empty: bool) -> None:
    # GIVEN a run that measured nothing, and one that did
    builder = exact_file()
    if not empty:
        builder.thread().object(1).episode([(1, 0, 1, 1)]).slice(10).reuse(1, 64, 1.0, {1: 1.0})
    # WHEN its tables are cast to their schemas THEN names and types are those
    for name, table in exact_tables([process(builder.end().bytes())]).items():
        assert list(table.columns) == TABLES[name].names
        if not empty:
            assert pa.Table.from_pandas(table, preserve_index=False).schema.types == TABLES[name].types


def test_a_profile_comes_back_from_its_trace(exact_file: Any, make_trace: Callable[..., Trace]) -> None:
    # GIVEN a trace that an exact run's tables were written to
    builder = exact_file().thread(loads=3).object(0, loads=3).episode([(0, 0, 3, 1)]).slice(10)
    data = builder.reuse(0, 64, 1.0, {1: 1.0}).end().bytes()
    known = ExactProfile.from_bytes(data)
    trace = make_trace("exact", [{"peak_bytes": 4096, "stall_s": 0.0}], exact={"config": known.config}, source="exact")
    for name in NAMES:
        trace.write(name, getattr(known, name.removeprefix("exact_")))
    # WHEN the profile is read from it
    profile = ExactProfile.from_trace(Trace.open(trace.path))
    # THEN it is the same
    for name in ("threads", "objects", "episodes", "nodes", "reuse"):
        pd.testing.assert_frame_equal(getattr(profile, name), getattr(known, name))
    assert profile.config == known.config


def test_a_sampled_trace_has_no_profile(make_trace: Callable[..., Trace]) -> None:
    # GIVEN a trace of the clock
    trace = make_trace("sampled", [{"peak_bytes": 4096, "stall_s": 1.0}])
    # WHEN its exact counts are asked for THEN one line says that it has none, and how to get them
    with pytest.raises(TraceError, match=r"source is clock; record it with `tierprof run --source exact`"):
        ExactProfile.from_trace(trace)


def test_config_text_is_read_line_by_line() -> None:
    # GIVEN a text as the command line hands it on
    # THEN its fields are numbers
    assert parse_config("timing 1\n\n# caches\nl1_bytes 32768 # of each core\n") == {"timing": 1, "l1_bytes": 32768}


def test_bytes_that_are_no_file_are_refused(tmp_path: Path) -> None:
    # GIVEN nothing
    # WHEN it is read THEN one line says so
    with pytest.raises(TraceError, match="the exact profile cannot be read"):
        ExactProfile.from_bytes(b"")
