"""The call stacks of sites in terms that another build can be searched by: function, place in it, and line, beside module and offset."""

import linecache
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.profiler.image import Image
from tierprof.profiler.modules import Images
from tierprof.profiler.names import Frame
from tierprof.profiler.python_frames import PythonFrame
from tierprof.profiler.sites import printable


def build_of(path: str, image: Image | None) -> str:
    """What tells one build of a file from another: its build-id; ``size N`` where it has none; empty where there is no file."""
    if image is not None and image.build_id:
        return image.build_id.hex()
    try:
        return f"size {Path(path).stat().st_size}" if path else ""
    except OSError:
        return ""


def function_at(image: Image | None, offset: int) -> tuple[str, int, int]:
    """Linkage name of the function that a virtual address is in, the address's place in it, and its size; no name without symbols."""
    if image is None:
        return "", 0, 0
    table = image.functions
    row = int(np.searchsorted(table.value, np.uint64(offset), side="right")) - 1
    if row < 0:
        return "", 0, 0
    start, size = int(table.value[row]), int(table.size[row])
    return (table.name(row), offset - start, size) if offset < start + size else ("", 0, 0)


# The `build` of a Python frame.
PYTHON = "python"


def _python_row(site: int, depth: int, frame: PythonFrame) -> tuple[str | int, ...]:
    source = linecache.getline(frame.file, frame.line).strip()
    place = frame.line - frame.first_line
    return site, depth, frame.file, PYTHON, max(frame.first_line, 0), frame.function, place, 0, frame.file, frame.line, source


def stacks_table(stacks: Sequence[Sequence[Frame]], images: Images, python: Sequence[Sequence[PythonFrame]] = ()) -> pd.DataFrame:
    """Every frame of every site, as `tierprof.base.schema.STACKS` describes it.

    Parameters
    ----------
    stacks
        Frames of each site, innermost first; offsets are return addresses.
    images
        The files.
    python
        Python frames of each site, innermost first, which are beyond those; none where it is empty.
    """
    known: dict[tuple[str, int], tuple[str, str, int, int]] = {}
    for stack in stacks:
        for frame in stack:
            if (frame.path, frame.offset) not in known:
                image = images.get(frame.path)
                # A call at a function's very end returns behind it: the call is what has to be inside.
                function, place, size = function_at(image, frame.offset - 1)
                known[frame.path, frame.offset] = build_of(frame.path, image), function, place + bool(function), size
    rows: list[tuple[str | int, ...]] = [
        (
            site,
            depth,
            frame.path,
            known[frame.path, frame.offset][0],
            frame.offset,
            *known[frame.path, frame.offset][1:],
            frame.file,
            frame.line,
            "",
        )
        for site, stack in enumerate(stacks)
        for depth, frame in enumerate(stack)
    ]
    linecache.checkcache()  # a program may have been edited between two runs
    rows.extend(_python_row(site, len(stacks[site]) + depth, frame) for site, own in enumerate(python) for depth, frame in enumerate(own))
    names = ["site", "depth", "path", "build", "offset", "function", "place", "function_bytes", "file", "line", "source"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(**{name: table[name].map(printable) for name in ("path", "function", "file", "source")})
