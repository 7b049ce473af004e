"""Follows the torch modules and optimizers of a process that is being recorded, and writes down where their tensors lie.

Modules, parameters and optimizers are held weakly. Nothing is changed: no random number drawn, no graph kept, no tensor kept. If anything
goes wrong here, recording ends with a note, and the program goes on.
"""

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from types import FrameType
from typing import Any

import torch
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer

from tierprof.profiler.tensors.output import Output
from tierprof.profiler.tensors.storages import Range, ranges
from tierprof.profiler.tensors.variables import holders, note_variables, visit_variables

_DEFAULT_THRESHOLD_BYTES = 4096
_DEFAULT_MAX_BYTES = 4 << 30
_is_compiling = torch.compiler.is_compiling
_SHARE_OF_TRACE = 16  # tensors may take this part of what the trace may
_SHARE_OF_TIME = 100  # looking at gradients between the scans may take this part of the process's time


class _Parameter:
    """A parameter that an optimizer has; slots, because it is looked up at each step."""

    __slots__ = ("gradient", "number", "reference")

    def __init__(self, parameter: torch.Tensor, number: int) -> None:
        self.reference = weakref.ref(parameter)
        self.number = number  # of its tensor
        self.gradient: int | None = None  # of its gradient's tensor, where that is dense


class _Optimizer:
    """What is known of one optimizer."""

    def __init__(self) -> None:
        self.steps = 0
        self.parameters: dict[int, _Parameter] = {}  # by id


def _aside(method: Callable[..., None]) -> Callable[..., None]:
    """A hook that ends the recording rather than raise, does nothing while torch traces, and is one thread's at a time."""

    @wraps(method)
    def hook(self: "Recorder", *args: Any) -> None:
        if self.off or self._output.full or _is_compiling():
            return
        try:
            with self.lock, torch._C.DisableTorchFunction():
                method(self, *args)
        except Exception as error:
            self.step_aside(error)

    return hook


