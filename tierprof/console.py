"""How the command line prints: aligned tables, exact JSON, progress on a terminal only. What is printed is decided by the verbs."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

# A table that is piped into a file or another program must not be cut at 80 columns.
_PIPE_COLUMNS = 1000


def stdout() -> Console:
    """Console for results; made anew, so that a redirected ``sys.stdout`` is honoured."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def stderr() -> Console:
    """Console for what is said about the work: notes, progress, the summary of a run."""
    return Console(file=sys.stderr, highlight=False, width=None if sys.stderr.isatty() else _PIPE_COLUMNS)


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:1] in "+-" or cell == ""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print an aligned table on stdout.

    Parameters
    ----------
    title
        Stands above the table; empty for none.
    columns
        Headings. A column whose cells all start like numbers is set flush right.
    rows
        Cells in the order of the headings; printed with ``str``, never interpreted as markup.
    """
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    shown = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(columns):
        right = bool(cells) and all(_is_number(row[number]) for row in cells)
        shown.add_column(escape(head), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in cells:
        shown.add_row(*row)
    stdout().print(shown)


def say(line: str) -> None:
    """Print one plain line on stdout."""
    stdout().print(escape(line), soft_wrap=True)


def note(line: str) -> None:
    """Print one plain line on stderr."""
    stderr().print(escape(line), soft_wrap=True)


def _plain(value: Any) -> Any:
    """What JSON can hold: numpy scalars become Python's, NaN becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def emit_json(value: Any) -> None:
    """Print the value as JSON on stdout; numpy scalars and arrays are accepted, NaN becomes null."""
    print(json.dumps(_plain(value), indent=2, default=str))


def progress() -> Progress:
    """A progress bar on stderr, silent when stderr is no terminal; a context manager as rich's own."""
    console = stderr()
    parts = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeElapsedColumn())
    return Progress(*parts, console=console, transient=True, disable=not console.is_terminal)
