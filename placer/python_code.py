"""Where the functions of a Python program are today: its files are compiled, never run, and searched by function and text of the line."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from tierprof.profiler.python_frames import PythonFrame, library_root


class _File(NamedTuple):
    """A source file as it is now."""

    lines: list[str]
    codes: list[CodeType]

    def text(self, line: int) -> str:
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _read(path: Path) -> _File | None:
    """None where there is no such file, or it is of a Python that this one cannot compile."""
    try:
        source = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = compile(source, str(path), "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None
    return _File(source.decode("utf-8", "replace").splitlines(), list(_codes(module)))


class PythonToday:
    """The Python files of a program as they are now; each is read once."""

    def __init__(self) -> None:
        self._files: dict[str, _File | None] = {}

    def frame(self, was: PythonFrame, source: str) -> PythonFrame | None:
        """The frame as it would be now; None if that is not certain.

        Parameters
        ----------
        was
            The frame as it was. One of a library, and of a file that is not there (``<string>``), is taken to be as it was.
        source
            The text of its line then; empty where that is not known.
        """
        if library_root(was.file) or not Path(was.file).is_file():
            return was
        if was.file not in self._files:
            self._files[was.file] = _read(Path(was.file))
        file = self._files[was.file]
        return None if file is None else _find(file, was, source)


def _find(file: _File, was: PythonFrame, source: str) -> PythonFrame | None:
    own = [code for code in file.codes if code.co_qualname == was.function]
    places = {(code.co_firstlineno, line) for code in own for _, _, line in code.co_lines() if line is not None}
    if source:
        places = {place for place in places if file.text(place[1]) == source}
    else:
        places = {(first, line) for first, line in places if line - first == was.line - was.first_line}
    if (was.first_line, was.line) in places:
        return was
    same_way = {place for place in places if place[1] - place[0] == was.line - was.first_line}
    certain = places if len(places) == 1 else same_way
    if len(certain) != 1:
        return None
    ((first, line),) = certain
    return was._replace(first_line=first, line=line)