class Recorder:
    """Records one process.

    Parameters
    ----------
    folder
        The raw folder.
    threshold_bytes
        Smaller allocations have no row of their own in the trace: gradients below it are looked at in scans alone.
    max_bytes
        What the process may write.
    """

    def __init__(self, folder: str, threshold_bytes: int, max_bytes: int) -> None:
        self.off = False
        self.lock = threading.RLock()  # a signal's handler may make a module while one is being recorded
        self._folder, self._threshold_bytes, self._max_bytes = folder, threshold_bytes, max_bytes
        self._modules: dict[int, weakref.ref[torch.nn.Module]] = {}
        self._optimizers: dict[int, tuple[weakref.ref[Any], _Optimizer]] = {}
        self._begin()

    def _begin(self) -> None:
        """A process's own files and numbers; called again in a forked child."""
        self._output = Output(self._folder, self._max_bytes)
        self._module_numbers: dict[int, int] = {}
        self._tensor_numbers: dict[tuple[object, ...], int] = {}
        self._edges: set[tuple[int, int, str]] = set()
        self._variables: set[tuple[str, int]] = set()
        self._next_module = 0
        self._spent_ns = 0
        self._began_ns = time.monotonic_ns()

    def forked(self) -> None:
        """In a child: another thread may have held the lock, and the files are the parent's."""
        self.lock = threading.RLock()
        for _, known in self._optimizers.values():
            known.parameters.clear()
            known.steps = 0
        self._begin()

    def step_aside(self, error: Exception) -> None:
        """End the recording, for good."""
        self.off = True
        try:
            self._output.define(note=f"{type(error).__name__}: {error}")
            self._output.flush()
        except Exception:  # the note is lost as well
            return

    # -- hooks ---------------------------------------------------------------------------------------------------------

    @_aside
    def on_parameter(self, module: torch.nn.Module, name: str, tensor: Any) -> None:
        """A module gets a parameter."""
        self._sight_of(module, name, tensor, "parameter")
        self._output.flush_some()

    @_aside
    def on_buffer(self, module: torch.nn.Module, name: str, tensor: Any) -> None:
        """A module gets a buffer."""
        self._sight_of(module, name, tensor, "buffer")
        self._output.flush_some()

    @_aside
    def on_module(self, module: torch.nn.Module, name: str, child: Any) -> None:
        """A module gets a child."""
        if isinstance(child, torch.nn.Module):
            self._edge(module, name, child)
            self._output.flush_some()

    @_aside
    def before_step(self, optimizer: Any, _args: object, _kwargs: object) -> None:
        """Gradients are there, and will be gone after the step."""
        known = self._known(optimizer)
        known.steps += 1
        began = time.monotonic_ns()
        if known.steps & (known.steps - 1) == 0:
            self._scan(optimizer, known, sys._getframe())
            self._output.flush()
        elif self._spent_ns * _SHARE_OF_TIME <= began - self._began_ns:
            self._sight_gradients(optimizer, known)
            self._output.flush_some()
            self._spent_ns += time.monotonic_ns() - began

    @_aside
    def after_step(self, optimizer: Any, _args: object, _kwargs: object) -> None:
        """The optimizer's own state is there."""
        known = self._known(optimizer)
        if known.steps & (known.steps - 1) == 0:
            self._sight_state(optimizer, known)
            self._output.flush()

    @_aside
    def at_exit(self) -> None:
        """What is alive at the end; inference has no steps."""
        main = sys.modules.get("__main__")
        variables: dict[str, object] = vars(main) if main is not None else {}
        self._adopt(variables)
        self._scan_modules()
        names: dict[int, str] = {}
        roots = self._roots()
        note_variables(roots, variables, names)
        self._note_roots(roots, names)
        self._output.flush()

    # -- modules -------------------------------------------------------------------------------------------------------

    def _number(self, module: torch.nn.Module) -> int:
        """The module's number; it is defined by its first use."""
        key = id(module)
        known = self._modules.get(key)
        if known is None or known() is not module:
            self._modules[key] = weakref.ref(module, partial(self._forget, self._modules, key))
            self._module_numbers.pop(key, None)
        number = self._module_numbers.get(key)
        if number is None:
            number = self._module_numbers[key] = self._next_module
            self._next_module += 1
            self._output.define(module=number, **{"class": type(module).__name__})
        return number

    @staticmethod
    def _forget(table: dict[int, Any], key: int, gone: object) -> None:
        known = table.get(key)
        if known is gone or (isinstance(known, tuple) and known[0] is gone):
            del table[key]

    def _edge(self, parent: torch.nn.Module, name: str, child: torch.nn.Module) -> None:
        edge = self._number(parent), self._number(child), name
        if edge not in self._edges:
            self._edges.add(edge)
            self._output.define(parent=edge[0], child=edge[1], name=name)

    def _live(self) -> Iterator[torch.nn.Module]:
        for reference in list(self._modules.values()):
            module = reference()
            if module is not None:
                yield module

    def _adopt(self, variables: Mapping[str, object], _prefix: str = "") -> None:
        """Get to know modules that no hook told of: copies, and what was unpickled."""
        for value in list(variables.values()):
            if isinstance(value, torch.nn.Module) and id(value) not in self._modules:
                self._number(value)

    def _scan_modules(self) -> None:
        """Every live module, as it is now: `.to()`, `.data = ` and their like tell no hook."""
        waiting = list(self._live())
        seen = {id(module) for module in waiting}
        for module in waiting:  # which grows, by what no hook told of
            for name, child in _entries(module, "_modules"):
                self._edge(module, name, child)
                if id(child) not in seen:
                    seen.add(id(child))
                    waiting.append(child)
            for name, tensor in _entries(module, "_parameters"):
                self._sight_of(module, name, tensor, "parameter")
            for name, tensor in _entries(module, "_buffers"):
                self._sight_of(module, name, tensor, "buffer")

    def _roots(self) -> dict[int, object]:
        """Live modules that are no other's child, by id."""
        children = {id(child) for module in self._live() for _, child in _entries(module, "_modules")}
        return {id(module): module for module in self._live() if id(module) not in children}

    def _note_roots(self, roots: dict[int, object], names: dict[int, str]) -> None:
        for key, name in names.items():
            module = roots[key]
            if isinstance(module, torch.nn.Module):
                number = self._number(module)
                if (name, number) not in self._variables:
                    self._variables.add((name, number))
                    self._output.define(module=number, variable=name)

    # -- tensors -------------------------------------------------------------------------------------------------------

    def _tensor(self, owner: dict[str, object], name: str, role: str, tensor: torch.Tensor) -> int:
        """The number of a named tensor of this shape; it is defined by its first use."""
        shape, dtype = list(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        # A sparse gradient has another shape at each step: it stays the tensor that it was first.
        identity = (*owner.items(), name, dtype) if role == "gradient" else (*owner.items(), name, dtype, *shape)
        number = self._tensor_numbers.get(identity)
        if number is None:
            number = self._tensor_numbers[identity] = len(self._tensor_numbers)
            self._output.define(tensor=number, **owner, name=name, role=role, shape=shape, dtype=dtype)
        return number

    def _sight(self, owner: dict[str, object], name: str, role: str, tensor: Any) -> int | None:
        """Write down where a tensor is now; the number of its first part."""
        first = None
        for found in ranges(tensor):
            number = self._sight_range(owner, f"{name}.{found.part}" if found.part else name, role, found)
            first = number if first is None else first
        return first

    def _sight_range(self, owner: dict[str, object], name: str, role: str, found: Range) -> int:
        number = self._tensor(owner, name, role, found.tensor)
        self._output.sight(number, found.address, found.size_bytes, time.monotonic_ns())
        return number

    def _sight_of(self, module: torch.nn.Module, name: str, tensor: Any, role: str) -> int | None:
        return self._sight({"owner": self._number(module)}, name, role, tensor)

    # -- optimizers ----------------------------------------------------------------------------------------------------

    def _known(self, optimizer: Any) -> _Optimizer:
        key = id(optimizer)
        entry = self._optimizers.get(key)
        if entry is None or entry[0]() is not optimizer:
            entry = self._optimizers[key] = weakref.ref(optimizer, partial(self._forget, self._optimizers, key)), _Optimizer()
        return entry[1]

    def _scan(self, optimizer: Any, known: _Optimizer, frame: FrameType) -> None:
        """Everything that has a name: all modules, and this optimizer's parameters and gradients."""
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        self._scan_modules()
        owned = self._owners()
        if any(id(one) not in owned for one in parameters):
            visit_variables(frame, self._adopt)
            self._scan_modules()
            owned = self._owners()
        wanted: dict[int, object] = {**self._roots(), **{id(one): one for one in parameters if id(one) not in owned}}
        names = holders(wanted, frame)
        self._note_roots(wanted, names)
        known.parameters.clear()
        for place, one in enumerate(parameters):
            if id(one) in owned:
                module, name = owned[id(one)]
                number = self._sight_of(module, name, one, "parameter")
            else:
                name = names.get(id(one)) or f"{type(optimizer).__name__}.parameters.{place}"
                number = self._sight({"owner": None}, name, "parameter", one)
            if number is not None:
                known.parameters[id(one)] = _Parameter(one, number)
        self._sight_gradients(optimizer, known, small=True)

    def _owners(self) -> dict[int, tuple[torch.nn.Module, str]]:
        """By id of a parameter: the module that has it, the first if several have, and its name there."""
        owners: dict[int, tuple[torch.nn.Module, str]] = {}
        for module in self._live():
            for name, one in _entries(module, "_parameters"):
                owners.setdefault(id(one), (module, name))
        return owners

    def _sight_gradients(self, optimizer: Any, known: _Optimizer, small: bool = False) -> None:
        now = time.monotonic_ns()
        for group in optimizer.param_groups:
            for one in group["params"]:
                entry = known.parameters.get(id(one))
                held = entry.reference() if entry is not None else None
                gradient = held.grad if held is one and held is not None else None
                if entry is None or gradient is None:
                    continue
                if gradient.layout is not torch.strided or entry.gradient is None:
                    number = self._sight({"of": entry.number}, "grad", "gradient", gradient)
                    entry.gradient = number if gradient.layout is torch.strided else None
                elif small or gradient.nbytes >= self._threshold_bytes:
                    self._output.sight(entry.gradient, gradient.data_ptr(), gradient.nbytes, now)

    def _sight_state(self, optimizer: Any, known: _Optimizer) -> None:
        for one, state in optimizer.state.items():
            entry = known.parameters.get(id(one))
            if entry is None or not isinstance(state, dict):
                continue
            for name, value in state.items():
                parts = enumerate(value) if isinstance(value, (list, tuple)) else [("", value)]
                for place, part in parts:
                    self._sight({"of": entry.number}, f"{name}.{place}" if place != "" else str(name), "optimizer", part)


def _entries(module: torch.nn.Module, table: str) -> list[tuple[str, Any]]:
    """What a module has of children, parameters or buffers by name; nothing of a scripted module, which keeps them elsewhere."""
    entries = module.__dict__.get(table)
    return [entry for entry in entries.items() if entry[1] is not None] if isinstance(entries, dict) else []


def start(folder: str) -> None:
    """Record this process, and those that it forks, into a raw folder."""
    threshold = int(os.environ.get("TIERPROF_THRESHOLD", _DEFAULT_THRESHOLD_BYTES))
    most = int(os.environ.get("TIERPROF_MAX_BYTES", _DEFAULT_MAX_BYTES)) // _SHARE_OF_TRACE
    recorder = Recorder(folder, threshold, most)
    torch_module.register_module_parameter_registration_hook(recorder.on_parameter)
    torch_module.register_module_buffer_registration_hook(recorder.on_buffer)
    torch_module.register_module_module_registration_hook(recorder.on_module)
    torch_optimizer.register_optimizer_step_pre_hook(recorder.before_step)
    torch_optimizer.register_optimizer_step_post_hook(recorder.after_step)
    os.register_at_fork(after_in_child=recorder.forked)
    atexit.register(recorder.at_exit)
