"""A plan made for another build of a program: its sites are found anew by function and line, and get the keys that they have today.

The key of a site is a hash over its frames' modules and offsets (native/shim/sites.c). Where a module was built anew, a frame's offset is
now that of the call at the same place of the same function, if the function is as long as it was; or else of the only call on the same line
of it. Python frames are beyond the native ones, and are found by function and by the text of the line (placer/python_code.py). What cannot
be told for certain is not matched.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tierprof.placer.calls import call_returns
from tierprof.placer.libraries import library_paths
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.python_code import PythonToday
from tierprof.placer.site_key import module_identity, site_key, site_stem
from tierprof.profiler.image import Image
from tierprof.profiler.modules import Images
from tierprof.profiler.python_frames import PythonFrame
from tierprof.profiler.stacks import PYTHON, build_of
from tierprof.profiler.symbols import Symboliser

_FRAME = re.compile(
    r"(?P<path>.*)\[(?P<build>[^\]]*)\]\+0x(?P<offset>[0-9a-f]+)"
    r"(?: (?P<function>\S+)\+0x(?P<place>[0-9a-f]+)/0x(?P<size>[0-9a-f]+))?(?: (?P<file>.+):(?P<line>\d+))?"
)
_PYTHON_FRAME = re.compile(r"python (?P<file>.+):(?P<line>\d+) (?P<function>\S+) from (?P<first>\d+)(?:: (?P<source>.*))?")
_BUILD_ID = re.compile(r"(?:[0-9a-f]{2})+")
# Beyond this function of an interpreter are the Python frames, if they were recorded.
_LOOP = "_PyEval_EvalFrameDefault"


@dataclass(frozen=True)
class StackFrame:
    """A frame as a plan keeps it; fields as of `tierprof.base.schema.STACKS`."""

    path: str
    build: str
    offset: int
    function: str = ""
    place: int = 0
    function_bytes: int = 0
    file: str = ""
    line: int = 0
    source: str = ""

    @property
    def python(self) -> PythonFrame | None:
        """The Python frame that it is; None for a native one."""
        return PythonFrame(self.path, self.line, self.function, self.offset) if self.build == PYTHON else None

    @property
    def text(self) -> str:
        """``/lib/libfoo.so[BUILD]+0x1234 function+0x1c/0x80 file.c:42``, or ``python /home/me/gcn.py:42 GCN.run from 40: x = ones(n)``."""
        if self.build == PYTHON:
            return f"python {self.path}:{self.line} {self.function} from {self.offset}{f': {self.source}' if self.source else ''}"
        function = f" {self.function}+{self.place:#x}/{self.function_bytes:#x}" if self.function else ""
        return f"{self.path}[{self.build}]+{self.offset:#x}{function}{f' {self.file}:{self.line}' if self.file else ''}"

    @classmethod
    def parse(cls, text: str) -> "StackFrame | None":
        """The frame of a text; None if it is no frame's."""
        python = _PYTHON_FRAME.fullmatch(text)
        if python is not None:
            line, first = int(python["line"]), int(python["first"])
            return cls(python["file"], PYTHON, first, python["function"], line - first, 0, python["file"], line, python["source"] or "")
        match = _FRAME.fullmatch(text)
        if match is None:
            return None
        numbers = (int(match[name] or "0", 16) for name in ("offset", "place", "size"))
        offset, place, size = numbers
        return cls(
            match["path"], match["build"], offset, match["function"] or "", place, size, match["file"] or "", int(match["line"] or 0)
        )


def frames_by_site(stacks: pd.DataFrame, sites: "pd.Series | None" = None) -> dict[int, tuple[str, ...]]:
    """The frames of each site, or of these, as a plan keeps them, from a trace's `tierprof.base.schema.STACKS`."""
    if sites is not None:
        stacks = stacks[stacks["site"].isin(sites)]
    fields = ["path", "build", "offset", "function", "place", "function_bytes", "file", "line"]
    fields.extend(name for name in ("source",) if name in stacks)  # older traces have no Python frames
    texts = [StackFrame(*row).text for row in stacks[fields].itertuples(index=False)]
    ordered = stacks.assign(text=texts).sort_values(["site", "depth"], kind="stable")
    return {int(site): tuple(own["text"]) for site, own in ordered.groupby("site")}


@dataclass(frozen=True)
class Match:
    """What became of a plan's sites in today's build.

    Attributes
    ----------
    plan : Plan
        With the keys that its sites have today; those that were not found keep theirs.
    anew : tuple of PlannedObject
        Found by function and line, as they were in the plan.
    lost : tuple of PlannedObject
        Not found.
    """

    plan: Plan
    anew: tuple[PlannedObject, ...] = ()
    lost: tuple[PlannedObject, ...] = ()

    def lines(self) -> list[str]:
        """What the user is told: nothing if every site is as it was."""
        total = len(self.plan.objects)
        told = []
        if self.anew:
            told.append(f"the plan is of another build: {len(self.anew)} of its {total} sites were matched by function and line")
        if self.lost:
            names = ", ".join(own.name or own.site for own in self.lost[:3]) + (" and others" if len(self.lost) > 3 else "")
            told.append(f"{len(self.lost)} of the plan's {total} sites are not in this build, and go to its default tier: {names}")
        return told


