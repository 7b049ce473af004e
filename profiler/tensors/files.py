"""Reads the files that recorded processes left about their tensors; judges nothing. What is cut short is read as far as it goes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tierprof.profiler.tensors.output import SIGHTING as _PACKED
from tierprof.profiler.tensors.output import VERSION

SIGHTING = np.dtype([("time_ns", "<u8"), ("address", "<u8"), ("bytes", "<u8"), ("tensor", "<u4"), ("pad", "<u4")])
assert SIGHTING.itemsize == _PACKED.size


@dataclass(frozen=True)
class TensorDefinition:
    """A tensor that has a name: of a module, of another tensor, or of its own."""

    owner: int | None  # module
    of: int | None  # tensor: the parameter of a gradient
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str


@dataclass
class TensorFile:
    """What one process told."""

    pid: int
    modules: dict[int, str] = field(default_factory=dict)  # number -> class
    parents: dict[int, tuple[int, str]] = field(default_factory=dict)  # child -> (parent, name there), the first that it had
    variables: dict[int, str] = field(default_factory=dict)  # module -> the first variable that held it
    tensors: dict[int, TensorDefinition] = field(default_factory=dict)
    sightings: np.ndarray = field(default_factory=lambda: np.empty(0, SIGHTING))
    notes: list[str] = field(default_factory=list)  # where the recorder stepped aside
    damage: list[str] = field(default_factory=list)  # what could not be read


def read_files(raw: Path) -> list[TensorFile]:
    """All processes' files of a raw folder; none where torch was in none of them."""
    return [_read(path) for path in sorted(raw.glob("tensors.*.jsonl"))]


def _read(path: Path) -> TensorFile:
    result = TensorFile(int(path.name.split(".")[1]))
    lines = _lines(path, result)
    version = next(lines, {}).get("version")
    if version != VERSION:
        result.damage.append(f"{path.name} is of version {version}, and this tierprof reads version {VERSION}: no tensors' names")
        return result
    for line in lines:
        try:
            _add(result, line)
        except (KeyError, TypeError, ValueError):
            result.damage.append(f"{path.name} has a line that is no definition: {json.dumps(line)[:80]}")
    records = path.with_suffix(".bin")
    content = records.read_bytes() if records.exists() else b""
    result.sightings = np.frombuffer(content, SIGHTING, len(content) // SIGHTING.itemsize)
    return result


def _lines(path: Path, result: TensorFile) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                line = None
            if isinstance(line, dict):
                yield line
            else:
                result.damage.append(f"{path.name} is cut short or damaged")


def _add(result: TensorFile, line: dict[str, Any]) -> None:
    """A definition; what a later version may add is passed over."""
    if "tensor" in line:
        owner, of = line.get("owner"), line.get("of")
        shape = tuple(int(size) for size in line["shape"])
        result.tensors[int(line["tensor"])] = TensorDefinition(owner, of, str(line["name"]), str(line["role"]), shape, str(line["dtype"]))
    elif "class" in line:
        result.modules[int(line["module"])] = str(line["class"])
    elif "variable" in line:
        result.variables.setdefault(int(line["module"]), str(line["variable"]))
    elif "parent" in line:
        result.parents.setdefault(int(line["child"]), (int(line["parent"]), str(line["name"])))
    elif "note" in line:
        result.notes.append(str(line["note"]))
