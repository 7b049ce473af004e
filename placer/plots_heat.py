"""Plots of heat as inline SVG: a strip of an allocation from start to end, and which share of the accesses its hottest parts take."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from numpy.typing import NDArray

from tierprof.base.units import format_bytes
from tierprof.placer import svg
from tierprof.profiler.curve import Curve

_CELLS = 218  # of a strip; none is narrower than four pixels
_STRIP_TOP, _STRIP_BOTTOM = 4, 34
_LEAST_SHARE = 1e-3  # the left end of the curves, whose axis is logarithmic


class Line(NamedTuple):
    """A curve in the plot."""

    colour: int  # number of the colour class
    name: str
    curve: Curve


def heat_strip(blocks: pd.DataFrame, size_bytes: int) -> Markup:
    """An allocation from its start to its end; the more of the heat a part has, the darker it is.

    Parameters
    ----------
    blocks
        Columns block_bytes, block and weight (heat of any unit), of one allocation.
    size_bytes
        Of the allocation.
    """
    density = _cells(blocks, size_bytes)
    greatest = max(float(density.max(initial=0.0)), 1e-300)
    frame = svg.Frame(svg.WIDTH, _STRIP_BOTTOM + 24, float(len(density)), 1.0)
    high = _STRIP_BOTTOM - _STRIP_TOP
    whole = frame.x(len(density)) - frame.x(0)
    parts = [f'<rect x="{frame.x(0):.1f}" y="{_STRIP_TOP}" width="{whole:.1f}" height="{high}" style="fill:var(--track)"/>']
    # The eye compares areas of grey badly: the square root shows what is lukewarm, too.
    for at in np.flatnonzero(density):
        x, width = frame.x(float(at)), frame.x(1.0) - frame.x(0.0)
        shade = np.sqrt(density[at] / greatest)
        parts.append(f'<rect x="{x:.1f}" y="{_STRIP_TOP}" width="{width:.1f}" height="{high}" class="f1" fill-opacity="{shade:.2f}"/>')
    parts.append(svg.text(frame.x(0), _STRIP_BOTTOM + 16, "0"))
    parts.append(svg.text(frame.x(len(density)), _STRIP_BOTTOM + 16, format_bytes(size_bytes), "end"))
    return svg.picture(_STRIP_BOTTOM + 24, "heat from the start of the allocation to its end", parts)


def _cells(blocks: pd.DataFrame, size_bytes: int) -> NDArray[np.float64]:
    """Heat a byte in equal parts of the allocation; a block that lies in several is shared out."""
    block_bytes = blocks["block_bytes"].to_numpy(np.float64)
    start = blocks["block"].to_numpy(np.float64) * block_bytes
    end = np.minimum(start + block_bytes, size_bytes)
    heat = blocks["weight"].to_numpy(np.float64)
    order = np.argsort(start)
    # Heat from the start up to any place is a line with corners at the blocks' ends; a cell has what it rises in it.
    places = np.column_stack((start[order], end[order])).reshape(-1)
    risen = np.cumsum(heat[order])
    below = np.column_stack((risen - heat[order], risen)).reshape(-1)
    count = int(min(_CELLS, max(np.ceil(size_bytes / max(block_bytes.min(initial=size_bytes), 1.0)), 1)))
    edges = np.linspace(0.0, size_bytes, count + 1)
    return np.maximum(np.diff(np.interp(edges, places, below)), 0.0) if len(places) else np.zeros(count)


def heat_curves(lines: Sequence[Line]) -> Markup:
    """Share of the accesses by share of the hottest pages or rows, each with the interval in which it lies; the diagonal is even heat.

    Parameters
    ----------
    lines
        The one that matters most last: it is drawn on top.
    """
    height, decades = 280, -np.log10(_LEAST_SHARE)
    frame = svg.Frame(svg.WIDTH, height, decades, 1.0)
    ticks = [(decades + np.log10(share), f"{100 * share:g}%") for share in (0.001, 0.01, 0.1, 1.0)]
    parts = frame.axes(ticks, [(share, f"{100 * share:g}%") for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    shares = np.geomspace(_LEAST_SHARE, 1.0, 121)
    across = [frame.x(float(place)) for place in np.linspace(0.0, decades, len(shares))]
    parts.append(f'<path d="{_path(frame, across, shares)}" class="steps l8"/>')
    for line in lines:
        low, value, high = (np.interp(shares, line.curve.shares, own) for own in (line.curve.low, line.curve.value, line.curve.high))
        back = " ".join(f"L{x:.1f},{frame.y(float(y)):.1f}" for x, y in zip(across[::-1], low[::-1], strict=True))
        if (high > low).any():
            parts.append(f'<path d="{_path(frame, across, high)} {back}Z" class="f{line.colour}" fill-opacity="0.13"/>')
        path = _path(frame, across, value)
        title = f"<title>{escape(line.name)}</title>"
        parts.append(f'<path d="{path}" fill="none" stroke-width="2.2" style="stroke:var(--c{line.colour})">{title}</path>')
    return svg.picture(height, "share of the accesses by share of the hottest pages and rows", parts)


def _path(frame: svg.Frame, across: Sequence[float], values: NDArray[np.float64]) -> str:
    points = " L".join(f"{x:.1f},{frame.y(float(y)):.1f}" for x, y in zip(across, values, strict=True))
    return f"M{points}"
