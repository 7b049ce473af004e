"""Waits in a recorded process until it imports torch, and has the recorder started then. Costs nothing where torch is never imported.

The start-up file `tierprof_names.pth` calls `install` in every Python process that `tierprof run` records. By hand, where the program's
interpreter is another one than tierprof's::

    import tierprof.profiler.tensors.hook
    tierprof.profiler.tensors.hook.install()
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FOLDER_VARIABLE = "TIERPROF_DIR"
_TORCH = "torch"


class TorchFinder:
    """A finder that finds nothing itself: it has the loader that others find for torch tell when torch is there, and goes.

    The loader stays the one that was found (its class and its other methods are looked at by others); only this one's `exec_module`
    is covered, until it has run.
    """

    def __init__(self, start: Callable[[], None]) -> None:
        self._start = start

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of torch as the other finders know it; None for every other module."""
        if name != _TORCH:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if finder is not self and find is not None else None
            if spec is not None:
                self._cover(spec.loader)
                return spec
        return None

    def _cover(self, loader: Any) -> None:
        original = getattr(loader, "exec_module", None)
        own = getattr(loader, "__dict__", None)
        if original is None or own is None or "exec_module" in own:  # with slots: no names; or covered already
            return

        def exec_module(module: ModuleType) -> None:
            own.pop("exec_module", None)
            original(module)
            self._loaded()

        own["exec_module"] = exec_module

    def _loaded(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            _quietly(self._start)


def _quietly(start: Callable[[], None]) -> None:
    try:
        start()
    except Exception:  # the program must not notice that names cannot be had
        return


def _start_recorder() -> None:
    from tierprof.profiler.tensors.recorder import start

    start(os.environ[FOLDER_VARIABLE])


def install() -> None:
    """Record the names of this process's tensors, if it is being recorded at all; once torch is imported, if it is not yet."""
    if not os.environ.get(FOLDER_VARIABLE) or any(isinstance(finder, TorchFinder) for finder in sys.meta_path):
        return
    if _TORCH in sys.modules:
        _quietly(_start_recorder)
    else:
        sys.meta_path.insert(0, TorchFinder(_start_recorder))
