"""The report's plots as inline SVG: geometry only. Colours are CSS classes of the template, so that dark mode holds for them too."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from tierprof.base.units import format_bytes
from tierprof.placer import svg

WIDTH = svg.WIDTH
_LABEL_CHARS = 30


class Point(NamedTuple):
    """An object in the scatter: predicted against measured seconds, with the measured interval."""

    label: str
    predicted: float
    measured: float
    low: float
    high: float


class Layer(NamedTuple):
    """An object's band in the timeline."""

    css: str  # colour class
    slow: bool  # hatched: the plan puts it in the slow tier
    live_bytes: NDArray[np.int64]


def ticks(greatest: float, count: int = 4) -> list[float]:
    """Round numbers from zero to at least `greatest`, about `count` steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not greatest > 0:
        return [0.0, 1.0]
    rough = greatest / count
    magnitude = 10.0 ** np.floor(np.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    return [float(step * number) for number in range(int(np.ceil(greatest / step - 1e-9)) + 1)]


def byte_ticks(greatest: float, count: int = 4) -> list[float]:
    """As `ticks`, in round numbers of the binary unit that people would use."""
    unit = 1024.0 ** max(0, int(np.log2(max(greatest, 1)) // 10))
    return [tick * unit for tick in ticks(greatest / unit, count)]


def short(name: str, chars: int = _LABEL_CHARS) -> str:
    """The name, with an ellipsis in place of its end if it is long."""
    return name if len(name) <= chars else name[: chars - 1] + "…"


def timeline(time_s: NDArray[np.float64], duration_s: float, layers: Sequence[Layer], budget_bytes: float | None) -> Markup:
    """Stacked live bytes over the run.

    Parameters
    ----------
    time_s
        (moments,) left ends of equal intervals.
    duration_s
        Length of the run.
    layers
        Objects from the bottom up.
    budget_bytes
        Fast memory, drawn as a dashed line; None if there is no plan.
    """
    height = 300
    stacked = np.cumsum([np.zeros(len(time_s)), *(layer.live_bytes for layer in layers)], axis=0)
    greatest = max(float(stacked[-1].max(initial=0)), budget_bytes or 0.0, 1.0)
    y_ticks = byte_ticks(greatest)
    frame = svg.Frame(WIDTH, height, max(duration_s, 1e-9), y_ticks[-1])
    x_ticks = [tick for tick in ticks(duration_s, 8) if tick <= duration_s]
    parts = frame.axes([(tick, f"{tick:g} s") for tick in x_ticks], [(tick, format_bytes(tick)) for tick in y_ticks])
    for layer, low, high in zip(layers, stacked[:-1], stacked[1:], strict=True):
        path = _band(frame, np.append(time_s, duration_s), low, high)
        parts.append(f'<path d="{path}" class="band {layer.css}"/>')
        if layer.slow:
            parts.append(f'<path d="{path}" fill="url(#hatch)"/>')
    if budget_bytes is not None:
        parts.append(svg.line(svg.LEFT, frame.y(budget_bytes), WIDTH - svg.RIGHT, frame.y(budget_bytes), "budget"))
        parts.append(svg.text(WIDTH - svg.RIGHT - 4, frame.y(budget_bytes) - 5, f"budget {format_bytes(budget_bytes)}", "end", "mark"))
    return svg.picture(height, "live bytes by object over the run", parts)


def _band(frame: svg.Frame, edges_s: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """A band of steps; moments where nothing changes add no corner."""
    changed = np.flatnonzero(np.append(True, (np.diff(low) != 0) | (np.diff(high) != 0)))
    ends = np.append(edges_s[changed[1:]], edges_s[-1])
    upper = [f"{frame.x(edges_s[at]):.1f},{frame.y(high[at]):.1f} H{frame.x(end):.1f}" for at, end in zip(changed, ends, strict=True)]
    steps = list(zip(changed, ends, strict=True))[::-1]
    lower = [f"{frame.x(end):.1f},{frame.y(low[at]):.1f} H{frame.x(edges_s[at]):.1f}" for at, end in steps]
    return "M" + " L".join(upper + lower) + "Z"


class Steps(NamedTuple):
    """A line of the budget curve: what holds from each budget to the next."""

    css: str  # colour class of the line
    budgets_bytes: NDArray[np.int64]  # rising from 0
    values: NDArray[np.float64]


def budget_curve(peak_bytes: int, lines: Sequence[Steps], marked: tuple[float, float, str] | None) -> Markup:
    """Slowdown in steps against the budget of fast memory.

    Parameters
    ----------
    peak_bytes
        The largest budget.
    lines
        The one that matters most first; it is drawn last, on top.
    marked
        A point (bytes, slowdown) with its words; None for none.
    """
    height = 320
    greatest_x = max(float(peak_bytes), 1.0)
    rises = ticks(max(max(float(line.values.max()) for line in lines) - 1.0, 0.01))
    frame = svg.Frame(WIDTH, height, greatest_x, rises[-1])
    x_ticks = [(tick, format_bytes(tick)) for tick in byte_ticks(greatest_x, 6) if tick <= greatest_x]
    parts = frame.axes(x_ticks, [(tick, f"{1 + tick:.3g}x") for tick in rises])
    for line in reversed(lines):
        edges = line.budgets_bytes
        corners = [f"{frame.x(edges[0]):.1f},{frame.y(line.values[0] - 1):.1f}"]
        corners += [f"H{frame.x(x):.1f} V{frame.y(y - 1):.1f}" for x, y in zip(edges[1:], line.values[1:], strict=True)]
        corners.append(f"H{frame.x(greatest_x):.1f}")
        parts.append(f'<path d="M{" ".join(corners)}" class="steps {line.css}"/>')
    if marked is not None:
        x, y, words = marked
        left = x > 0.7 * greatest_x
        parts.append(f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y - 1):.1f}" r="5" class="dot"/>')
        parts.append(svg.text(frame.x(x) + (-10 if left else 10), frame.y(y - 1) - 10, words, "end" if left else "start", "mark"))
    return svg.picture(height, "slowdown by budget of fast memory", parts)


def scatter(points: Sequence[Point]) -> Markup:
    """Measured against predicted seconds; on the dashed diagonal they agree. The costliest few carry their names."""
    height, width = 360, WIDTH * 2 // 3
    greatest = max([point.high for point in points] + [point.predicted for point in points] + [1e-9])
    marks = ticks(greatest, 5)
    frame = svg.Frame(width, height, marks[-1], marks[-1])
    shown = [(tick, f"{tick:g}") for tick in marks]
    parts = frame.axes(shown, shown)
    parts.append(svg.line(frame.x(0), frame.y(0), frame.x(marks[-1]), frame.y(marks[-1]), "diagonal"))
    parts.append(svg.text(width - svg.RIGHT, height - 4, "predicted cost in the slow tier, s", "end"))
    parts.append(svg.text(svg.LEFT + 6, svg.TOP - 5, "measured, s"))
    named = {point.label for point in sorted(points, key=lambda point: -point.measured)[:4]}
    for point in points:
        x, y = frame.x(max(point.predicted, 0.0)), frame.y(max(point.measured, 0.0))
        parts.append(svg.line(x, frame.y(max(point.low, 0.0)), x, frame.y(max(point.high, 0.0)), "whisker"))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="dot"><title>{escape(point.label)}</title></circle>')
        if point.label in named:
            left = x > width * 0.6
            parts.append(svg.text(x + (-10 if left else 10), y + 4, short(point.label), "end" if left else "start", "mark"))
    head = f'<svg viewBox="0 0 {width} {height}" class="scatter" role="img" aria-label="measured against predicted cost">'
    return Markup(head + "".join(parts) + "</svg>")


def interval_bar(measured: tuple[float, float, float] | None, predicted: float | None, least: float, greatest: float) -> Markup:
    """A measured value with its interval (dot and line) and a predicted one (diamond) on a common scale from least to greatest."""
    width, height = 150, 16
    span = max(greatest - least, 1e-12)

    def x(value: float) -> float:
        return 6 + (width - 12) * (min(max(value, least), greatest) - least) / span

    parts = [svg.line(x(0), 1, x(0), height - 1, "axis"), svg.line(6, height / 2, width - 6, height / 2, "grid")]
    if measured is not None:
        value, low, high = measured
        parts.append(svg.line(x(low), height / 2, x(high), height / 2, "whisker"))
        parts.append(f'<circle cx="{x(value):.1f}" cy="{height / 2}" r="4" class="dot"/>')
    if predicted is not None:
        at = x(predicted)
        parts.append(f'<path d="M{at - 5:.1f},8 L{at:.1f},3 L{at + 5:.1f},8 L{at:.1f},13Z" class="diamond"/>')
    return Markup(f'<svg viewBox="0 0 {width} {height}" class="spark" aria-hidden="true">' + "".join(parts) + "</svg>")
