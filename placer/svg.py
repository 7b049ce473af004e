"""Inline SVG of the report's plots: pictures, text, lines and axes. Colours are CSS classes of the template."""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 74, 16, 16, 40


def picture(height: int, label: str, parts: Sequence[str]) -> Markup:
    """The parts as one picture; `label` is what it is called where it cannot be seen."""
    head = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(head + "".join(parts) + "</svg>")


def text(x: float, y: float, words: str, anchor: str = "start", css: str = "tick") -> str:
    """Words at a place; never taken for markup."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


class Frame:
    """A plot's axes: data to picture, gridlines and ticks."""

    def __init__(self, width: int, height: int, greatest_x: float, greatest_y: float) -> None:
        self.width, self.height = width, height
        self.greatest_x, self.greatest_y = greatest_x, greatest_y

    def x(self, value: float) -> float:
        """Where a value of the horizontal axis is."""
        return LEFT + (self.width - LEFT - RIGHT) * value / self.greatest_x

    def y(self, value: float) -> float:
        """Where a value of the vertical axis is."""
        return self.height - BOTTOM - (self.height - TOP - BOTTOM) * value / self.greatest_y

    def axes(self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> list[str]:
        """Axes with (value, words) at their ticks."""
        floor = self.height - BOTTOM
        parts = [line(LEFT, self.y(value), self.width - RIGHT, self.y(value), "grid") for value, _ in y_ticks if value > 0]
        parts += [text(LEFT - 8, self.y(value) + 4, words, "end") for value, words in y_ticks]
        parts += [text(self.x(value), floor + 18, words, "middle") for value, words in x_ticks]
        return [*parts, line(LEFT, floor, self.width - RIGHT, floor, "axis")]
