"""How a program's memory grows with batch size and layers, and where it leaves DRAM.

Parameters, their gradients, the optimizer's state and buffers do not know the batch; activations do: with mini-batches they grow with
the batch, on a full graph with layers x nodes x dimension. One run cannot tell what grows with what; from one trace, that is assumed and
said. From several runs of the program with other settings, the bytes of each role are fitted by least squares, linear in each setting
that differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.dataset import program_name
from tierprof.placer.guide.settings import batch_option, layers_option, settings
from tierprof.placer.guide.tensors import ACTIVATION, DATA, FIXED_ROLES, ROLES, layers_of, tensor_objects
from tierprof.placer.timeline import allocation_events
from tierprof.profiler.trace import Trace


@dataclass(frozen=True)
class Growth:
    """Bytes against settings, by role.

    Attributes
    ----------
    settings : tuple of str
        That differ among the runs.
    runs : int
        Traces that were fitted.
    constant : dict of str to float
        Bytes of each role at zero of every setting.
    slope : dict of str to tuple of float
        Bytes for each unit of each setting.
    worst : float
        Largest error of any role in any run, as a share of that run's bytes.
    """

    settings: tuple[str, ...]
    runs: int
    constant: dict[str, float]
    slope: dict[str, tuple[float, ...]]
    worst: float


@dataclass(frozen=True)
class Footprint:
    """A run's memory by role.

    Attributes
    ----------
    bytes : dict of str to int
        Of each role's objects at the moment at which all tensors together take most.
    other_bytes : int
        Of objects that are no tensors, at the same moment.
    layers : dict of int to int
        Bytes of the named tensors of each layer; empty where no name has a number.
    batch, depth : (str, float) or None
        The option of the command line that is the batch size, and the one that is the number of layers, with their values.
    dram_bytes : int
        What DRAM is taken to hold.
    dram_is : str
        Whose figure that is.
    growth : Growth or None
        From several runs.
    no_growth : str
        Why there is none.
    """

    bytes: dict[str, int]
    other_bytes: int
    layers: dict[int, int]
    batch: tuple[str, float] | None
    depth: tuple[str, float] | None
    dram_bytes: int
    dram_is: str
    growth: Growth | None
    no_growth: str

    @property
    def fixed_bytes(self) -> int:
        """Of what no batch changes."""
        return sum(self.bytes[role] for role in FIXED_ROLES)

    @property
    def room_bytes(self) -> int:
        """What DRAM leaves for activations."""
        return self.dram_bytes - self.fixed_bytes - self.bytes[DATA] - self.other_bytes

    def leaves_at(self, own: tuple[str, float] | None) -> float | None:
        """The value of a setting at which DRAM is full, if activations grow in proportion to it and nothing else grows; None: not known."""
        if own is None or self.bytes[ACTIVATION] <= 0 or self.room_bytes <= 0:
            return None
        return own[1] * self.room_bytes / self.bytes[ACTIVATION]

    def fitted_leaves_at(self, setting: str, own: Mapping[str, float]) -> float | None:
        """The value of a fitted setting at which DRAM is full, the others as in `own`; None if it does not grow with it."""
        if self.growth is None:
            return None
        at = self.growth.settings.index(setting)
        slope = sum(slopes[at] for slopes in self.growth.slope.values())
        rest = sum(self.growth.constant.values()) + sum(
            slopes[place] * own[name]
            for slopes in self.growth.slope.values()
            for place, name in enumerate(self.growth.settings)
            if place != at
        )
        return (self.dram_bytes - self.other_bytes - rest) / slope if slope > 0 else None


def footprint(trace: Trace, tensors: pd.DataFrame, dram_bytes: int | None, against: Sequence[Trace]) -> Footprint:
    """The memory of a run, and how it grows.

    Parameters
    ----------
    trace, tensors
        The run, and `tierprof.placer.guide.tensors.tensor_objects` of it.
    dram_bytes
        A plan's budget; None: the traced machine's memory.
    against
        Other runs; those of the same program are fitted with it.
    """
    own = settings(trace.meta)
    whole = int((trace.meta.get("machine") or {}).get("memory_bytes") or 0)
    batch, depth = batch_option(own), layers_option(own)
    by_role, other = _at_peak(trace, tensors)
    runs = [trace, *(other for other in against if program_name(other.meta) == program_name(trace.meta))]
    growth, no_growth = _growth(runs)
    return Footprint(
        bytes=by_role,
        other_bytes=other,
        layers=_layer_bytes(trace),
        batch=None if batch is None else (batch, own[batch]),
        depth=None if depth is None else (depth, own[depth]),
        dram_bytes=whole if dram_bytes is None else dram_bytes,
        dram_is="the traced machine's memory" if dram_bytes is None else "the plan's budget",
        growth=growth,
        no_growth=no_growth,
    )


def _at_peak(trace: Trace, tensors: pd.DataFrame) -> tuple[dict[str, int], int]:
    """Bytes by role, and of no tensor, at the moment of most tensor bytes."""
    role = dict(zip(tensors["site"], tensors["role"], strict=True))
    found = dict.fromkeys(ROLES, 0)
    events = allocation_events(trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"]))
    if events.empty:
        for own in tensors[["role", "peak_bytes"]].itertuples(index=False):
            found[own.role] += int(own.peak_bytes)
        return found, 0
    is_tensor = events["site"].isin(list(role)).to_numpy()
    change = events["bytes"].to_numpy()
    peak = int(np.cumsum(np.where(is_tensor, change, 0)).argmax()) + 1
    for name, size in pd.Series(change[:peak]).groupby(events["site"].to_numpy()[:peak]).sum().items():
        if name in role:
            found[role[name]] += int(size)
    return found, int(change[:peak][~is_tensor[:peak]].sum())


def _layer_bytes(trace: Trace) -> dict[int, int]:
    """Bytes of the named tensors of each layer: each name at its largest."""
    if not trace.has("tensors"):
        return {}
    table = trace.frame("tensors", ["name", "bytes"])
    largest = table.groupby("name")["bytes"].max().reset_index()
    layer = largest["name"].map(lambda name: next(iter(layers_of([name])), None))
    sums = largest[layer.notna()].groupby(layer[layer.notna()].astype(int))["bytes"].sum()
    return {int(own): int(size) for own, size in sums.items()}


def _growth(runs: Sequence[Trace]) -> tuple[Growth | None, str]:
    """A fit over runs of one program, or why there is none."""
    if len(runs) < 2:
        return None, "one run does not tell what grows with what: give traces of other batch sizes and layer counts with --against"
    known = [settings(run.meta) for run in runs]
    shared = set.intersection(*(set(own) for own in known))
    differing = tuple(sorted(name for name in shared if len({own[name] for own in known}) > 1))
    if not differing:
        return None, f"the command lines of the {len(runs)} runs do not differ in any number"
    matrix = np.array([[1.0, *(own[name] for name in differing)] for own in known])
    scaled = matrix / np.abs(matrix).max(axis=0)
    if np.linalg.matrix_rank(scaled) < matrix.shape[1]:
        what = ", ".join(f"--{name}" for name in differing)
        return None, f"{len(runs)} runs that differ in {what} do not tell these apart: {matrix.shape[1]} runs or more are needed"
    table = np.array([[_at_peak(run, tensor_objects(run))[0][role] for role in ROLES] for run in runs], dtype=np.float64)
    return _fit(differing, matrix, table), ""


def _fit(names: tuple[str, ...], matrix: NDArray[np.float64], table: NDArray[np.float64]) -> Growth:
    scale = np.abs(matrix).max(axis=0)
    factors, *_ = np.linalg.lstsq(matrix / scale, table, rcond=None)
    factors /= scale[:, None]
    error = np.abs(matrix @ factors - table) / np.maximum(table.sum(axis=1, keepdims=True), 1.0)
    return Growth(
        settings=names,
        runs=len(matrix),
        constant={role: float(factors[0, place]) for place, role in enumerate(ROLES)},
        slope={role: tuple(float(own) for own in factors[1:, place]) for place, role in enumerate(ROLES)},
        worst=float(error.max()),
    )
