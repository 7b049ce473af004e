"""What a program itself knows of its tensors, written for `--tensors FILE`: names, addresses and sizes to check a profiler's by."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tierprof.workloads.graph import WorkloadError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Array = TypeVar("Array")

# What `keep` was told, by name: (role, line, array). None until somebody asks for the facts: arrays live as long as without.
_kept: dict[str, tuple[str, str, Any]] | None = None


def start(path: Path | None) -> None:
    """Remember arrays from now on, if there is a file to write them to.

    Raises
    ------
    WorkloadError
        If the file cannot be written.
    """
    global _kept  # noqa: PLW0603
    _kept = None
    if path is not None:
        _write(path, "")
        _kept = {}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be written", error.strerror or str(error), "choose another place with --tensors") from error


def keep(name: str, array: Array, role: str = "array") -> Array:
    """Return the array; with `--tensors` remember it, too, and the caller's line. The latest of a name counts."""
    if _kept is not None:
        frame = sys._getframe(1)
        _kept[name] = (role, f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}", array)
    return array


def _fact(name: str, role: str, line: str | None, array: Any) -> dict[str, object]:
    if isinstance(array, np.ndarray):
        address, size = array.ctypes.data, array.nbytes
    else:
        address, size = array.data_ptr(), array.numel() * array.element_size()
    return {"name": name, "role": role, "address": address, "bytes": size, "line": line}


def _of_module(model: "nn.Module", optimizers: Sequence["Optimizer"]) -> Iterator[tuple[str, str, "Tensor"]]:
    """Parameters, gradients, buffers and optimizer state: name, role, tensor."""
    for name, parameter in model.named_parameters(prefix="model"):
        yield name, "parameter", parameter
        if parameter.grad is not None:
            parts = {"": parameter.grad} if not parameter.grad.is_sparse else _sparse_parts(parameter.grad)
            for part, tensor in parts.items():
                yield f"{name}.grad{part}", "gradient", tensor
        states = (state for optimizer in optimizers for state in optimizer.state.get(parameter, {}).items())
        for state, value in states:
            if hasattr(value, "data_ptr"):
                yield f"{name}.{state}", "optimizer", value
    for name, buffer in model.named_buffers(prefix="model"):
        yield name, "buffer", buffer


def _sparse_parts(gradient: "Tensor") -> dict[str, "Tensor"]:
    return {".indices": gradient._indices(), ".values": gradient._values()}


def write(path: Path | None, model: "nn.Module", *optimizers: "Optimizer") -> None:
    """Write one JSON object a line: name, role, address, bytes, and the line that made it where it is no module's.

    Parameters
    ----------
    path
        Where to; None for nowhere.
    model, optimizers
        Alive, and the gradients of the last step with them.

    Raises
    ------
    WorkloadError
        If the file cannot be written.
    """
    if path is None:
        return
    facts = [_fact(name, role, None, tensor) for name, role, tensor in _of_module(model, optimizers)]
    facts += [_fact(name, role, line, array) for name, (role, line, array) in (_kept or {}).items()]
    _write(path, "".join(json.dumps(fact) + "\n" for fact in facts))
