"""The table of recipes for a run: those of every sampled instruction, and as many of their neighbours as a time budget allows."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tierprof.base.schema import RECIPES
from tierprof.profiler.image import Image
from tierprof.profiler.recover.code import Stretch, stretches
from tierprof.profiler.recover.derive import HINT_RUNTIME, Recipe, derive
from tierprof.profiler.recover.normalise import Normaliser

# Instructions to each side of a sampled one that the next run may be interrupted at instead.
_NEIGHBOURS = 48
NEIGHBOUR_BUDGET_S = 2.0

_NUMBERS = {name: RECIPES.field(name).type.to_pandas_dtype() for name in Recipe._fields if name != "hint"}
# Libraries whose code runs in order to wait, or to hand out work: OpenMP's and Intel's runtimes. And the shim: its time is no object's.
_RUNTIME_LIBRARIES = ("libgomp.", "libgomp-", "libomp.", "libomp-", "libiomp", "libtbb.", "libtierprof.")


def is_runtime(path: str) -> bool:
    """Whether a module is a threading runtime, or the shim: time in it is none of the program's data, whatever it reads meanwhile."""
    return path.rsplit("/", 1)[-1].startswith(_RUNTIME_LIBRARIES)


def build_recipes(images: Mapping[str, Image], sampled: Mapping[str, np.ndarray], budget_s: float = NEIGHBOUR_BUDGET_S) -> pd.DataFrame:
    """Decode around sampled instructions.

    Parameters
    ----------
    images
        Path -> ELF file, for the modules that have one. Only x86-64 code is decoded.
    sampled
        Path -> distinct virtual addresses of sampled instructions, uint64.
    budget_s
        Time for the neighbours, in seconds; the sampled instructions themselves are always all decoded.

    Returns
    -------
    DataFrame
        Columns of `tierprof.base.schema.RECIPES`, sorted by path and offset, one row an instruction.
    """
    normaliser = Normaliser()
    found: dict[str, dict[int, Recipe]] = {}
    nearby: list[tuple[str, Stretch, list[int]]] = []
    for path, offsets in sampled.items():
        image = images.get(path)
        if image is None or not image.is_x86_64:
            continue
        recipes = found.setdefault(path, {})
        for stretch, members in stretches(image, np.unique(offsets), normaliser):
            for offset in members:
                recipes[offset] = derive(stretch, stretch.rows[offset])
            nearby.append((path, stretch, members))
    _add_neighbours(found, nearby, time.monotonic() + budget_s)
    return _table(images, found)


def _add_neighbours(found: dict[str, dict[int, Recipe]], nearby: list[tuple[str, Stretch, list[int]]], deadline: float) -> None:
    """Nearest first over all functions, so that a budget that ends early has served each of them alike."""
    for reach in (8, 16, _NEIGHBOURS):
        for path, stretch, members in nearby:
            recipes = found[path]
            for offset in members:
                row = stretch.rows[offset]
                for near in range(max(0, row - reach), min(len(stretch), row + reach + 1)):
                    if stretch.offsets[near] not in recipes:
                        recipes[stretch.offsets[near]] = derive(stretch, near)
                if time.monotonic() > deadline:
                    return


def _table(images: Mapping[str, Image], found: dict[str, dict[int, Recipe]]) -> pd.DataFrame:
    rows = []
    for path, recipes in sorted(found.items()):
        build_id = images[path].build_id.hex()
        runtime = is_runtime(path)
        for _, recipe in sorted(recipes.items()):
            rows.append((path, build_id, *(recipe._replace(hint=HINT_RUNTIME) if runtime else recipe)))
    table = pd.DataFrame(rows, columns=["path", "build_id", *Recipe._fields])
    return table.astype(_NUMBERS)[RECIPES.names]
