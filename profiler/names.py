"""How a site is called: the innermost frame that is no allocator, and those around it that say what for."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

_NAME_LENGTH = 100

# Words in a function's name that make it a supplier of memory, whoever wrote it: malloc, PyMem_RawRealloc, GB_malloc_memory,
# operator new, std::vector::_M_realloc_insert, mmap, aligned_alloc, igraph_vector_reserve, strdup.
_ALLOCATOR = re.compile(
    r"alloc|\bnew\b|mem_?\w*new|mmap|mremap|memalign|resize|reserve|strdup|_zn[wa]|sbrk|get_?memory|_m_(create|insert|append|default)", re.I
)
# Words of a function that makes its caller's object: it is named, and so is the caller it works for.
_MAKER = re.compile(r"new|create|init|make|dup|copy|clone|build|grow|expand|extend|insert|push|append|assign|construct|emplace", re.I)
# Frames of an interpreter between its program and a library; which function they call is not theirs to tell.
_INTERPRETER = re.compile(r"^_?Py(Eval|Object)_|vectorcall|^(cfunction|type|slot|method)_|^_cffi_|^builtin_")


class Frame(NamedTuple):
    """One frame of a site's stack."""

    path: str
    offset: int
    function: str
    file: str
    line: int

    @property
    def module(self) -> str:
        """The module's file name without its folder and version."""
        return self.path.rsplit("/", 1)[-1] if self.path else "?"

    @property
    def short(self) -> str:
        """The function without template arguments and parameters; module and offset where it has no name."""
        if not self.function:
            return f"{self.module}+{self.offset:#x}"
        return without_arguments(self.function)

    @property
    def full(self) -> str:
        """``libfoo.so+0x1234 function file:line``, without what is unknown."""
        parts = [f"{self.module}+{self.offset:#x}", self.function, f"{self.file}:{self.line}" if self.file else ""]
        return " ".join(part for part in parts if part)


def without_arguments(function: str) -> str:
    """A C++ name without what stands in angle brackets and parentheses: ``std::vector::push_back``."""
    if "operator" in function or not ("<" in function or "(" in function):
        return function
    kept, depth = [], 0
    for letter in function:
        if letter in "<(":
            depth += 1
        elif letter in ">)":
            depth -= 1
        elif depth == 0:
            kept.append(letter)
    return "".join(kept).strip() or function


def is_allocator(frame: Frame) -> bool:
    """Whether the frame only passes memory on to its caller, judged by the words in its name."""
    return bool(frame.function) and _ALLOCATOR.search(without_arguments(frame.function)) is not None


def own_frame(frames: Sequence[Frame]) -> int:
    """Position of the innermost frame that is no allocator; 0 if all are."""
    return next((place for place, frame in enumerate(frames) if not is_allocator(frame)), 0)


def _says_what_for(frame: Frame) -> bool:
    name = without_arguments(frame.function)
    return bool(name) and not (_ALLOCATOR.search(name) or _MAKER.search(name) or _INTERPRETER.search(name))


def site_name(frames: Sequence[Frame]) -> str:
    """The name of a site.

    Parameters
    ----------
    frames
        Innermost first.

    Returns
    -------
    str
        ``load_edges graph.c:42``: the innermost frame that is no allocator, with its line where that is known. If that only makes
        what its caller asked for, then also the first caller that does not: ``GB_new_bix <- GB_ewise_fulln``. ``?`` without frames.
    """
    if not frames:
        return "?"
    own = own_frame(frames)
    first = frames[own]
    shown = [f"{first.short} {first.file}:{first.line}" if first.file and first.line else first.short]
    if not first.function or _MAKER.search(without_arguments(first.function)):
        shown.extend(caller.short for caller in islice(filter(_says_what_for, frames[own + 1 :]), 1))
    name = " <- ".join(shown)
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 3] + "..."
