"""How the program calls an object: the variable that holds it, in the frames that lead to a call. Leaves those frames as they were."""

import dis
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

_CO_OPTIMIZED = 1  # the frame of a function: its variables lie in slots, and f_locals is made of them
_LIBRARY_FOLDERS = ("/site-packages/", "/dist-packages/")
_OWN_PACKAGE = __name__.rpartition(".")[0]
_FRAMES_AT_MOST = 64
# Up to 3.12 a function's f_locals is one dictionary, kept by the frame and handed out by locals() too (PEP 667 ended that).
_LOCALS_ARE_KEPT = sys.version_info < (3, 13)
_REFERENCES_TO_LOCALS = 3  # the frame's, our own, and that of the call that counts
_LOCALS_USERS = frozenset({"locals", "vars", "eval", "exec", "dir"})

Visit = Callable[[Mapping[str, object], str], None]


def holders(objects: Mapping[int, object], frame: FrameType | None) -> dict[int, str]:
    """The variable that holds each object; without those that no variable holds.

    The outermost frame counts: a program's `users_model` and `items_model` are both `model` in the function that trains them.

    Parameters
    ----------
    objects
        By id.
    frame
        Where to begin; see `visit_variables`.

    Returns
    -------
    dict of int to str
        By id: ``model``, or ``self.model`` for an attribute of a method's own object.
    """
    names: dict[int, str] = {}
    visit_variables(frame, lambda variables, prefix: note_variables(objects, variables, names, prefix))
    return names


def visit_variables(frame: FrameType | None, visit: Visit) -> None:
    """Show the variables of a frame and its callers, outermost first: the globals, a function's own, those of its `self`.

    Frames of libraries are passed over, but for the package that the program itself is of (``python -m package.program``).

    Parameters
    ----------
    frame
        The innermost frame.
    visit
        Gets variables by name, and what their names are preceded by: ``self.``, or nothing.
    """
    program = _package_of_program()
    frames: list[FrameType] = []
    while frame is not None and len(frames) < _FRAMES_AT_MOST:
        frames.append(frame)
        frame = frame.f_back
    globals_seen: set[int] = set()
    for one in reversed(frames):
        if _is_users(one, program):
            if id(one.f_globals) not in globals_seen:
                globals_seen.add(id(one.f_globals))
                visit(one.f_globals, "")
            _visit_locals(one, visit)


def _package_of_program() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name).partition(".")[0] if spec is not None else ""


def _is_users(frame: FrameType, program: str) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    if module == "__main__":
        return True
    if module.startswith(_OWN_PACKAGE):
        return False
    library = any(folder in frame.f_code.co_filename for folder in _LIBRARY_FOLDERS)
    return not library or (program != "" and module.partition(".")[0] == program)


def note_variables(objects: Mapping[int, object], variables: Mapping[str, object], names: dict[int, str], prefix: str = "") -> None:
    """Add to `names` which of the variables hold objects that have no name there yet; private ones say nothing."""
    for name, value in list(variables.items()):
        number = id(value)
        known = number in objects and number not in names and objects[number] is value
        if known and name.isidentifier() and not name.startswith("_"):
            names[number] = f"{prefix}{name}"


def _visit_locals(frame: FrameType, visit: Visit) -> None:
    """Show a function's variables, and the attributes of its `self`.

    The dictionary that Python up to 3.12 makes of a function's variables stays with the frame and would keep alive what the function
    lets go of: it is emptied again. Where the function itself may have it in hands (it calls `locals`), or a debugger does, it is
    not asked for at all.
    """
    if not frame.f_code.co_flags & _CO_OPTIMIZED:
        return  # of a module, whose variables are its globals, or of a class
    if not _LOCALS_ARE_KEPT:
        _visit_with_self(frame.f_locals, visit)
    elif sys.gettrace() is None and not _may_hold_locals(frame.f_code):
        variables = frame.f_locals
        try:
            _visit_with_self(variables, visit)
        finally:
            if sys.getrefcount(variables) == _REFERENCES_TO_LOCALS:  # else somebody took hold of it before
                variables.clear()


def _may_hold_locals(code: CodeType) -> bool:
    """Whether a function calls what hands out its locals; `model.eval` does not."""
    if _LOCALS_USERS.isdisjoint(code.co_names):
        return False
    return any(one.opname in ("LOAD_GLOBAL", "LOAD_NAME") and one.argval in _LOCALS_USERS for one in dis.get_instructions(code))


def _visit_with_self(variables: Mapping[str, Any], visit: Visit) -> None:
    visit(variables, "")
    attributes = getattr(variables.get("self"), "__dict__", None)
    if isinstance(attributes, dict):
        visit(attributes, "self.")