class _Today:
    """The modules of a program as they are now."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._libraries = library_paths(program)
        self._images = Images()
        self._symboliser = Symboliser(self._images)
        self.python = PythonToday()

    def path(self, was: str) -> str:
        """Where a module lies now; the program itself, under whatever name, for what is no library."""
        name = Path(was).name
        if name == self._program.name or (".so" not in name and not Path(was).exists()):
            return str(self._program)
        return self._libraries.get(name, was)

    def image(self, path: str) -> Image | None:
        return self._images.get(path)

    def offset(self, frame: StackFrame, path: str) -> int | None:
        """The return address of a frame in the module as it is built now; None if that is not certain."""
        image = self.image(path)
        if image is None or not frame.function:
            return None
        table = image.functions
        rows = [row for row in range(len(table.value)) if table.name(row) == frame.function]
        if len(rows) != 1:
            return None
        start, size = int(table.value[rows[0]]), int(table.size[rows[0]])
        returns = call_returns(image, start, start + size)
        if size == frame.function_bytes and start + frame.place in returns:
            return start + frame.place
        # A return address is that of the instruction after the call, perhaps on another line.
        symbols = self._symboliser.symbols((path, address - 1) for address in returns) if frame.line else {}
        same = [address + 1 for (_, address), found in symbols.items() if (found.file, found.line) == (frame.file, frame.line)]
        return same[0] if len(same) == 1 else None


class _Known(NamedTuple):
    """How a site is known in a run: by its key, and before that by how its stack begins."""

    key: str
    stem: tuple[int, ...] = ()


def _known_today(frames: Sequence[StackFrame], today: _Today) -> _Known | None:
    """The key that a stack has today; None if a frame of it is not to be found."""
    placed = []
    beyond = []
    for frame in frames:
        if frame.python is not None:
            now = today.python.frame(frame.python, frame.source)
            if now is None:
                return None
            beyond.append(now)
            continue
        if not frame.path:
            placed.append(((0, 0), 0))
            continue
        path = today.path(frame.path)
        image = today.image(path)
        offset = frame.offset if build_of(path, image) == frame.build else today.offset(frame, path)
        if offset is None:
            return None
        placed.append((module_identity(path, image.build_id if image is not None else b""), offset))
    return _Known(site_key(placed, beyond), site_stem(placed))


def _known_then(own: PlannedObject, frames: Sequence[StackFrame]) -> _Known:
    """A site as it was when the plan was made; without a stem where files would have to be looked at that are other ones by now."""
    native = [frame for frame in frames if frame.python is None]
    beyond = [frame.python for frame in frames if frame.python is not None]
    if not all(_BUILD_ID.fullmatch(frame.build) for frame in native):
        return _Known(own.site)
    placed = [(module_identity(frame.path, bytes.fromhex(frame.build)), frame.offset) for frame in native]
    return _Known(own.site, site_stem(placed) if site_key(placed, beyond) == own.site else ())


def match_plan(plan: Plan, program: Path) -> Match:
    """Find a plan's sites in a program as it is built now.

    Parameters
    ----------
    plan
        The plan; objects without frames are taken to be as they were.
    program
        The executable, or the interpreter of a script.
    """
    if not any(own.frames for own in plan.objects):
        return Match(plan)
    today = _Today(Path(os.path.realpath(program)))
    sites: dict[str, _Known] = {}
    anew, lost = [], []
    taken = {own.site for own in plan.objects if not own.frames}
    for own in plan.objects:
        parsed = [StackFrame.parse(text) for text in own.frames]
        frames = [frame for frame in parsed if frame is not None]
        found = _known_today(frames, today) if parsed and None not in parsed else _Known(own.site)
        if found is None or found.key in taken:
            lost.append(own)
            found = _known_then(own, frames)
        elif found.key != own.site:
            anew.append(own)
        taken.add(found.key)
        sites[own.site] = found
    return Match(_with_sites(plan, sites), tuple(anew), tuple(lost))


def made_without_python(plan: Plan) -> bool:
    """Whether the plan is of a Python program whose stacks were recorded as native throughout: their keys are other ones."""
    frames = [StackFrame.parse(text) for own in plan.objects for text in own.frames]
    builds = {frame.build for frame in frames if frame is not None}
    return PYTHON not in builds and any(frame is not None and frame.function == _LOOP for frame in frames)


def _with_sites(plan: Plan, sites: dict[str, _Known]) -> Plan:
    """The plan with other keys, in its moves, too, and with stems."""

    def key(was: str) -> str:
        return sites[was].key if was in sites else was

    objects = tuple(replace(own, site=sites[own.site].key, stem=sites[own.site].stem) for own in plan.objects)
    moves = tuple(replace(move, site=key(move.site), of=None if move.of is None else key(move.of)) for move in plan.moves)
    return replace(plan, objects=objects, moves=moves)
