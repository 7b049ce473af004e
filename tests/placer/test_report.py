"""What the report says, and the geometry of its plots."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from tierprof.models.bootstrap import Interval
from tierprof.placer import plots
from tierprof.placer.report import build_report
from tierprof.placer.report_page import render_page
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]


@pytest.mark.parametrize(
    ("greatest", "expected"),
    [(1.0, [0, 0.25, 0.5, 0.75, 1.0]), (3.7, [0, 1, 2, 3, 4]), (90, [0, 25, 50, 75, 100]), (0, [0, 1])],
)
def test_ticks_are_round_and_reach_the_greatest(greatest: float, expected: list[float]) -> None:
    assert plots.ticks(greatest) == pytest.approx(expected)


def test_byte_ticks_are_round_in_the_unit_that_people_would_use() -> None:
    assert plots.byte_ticks(3.7 * 2**30) == [tick * 2**30 for tick in (0, 1, 2, 3, 4)]
    assert plots.byte_ticks(90 * 2**20) == [tick * 2**20 for tick in (0, 25, 50, 75, 100)]


def test_a_band_has_a_corner_only_where_something_changes() -> None:
    live = np.array([10, 10, 10, 30, 30])
    svg = plots.timeline(np.arange(5.0), 5.0, [plots.Layer("f1", False, live)], None)
    (path,) = re.findall(r'<path d="([^"]+)"', svg)
    assert path.count("H") == 4  # two steps above, two below


def test_a_slow_layer_is_hatched_and_the_budget_is_drawn() -> None:
    layers = [plots.Layer("f1", False, np.array([10])), plots.Layer("f2", True, np.array([20]))]
    svg = plots.timeline(np.array([0.0]), 1.0, layers, 15.0)
    assert svg.count("url(#hatch)") == 1
    assert svg.count('class="budget"') == 1


def test_names_in_plots_are_text() -> None:
    svg = plots.scatter([plots.Point("<script>", 1.0, 2.0, 1.5, 2.5)])
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg


def test_an_interval_bar_shows_only_what_is_known() -> None:
    assert 'class="dot"' not in plots.interval_bar(None, 1.0, 0.0, 2.0)
    assert 'class="diamond"' not in plots.interval_bar((1.0, 0.5, 1.5), None, 0.0, 2.0)


def test_rows_are_costliest_first_by_the_best_that_is_known(make_trace: MakeTrace) -> None:
    # GIVEN costs measured for two objects, the second not to be told from zero
    objects = [{"peak_bytes": 4096, "stall_s": 1.0}, {"peak_bytes": 4096, "stall_s": 2.0}, {"peak_bytes": 4096, "stall_s": 0.5}]
    report = build_report(make_trace("bfs", objects, costs=[3.0, 0.05, None]))
    assert [row.site for row in report.rows] == [0, 1, 2]
    assert report.rows[0].measured == Interval(pytest.approx(3.0), pytest.approx(2.9), pytest.approx(3.1))
    assert report.rows[2].measured is None
    assert report.loss == Interval(pytest.approx(3.05), pytest.approx(2.85), pytest.approx(3.25))
    assert report.slow_spec == "emulated:2.5"


def test_objects_that_were_not_met_have_no_measured_cost(make_trace: MakeTrace) -> None:
    trace = make_trace("bfs", [{"peak_bytes": 4096, "stall_s": 1.0}], costs=[3.0])
    table = trace.frame("criticality")
    table.loc[table["what"] == "object", "met"] = False
    trace.write("criticality", table)
    assert build_report(trace).rows[0].measured is None


def test_everything_measured_is_shown_though_nothing_waits_on_it(make_trace: MakeTrace) -> None:
    objects = [{"peak_bytes": 4096, "stall_s": 0.1, "name": f"warm{n}"} for n in range(30)] + [
        {"peak_bytes": 4096, "stall_s": 0.0, "name": "cold"}
    ]
    page = render_page(build_report(make_trace("bfs", objects, costs=[None] * 30 + [0.0])))
    assert ">cold<" in page
    assert page.count(">warm") == 20
    assert "10 further objects hold 10.0% of the run together" in page
