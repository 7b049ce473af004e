"""The picture of the curve: the file is one, complete, and the same each time."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tierprof.base.errors import TierprofError
from tierprof.placer import plots
from tierprof.placer.predict.curve import BEST, FIRST_TOUCH, Curve, budget_steps, make_curve
from tierprof.placer.predict.forecast import Forecast
from tierprof.placer.predict.movable import Movable
from tierprof.placer.predict.plot import check_suffix, draw_curve


@pytest.fixture
def curve(linear: Callable[..., Forecast], movable: Callable[..., Movable]) -> Curve:
    forecast, objects = linear([5.0, 0.2]), movable([[20 * 2**20, 80 * 2**20]])
    budgets = budget_steps(objects.peak_bytes, 11)
    touch = np.linspace(0, 1, 11)[:, None] * np.ones(2)
    return make_curve(forecast, objects, budgets, {FIRST_TOUCH: touch})


def test_png_and_svg_are_whole_and_need_nothing_else(curve: Curve, tmp_path: Path) -> None:
    png, svg = tmp_path / "curve.png", tmp_path / "curve.SVG"
    for path in (png, svg):
        draw_curve(curve, "pagerank on <m>", "a & b", path)
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png.read_bytes()[16:24]) == (1260, 720)
    root = ElementTree.fromstring(svg.read_text())
    links = {value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")}
    assert all(link.startswith("#") for link in links)
    # AND the same curve is the same file
    first = svg.read_bytes()
    draw_curve(curve, "pagerank on <m>", "a & b", svg)
    assert svg.read_bytes() == first


def test_an_interval_without_an_end_is_drawn_without_a_band(curve: Curve, tmp_path: Path) -> None:
    lines = {**curve.lines, BEST: replace(curve.best, slowdown_high=np.full(11, np.inf))}
    draw_curve(Curve(curve.budgets_bytes, curve.peak_bytes, lines), "t", "s", tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 0


@pytest.mark.parametrize(("name", "why"), [("curve.jpg", "it ends in '.jpg'"), ("curve", "it has no suffix")])
def test_other_suffixes_are_refused(name: str, why: str) -> None:
    with pytest.raises(TierprofError, match=f"picture {name} cannot be written: {why}; give -o a name that ends in .png or .svg"):
        check_suffix(Path(name))


def test_a_place_that_cannot_be_written_to_is_one_line(curve: Curve, tmp_path: Path) -> None:
    with pytest.raises(TierprofError, match="no such file or directory; give -o another place"):
        draw_curve(curve, "t", "s", tmp_path / "nowhere" / "c.png")


def test_the_reports_plot_has_a_step_for_each_budget_and_reaches_the_peak() -> None:
    line = plots.Steps("l1", np.array([0, 50]), np.array([3.0, 1.0]))
    svg = plots.budget_curve(100, [line], (50.0, 1.0, "knee <here>"))
    # left edge 74, right edge 944: 50 of 100 is in the middle
    assert 'd="M74.0,16.0 H509.0 V280.0 H944.0" class="steps l1"' in svg
    assert "knee &lt;here&gt;" in svg
