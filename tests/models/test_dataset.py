"""From measured traces to features, labels and groups."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tierprof.base.errors import ModelError
from tierprof.models.dataset import features, load_dataset, measured_costs, program_name, shrink
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
OBJECTS = [{"peak_bytes": 100, "stall_s": 4.0}, {"peak_bytes": 300, "stall_s": 1.0}, {"peak_bytes": 600, "stall_s": 0.0}]


def test_labels_are_shares_of_the_all_slow_loss(make_trace: MakeTrace) -> None:
    # GIVEN a run where moving everything costs 8 s, and the objects 6, 2 and 0.05 s (an interval of 0.1 s either side)
    data = load_dataset([make_trace("bfs", OBJECTS, costs=[6.0, 1.95, 0.05])])
    # WHEN labels are read THEN they are shares of 8 s, and what cannot be told from zero is halved at least
    assert data.y[:2].tolist() == pytest.approx([0.75, 0.24375], rel=0.001)
    assert 0 < data.y[2] < 0.5 * 0.05 / 8
    assert data.groups.tolist() == [0, 0, 0]
    run = data.runs[0]
    assert (run.program, run.source, run.slow, run.none_s) == ("bfs", "intervention emulated:2.5", "emulated:2.5", 10.0)
    assert (run.loss_s, run.stall_s) == pytest.approx((8.0, 5.0))


def test_a_cost_is_shrunk_by_its_own_noise() -> None:
    costs = pd.DataFrame({"cost_s": [2.0, 2.0, 0.0, -1.0], "cost_low_s": [2.0, 0.04, -1.0, -1.0], "cost_high_s": [2.0, 3.96, 1.0, -1.0]})
    # without noise it stays; with a standard deviation of half of it, it keeps four fifths
    assert shrink(costs).tolist() == pytest.approx([2.0, 2.0 * 4 / 5, 0.0, -1.0])


def test_what_grows_with_the_run_is_a_share_of_it(make_trace: MakeTrace) -> None:
    matrix = features(make_trace("bfs", OBJECTS).objects())
    assert matrix["peak_bytes_of_run"].tolist() == [0.1, 0.3, 0.6]
    assert matrix["stall_s_of_run"].tolist() == [0.8, 0.2, 0.0]
    assert not {"peak_bytes", "site", "line", "first_touch_tid", "name", "key", "samples", "stall_share"} & set(matrix.columns)


def test_no_feature_comes_from_a_measurement(make_trace: MakeTrace) -> None:
    unmeasured = load_features = features(make_trace("one", OBJECTS).objects())
    data = load_dataset([make_trace("two", OBJECTS, costs=[1.0, 2.0, 3.0])])
    assert list(data.X.columns) == list(unmeasured.columns)
    pd.testing.assert_frame_equal(data.X, load_features)


def test_totals_are_over_all_objects_though_only_some_were_measured(make_trace: MakeTrace) -> None:
    data = load_dataset([make_trace("bfs", OBJECTS, costs=[5.0, None, None])])
    assert len(data.X) == len(data.y) == len(data.objects) == 1
    assert data.X["peak_bytes_of_run"].tolist() == [0.1]


def test_objects_that_the_measured_runs_never_met_are_left_out(make_trace: MakeTrace) -> None:
    trace = make_trace("bfs", OBJECTS, costs=[5.0, 1.0, 1.0])
    table = trace.frame("criticality")
    table.loc[table["key"] == f"{2:032x}", "met"] = False
    trace.write("criticality", table)
    assert measured_costs(trace)["key"].tolist() == [f"{1:032x}", f"{3:032x}"]


def test_runs_are_groups_and_keep_their_programs(make_trace: MakeTrace) -> None:
    small, large = (
        make_trace("small", OBJECTS, [3.0, 1.0, 1.0], program="bfs"),
        make_trace("large", OBJECTS, [3.0, 1.0, 1.0], program="bfs"),
    )
    data = load_dataset([small, make_trace("sssp", OBJECTS, costs=[3.0, 1.0, 1.0]), large])
    assert data.groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert np.unique(data.programs).tolist() == ["bfs", "sssp"]


def test_unmeasured_traces_are_left_out_and_none_left_is_an_error(make_trace: MakeTrace) -> None:
    bare = make_trace("bare", OBJECTS)
    assert len(load_dataset([bare, make_trace("bfs", OBJECTS, costs=[3.0, 1.0, 1.0])]).runs) == 1
    with pytest.raises(ModelError, match="no trace holds measured criticality; run `tierprof measure"):
        load_dataset([bare])


def test_a_run_that_loses_nothing_measurable_is_left_out(make_trace: MakeTrace) -> None:
    with pytest.raises(ModelError, match="told from zero"):
        load_dataset([make_trace("idle", OBJECTS, costs=[0.05, 0.05, 0.0])])


def test_two_sources_are_not_mixed_unasked(make_trace: MakeTrace) -> None:
    one, two = make_trace("one", OBJECTS, costs=[3.0, 1.0, 1.0]), make_trace("two", OBJECTS, costs=[3.0, 1.0, 1.0])
    two.write("criticality", two.frame("criticality").assign(source="intervention emulated:2"))
    with pytest.raises(ModelError, match=r"emulated:2, intervention emulated:2\.5; choose one with --source"):
        load_dataset([one, two])
    assert [run.program for run in load_dataset([one, two], "intervention emulated:2").runs] == ["two"]


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({"program": "pr", "command": ["python3", "x.py"]}, "pr"),
        ({"command": ["/usr/bin/sort", "-n"]}, "sort"),
        ({"command": ["/venv/bin/python3.11", "-u", "tools/pagerank.py", "--graph", "g"]}, "pagerank"),
        ({"command": ["python", "-m", "tierprof.workloads.bfs", "x"]}, "bfs"),
        ({}, "unknown"),
    ],
)
def test_program_names(meta: dict, name: str) -> None:
    assert program_name(meta) == name
