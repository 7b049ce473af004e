"""The curve as a picture, PNG or SVG: one file that needs nothing else."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, parse_size_bytes
from tierprof.placer.plots import byte_ticks
from tierprof.placer.predict.curve import ACCESSES, BEST, FIRST_TOUCH, LLC_MISSES, Curve, Line
from tierprof.placer.predict.knee import TOLERATED

SUFFIXES = (".png", ".svg")

#: Line -> colour and dashes; the colours are those of the report's first objects, and differ in lightness too.
_STYLES = {BEST: ("#2b6cd4", "-"), LLC_MISSES: ("#e08a1e", "--"), ACCESSES: ("#e08a1e", "--"), FIRST_TOUCH: ("#7a8794", ":")}

_INK, _SOFT, _RULE = "#1b2027", "#5c6672", "#e3e7ec"

# Text as shapes: an SVG looks the same where its fonts are missing. A fixed salt and no date: the same curve is the same file.
_SETTINGS: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "tierprof",
    "font.size": 10.5,
    "axes.edgecolor": _SOFT,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
}


def check_suffix(path: Path) -> None:
    """Refuse, before any work is done, a file that no picture can be written to.

    Raises
    ------
    TierprofError
        If the name ends in neither .png nor .svg.
    """
    if path.suffix.lower() not in SUFFIXES:
        why = f"it ends in '{path.suffix}'" if path.suffix else "it has no suffix"
        raise TierprofError(f"picture {path} cannot be written", why, "give -o a name that ends in .png or .svg")


def draw_curve(curve: Curve, title: str, subtitle: str, path: Path) -> None:
    """Draw slowdown against budget.

    Parameters
    ----------
    curve
        What to draw.
    title, subtitle
        Above the plot.
    path
        A .png or .svg file, replaced if it exists.

    Raises
    ------
    TierprofError
        If the file cannot be written.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(8.4, 4.8), dpi=150, facecolor="white")
        axes = figure.add_axes((0.085, 0.125, 0.885, 0.68))
        figure.text(0.085, 0.93, title, fontsize=13.5, fontweight="bold")
        figure.text(0.085, 0.875, subtitle, color=_SOFT)
        _axes(axes, curve)
        drawn = {name: _line(axes, curve, name, line) for name, line in reversed(list(curve.lines.items()))}
        _tolerated(axes, curve)
        _knee(axes, curve)
        axes.legend(
            [drawn[name] for name in curve.lines],
            list(curve.lines),
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(drawn),
            frameon=False,
            borderpad=0,
        )
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise TierprofError(f"picture {path} cannot be written", why, "give -o another place") from error


def _axes(axes: Axes, curve: Curve) -> None:
    greatest = max(float(line.slowdown.max()) for line in curve.lines.values())
    if np.isfinite(curve.best.slowdown_high).all():
        greatest = max(greatest, float(curve.best.slowdown_high.max()))
    axes.set_xlim(0, max(curve.peak_bytes, 1))
    axes.set_ylim(1.0 - 0.02 * (greatest - 1.0) - 1e-3, max(1.0 + 1.12 * (greatest - 1.0), 1.01))
    ticks = [tick for tick in byte_ticks(float(curve.peak_bytes), 6) if tick <= curve.peak_bytes]
    unit = format_bytes(ticks[-1])[-3:] if ticks[-1] >= 1024 else "B"
    axes.set_xticks(ticks, [f"{tick / parse_size_bytes(f'1{unit}'):g}{unit}" for tick in ticks])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}x")
    axes.set_xlabel(f"DRAM for the program's objects (peak {format_bytes(curve.peak_bytes)})")
    axes.set_ylabel("slowdown over all in DRAM")
    axes.grid(color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _line(axes: Axes, curve: Curve, name: str, line: Line) -> Line2D:
    """In steps: what fits a budget fits until the next one. A best plan fits from where its own need is met, be that below its budget."""
    colour, dashes = _STYLES[name]
    budgets, slowdown = (curve.budgets_bytes, line.slowdown)
    if name == BEST:
        budgets = np.append(line.needed_bytes, curve.peak_bytes)
        slowdown = np.append(slowdown, slowdown[-1])
        low, high = (np.append(bound, bound[-1]) for bound in (line.slowdown_low, line.slowdown_high))
        if np.isfinite(high).all():
            axes.fill_between(budgets, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    width = 2.4 if name == BEST else 1.7
    return axes.plot(budgets, slowdown, drawstyle="steps-post", color=colour, linestyle=dashes, linewidth=width)[0]


def _tolerated(axes: Axes, curve: Curve) -> None:
    """Where the best line comes within each tolerated slowdown; of those that lie too close to each other only the smallest is named."""
    lowest, highest = axes.get_ylim()
    named = lowest
    for tolerated in TOLERATED:
        need = curve.best.least_bytes(tolerated)
        if not need or need >= curve.peak_bytes:
            continue
        level = 1 + tolerated
        axes.plot([0, need, need], [level, level, lowest], color=_SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
        if level - named >= 0.04 * (highest - lowest):
            axes.annotate(f"+{tolerated:.0%}", (0, level), (4, 2), textcoords="offset points", fontsize=8.5, color=_SOFT)
            named = level


def _knee(axes: Axes, curve: Curve) -> None:
    place = curve.knee
    if place is None:
        return
    x, y = float(curve.best.needed_bytes[place]), float(curve.best.slowdown[place])
    axes.plot([x], [y], "o", color=_STYLES[BEST][0], markersize=7, markeredgecolor="white", zorder=5)
    left = x > 0.75 * curve.peak_bytes
    axes.annotate(
        f"knee: {format_bytes(x)}, {y:.2f}x",
        (x, y),
        (-10 if left else 10, 12),
        textcoords="offset points",
        ha="right" if left else "left",
        fontweight="bold",
        fontsize=9.5,
    )
