"""Which objects of a trace are tensors, what role they have, and how wide their rows are.

An object is a tensor's if most of the bytes that its site handed out have a tensor's name (the table `tensors`), or if its memory came from
torch's own allocator (the innermost frame of its site is in libc10). What nobody named is an activation if its allocations come and go
within the run, else data: a graph, a batch that stays, a buffer that no module owns. NumPy's arrays, which torch shares, are data, too.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.placer.candidates import placeable
from tierprof.profiler.operations import operation_of
from tierprof.profiler.trace import Trace

PARAMETER, GRADIENT, OPTIMIZER, BUFFER, ACTIVATION, DATA = "parameter", "gradient", "optimizer", "buffer", "activation", "data"

#: Roles whose bytes a batch does not change.
FIXED_ROLES = (PARAMETER, GRADIENT, OPTIMIZER, BUFFER)
ROLES = (*FIXED_ROLES, ACTIVATION, DATA)

_STORAGE = re.compile(r"libc10[.\-_]")
_ARRAY = re.compile(r"_multiarray_umath[.\-_]")
_MOSTLY = 0.5  # of a site's bytes: then what they are called is what the object is
_PASSING = 0.25  # of the run: an allocation that lives longer belongs to no step

COLUMNS = (
    "site",
    "key",
    "name",
    "role",
    "peak_bytes",
    "stall_s",
    "stall_share",
    "samples",
    "tensors",
    "row_bytes",
    "row_align_bytes",
    "placeable",
    "operation",
)


class _Named(NamedTuple):
    """What the tensors of a site say of it."""

    bytes: float  # of the allocations that have a name
    role: str  # of most of them
    names: tuple[str, ...]
    row_bytes: float
    row_align_bytes: float


def has_tensors(trace: Trace) -> bool:
    """Whether anything in the trace is a tensor's: named ones, or memory of torch's allocator."""
    if trace.has("tensors") and trace.table("tensors", ["allocation"]).num_rows:
        return True
    return any(_is_from(_STORAGE, frames) for frames in trace.table("sites", ["frames"])["frames"].to_pylist())


def _is_from(module: re.Pattern[str], frames: Sequence[str] | None) -> bool:
    return frames is not None and len(frames) > 0 and module.match(frames[0]) is not None


def tensor_objects(trace: Trace) -> pd.DataFrame:
    """The tensors among a trace's objects.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row an object, in the order of the trace's objects. `tensors` is the sorted tuple of names; `row_bytes` the width of
        a row of its largest named tensor with more than one dimension, `row_align_bytes` the largest power of two up to 4096 that divides
        its address (both missing where nothing is named). `placeable` as `tierprof.placer.candidates` says, `operation` as `operation_of`.
    """
    objects = trace.objects()
    lives = _lives(trace)
    named = _named(trace, lives)
    sites = trace.frame("sites", ["site", "frames"])
    of_torch, of_numpy = (set(sites.loc[[_is_from(own, frames) for frames in sites["frames"]], "site"]) for own in (_STORAGE, _ARRAY))
    given = lives.groupby("site")["size_bytes"].sum()
    mostly = {site for site, own in named.items() if own.bytes >= _MOSTLY * float(given.get(site, math.inf))}
    passing = _passing(lives)
    own = objects[objects["site"].isin(of_torch | of_numpy | mostly)]
    # What has no page of its own matters only where it is waited for.
    own = own[placeable(own) | (own["stall_share"] > 0)].reset_index(drop=True)
    facts = [named[site] if site in mostly else None for site in own["site"]]
    unnamed = [ACTIVATION if passing.get(site, False) and site not in of_numpy else DATA for site in own["site"]]
    return own.assign(
        role=[fact.role if fact else other for fact, other in zip(facts, unnamed, strict=True)],
        tensors=[fact.names if fact else () for fact in facts],
        row_bytes=[fact.row_bytes if fact else math.nan for fact in facts],
        row_align_bytes=[fact.row_align_bytes if fact else math.nan for fact in facts],
        placeable=placeable(own).to_numpy(dtype=bool),
        operation=[operation_of(frames) for frames in sites.set_index("site")["frames"].reindex(own["site"])],
    )[list(COLUMNS)]


def _lives(trace: Trace) -> pd.DataFrame:
    """The run's own allocations, with their end: the run's where they have none."""
    table = trace.frame("allocations", ["allocation", "site", "size_bytes", "birth_ns", "death_ns", "inherited"])
    table = table[~table["inherited"].to_numpy(dtype=bool)]
    death_ns = table["death_ns"].to_numpy(dtype=np.float64, na_value=np.nan)
    end_ns = np.nanmax(np.append(death_ns, table["birth_ns"].to_numpy(dtype=np.float64)), initial=0.0)
    end_ns = max(float(end_ns), float(trace.meta.get("duration_s") or 0.0) * 1e9)
    return table.assign(end_ns=np.where(np.isnan(death_ns), end_ns, death_ns), run_ns=max(end_ns, 1.0))


def _passing(lives: pd.DataFrame) -> pd.Series:
    """By site: whether it handed out memory more than once, and most of its bytes lived for less than a step's worth of the run."""
    brief = (lives["end_ns"] - lives["birth_ns"]) < _PASSING * lives["run_ns"]
    size = lives["size_bytes"].astype(np.float64)
    sums = pd.DataFrame({"all": size.groupby(lives["site"]).sum(), "brief": (size * brief).groupby(lives["site"]).sum()})
    return (sums["brief"] > _MOSTLY * sums["all"]) & (lives.groupby("site").size() > 1)


def _named(trace: Trace, lives: pd.DataFrame) -> dict[int, _Named]:
    """What the tensors of each site say of it."""
    if not trace.has("tensors"):
        return {}
    table = trace.frame("tensors")
    table = table[table["allocation"] >= 0].drop_duplicates(["allocation", "name", "address"])
    table = table.merge(lives[["allocation", "site", "size_bytes"]], on="allocation")
    held = table.drop_duplicates("allocation").groupby("site")["size_bytes"].sum()
    roles = table.groupby(["site", "role"])["bytes"].sum().reset_index().sort_values(["bytes", "role"], ascending=[False, True])
    role = roles.drop_duplicates("site").set_index("site")["role"]
    return {
        int(site): _Named(float(held[site]), str(role[site]), tuple(sorted(set(own["name"]))), *_row_of(own))
        for site, own in table.groupby("site")
    }


def _row_of(tensors: pd.DataFrame) -> tuple[float, float]:
    """Width and alignment of the rows of the largest tensor that has rows."""
    for own in tensors.sort_values(["bytes", "name"], ascending=[False, True])[["shape", "bytes", "address"]].itertuples(index=False):
        if len(own.shape) > 1 and own.shape[0] > 0 and own.bytes % own.shape[0] == 0:
            width, address = int(own.bytes) // int(own.shape[0]), int(own.address)
            return float(width), float(min(address & -address, 4096) if address else 4096)
    return math.nan, math.nan


def layer_of(name: str) -> int | None:
    """The first whole number among a name's components: `model.layers.1.weight` is of layer 1."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)


def layers_of(names: Iterable[str]) -> set[int]:
    """The layers that these names are of."""
    return {layer for layer in map(layer_of, names) if layer is not None}
