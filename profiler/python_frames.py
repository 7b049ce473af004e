"""Frames of Python programs: whose they are, and how the one is called that asked for memory.

A library is what lies in site-packages, dist-packages or the standard library, and what Python froze into itself; but a package whose
module is run as the program (``python -m package.module``) is the program's own, wherever it lies.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Code that is made while the interpreter is built, or by NumPy's and others' code generators.
_GENERATED = re.compile(r"<(frozen |__array_function__ internals|attrs generated )")
# Up to where a library's own folder, or its only file, begins.
_LIBRARY = re.compile(r"^.*/(?:site-packages|dist-packages|lib(?:32|64)?/python3(?:\.\d+t?)?(?:/lib-dynload)?)/|^.*/python3\d+\.zip/")
# torch-geometric writes a module of each convolution to a new temporary file in every run; what is in brackets is the same each time.
_TEMPORARY = re.compile(r"(?:^|.*/)([^/]+_(?:propagate|edge_updater))_[a-z0-9_]{8}\.py")
# How the interpreter starts the program's main module.
_STARTER = re.compile(r"<frozen runpy>|.*/lib(?:32|64)?/python3\.\d+t?/runpy\.py")
_COMPREHENSION = re.compile(r"\.<locals>\.<(listcomp|setcomp|dictcomp|genexpr)>$")


class PythonFrame(NamedTuple):
    """One call of a Python function: `file` is its co_filename, `function` its co_qualname, `first_line` where it begins."""

    file: str
    line: int
    function: str
    first_line: int

    @property
    def full(self) -> str:
        """``/home/me/lightgcn.py:42 LightGCN.__init__``."""
        return f"{self.file}:{self.line} {self.function}"

    @property
    def short(self) -> str:
        """``lightgcn.py:42 in __init__``; of a comprehension the function that it stands in."""
        function = self.function
        file = stable_file(self.file).rsplit("/", 1)[-1]
        while _COMPREHENSION.search(function):
            function = _COMPREHENSION.sub("", function)
        return f"{file}:{self.line} in {function.rsplit('.', 1)[-1]}"


def stable_file(file: str) -> str:
    """What of a file's name is the same in every run and on every machine: its own name and its folder's; of a generated module its own."""
    generated = _TEMPORARY.fullmatch(file)
    return generated.group(1) if generated is not None else "/".join(file.split("/")[-2:])


def library_root(file: str) -> str:
    """The folder or file by which a library goes: ``/usr/lib/python3/dist-packages/numpy``; empty for what is no library's."""
    if _GENERATED.match(file) or _TEMPORARY.fullmatch(file):
        return file
    found = _LIBRARY.match(file)
    return found.group() + file[found.end() :].split("/", 1)[0] if found is not None else ""


def program_roots(stacks: Iterable[Sequence[PythonFrame]]) -> frozenset[str]:
    """The libraries that are run as programs, by `library_root`: those whose module is the outermost that is executed.

    Parameters
    ----------
    stacks
        Frames of each site, innermost first.
    """
    roots = set()
    for stack in stacks:
        main = next((frame for frame in reversed(stack) if not _STARTER.fullmatch(frame.file)), None)
        started = bool(stack) and _STARTER.fullmatch(stack[-1].file) is not None
        if main is not None and started and main.function == "<module>":
            roots.add(library_root(main.file))
    return frozenset(roots - {""})


def own_python_frame(stack: Sequence[PythonFrame], roots: frozenset[str] = frozenset()) -> PythonFrame | None:
    """The innermost frame that is not of a library; the innermost of all if every one is; None without frames.

    Parameters
    ----------
    stack
        Innermost first.
    roots
        Libraries that are the program's own, from `program_roots`.
    """
    for frame in stack:
        root = library_root(frame.file)
        if not root or root in roots:
            return frame
    return stack[0] if stack else None
