"""The report's look into large objects: the strip of heat, the curves, and what they advise."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tierprof.placer.plots_heat import Line, heat_curves, heat_strip
from tierprof.placer.report import build_report
from tierprof.placer.report_heat import heat_section
from tierprof.placer.report_page import render_page
from tierprof.placer.row_advice import advice
from tierprof.profiler.curve import counted_curve, sampled_curve
from tierprof.profiler.rows import RowCurve
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 1 << 20


def blocks(block_bytes: int, weights: dict[int, float]) -> pd.DataFrame:
    return pd.DataFrame({"block_bytes": block_bytes, "block": list(weights), "weight": list(weights.values())})


def shades(svg: str) -> dict[float, float]:
    """Opacity of each cell by where it begins; cells without heat are not drawn."""
    return {float(x): float(shade) for x, shade in re.findall(r'<rect x="([\d.]+)"[^>]*class="f1" fill-opacity="([\d.]+)"', svg)}


def test_a_strip_is_dark_where_the_heat_is() -> None:
    # GIVEN an allocation of four blocks, the second without heat, the last with four times that of the first
    drawn = shades(heat_strip(blocks(MIB, {0: 1.0, 3: 4.0}), 4 * MIB))
    # THEN there are two cells, one half as dark as the other, in the first and the last quarter
    assert list(drawn.values()) == [0.5, 1.0]
    first, last = drawn
    assert (first, last) == pytest.approx((74, 74 + 870 * 3 / 4))


def test_blocks_smaller_than_a_cell_are_added_up() -> None:
    # GIVEN more blocks than there are cells, each with the same heat
    drawn = shades(heat_strip(blocks(4096, dict.fromkeys(range(1024), 1.0)), 4 * MIB))
    # THEN every cell is as dark as the others
    assert 100 < len(drawn) < 300
    assert set(drawn.values()) == {1.0}


def test_counted_curves_have_no_band_and_sampled_ones_do() -> None:
    counts = [5, 4, 3, 2, 1]
    assert "fill-opacity" not in heat_curves([Line(1, "rows", counted_curve(counts, 10))])
    svg = heat_curves([Line(1, "<rows>", sampled_curve(counts, 10))])
    assert svg.count("fill-opacity") == 1
    assert "<rows>" not in svg


def row_curve(by_row: object, by_page: object, exact: bool) -> RowCurve:
    return RowCurve(0, 0, "0" * 32, "items", 0, MIB, 100.0, 1.0, exact, 4096, 256, 1, by_row, 4096, by_page)  # type: ignore[arg-type]


def test_advice_says_what_is_known_and_no_more() -> None:
    # GIVEN rows of which every tenth takes nine tenths, one or two of them on each page
    rows = np.where(np.arange(4096) % 10 == 0, 81.0, 1.0)
    exact = row_curve(counted_curve(rows, 4096), counted_curve(rows.reshape(256, 16).sum(axis=1), 256), True)
    # THEN counts give both figures
    told = re.findall(r"[\d.]+%", advice(exact))
    assert told[0::2] == ["10.0%", "10.0%"]
    assert (float(told[1][:-1]), float(told[3][:-1])) == (12.2, 89.9)
    # AND a few samples do not
    few = sampled_curve(np.ones(100), 4096)
    assert "100 samples on 4,096 rows are too few" in advice(row_curve(few, few, False))
    assert "its rows are not known" in advice(row_curve(None, few, False))


def test_the_page_shows_the_inside_of_large_objects(make_trace: MakeTrace) -> None:
    # GIVEN a trace of which one allocation has samples in two of its pages
    trace = make_trace(
        "lightgcn", [{"peak_bytes": 4 * MIB, "stall_s": 1.0, "name": "model.<items>.weight"}], allocations=[(0, 4 * MIB, 0, None)]
    )
    assert heat_section(trace) is None
    page = render_page(build_report(trace))
    assert "Inside the large objects" not in page
    heat = pd.DataFrame({"block": [3, 700], "samples": [300.0, 100.0]})
    heat = heat.assign(allocation=0, site=0, block_bytes=4096, stall_s=0.1, writes=0.0, misses=np.nan, allocations=1, located_share=1.0)
    trace.write("heat", heat)
    places = 4096 + 4096 * np.repeat([3, 700], [300, 100])
    samples = pd.DataFrame({"address": places, "allocation": 0, "event": "clock", "access": "load", "confidence": "exact"})
    samples = samples.assign(weight_s=0.001, time_ns=0, pid=1, tid=1, ip=0, module=-1, offset=0, where="object", site=0, latency_cycles=0)
    trace.write("samples", samples)
    # WHEN the report is made
    section = heat_section(trace)
    page = render_page(build_report(trace))
    # THEN the page has its strip and its curve, and names are text
    assert section is not None
    assert section["tables"][0]["facts"] == "4.0MiB, 400 samples"
    assert len(shades(section["tables"][0]["strip"])) == 2
    assert "Inside the large objects" in page
    assert "model.&lt;items&gt;.weight" in page
    assert "model.<items>.weight" not in page
