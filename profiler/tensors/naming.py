"""Allocations and sites get the names of the tensors that they held."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tierprof.profiler.classify import find_allocations
from tierprof.profiler.sites import Heap
from tierprof.profiler.tensors.files import SIGHTING, TensorDefinition, TensorFile, read_files
from tierprof.profiler.tensors.tree import common_name, owner_class, tensor_names

# An allocation is the tensors' if they fill more than this of it; a site, if more of its bytes is theirs.
_MOST = 0.5


class Named(NamedTuple):
    """The trace's tables with what tensors tell."""

    tensors: pd.DataFrame  # `tierprof.base.schema.TENSORS`; without rows where nothing was named
    allocations: pd.DataFrame
    sites: pd.DataFrame
    notes: list[str]  # where a recorder stepped aside
    damage: list[str]  # what could not be read


def name_allocations(raw: Path, heap: Heap, start_ns: int, allocations: pd.DataFrame, sites: pd.DataFrame) -> Named:
    """Join what the processes told about their tensors with their allocations.

    Parameters
    ----------
    raw
        The raw folder.
    heap
        What was allocated, in the clock of the recording.
    start_ns
        Start of the run in that clock.
    allocations, sites
        The trace's tables; rows of `allocations` are those of `heap.allocations`.

    Returns
    -------
    Named
        Allocations with a column `name`, None where no tensor filled most of it; sites with the tensors' name where those hold most of
        the site's bytes.
    """
    files = read_files(raw)
    seen = _sightings(files)
    if len(seen) == 0:
        tensors, named = pd.DataFrame(), allocations.assign(name=None)
    else:
        columns = (seen[name].to_numpy() for name in ("pid", "address", "time_ns"))
        seen["allocation"] = find_allocations(heap.allocations, *columns)
        tensors = _tensors_table(seen, files, start_ns)
        named = allocations.assign(name=pd.Series(_allocation_names(tensors, allocations), allocations.index, object))
        sites = _with_site_names(sites, named, set(heap.pools))
    return Named(tensors, named, sites, [text for file in files for text in file.notes], [text for file in files for text in file.damage])


def _sightings(files: list[TensorFile]) -> pd.DataFrame:
    """All sightings of tensors that were defined; `file` is a row of `files`."""
    tables = []
    columns = [name for name in SIGHTING.fields or () if name != "pad"]
    for number, file in enumerate(files):
        known = file.sightings[np.isin(file.sightings["tensor"], np.fromiter(file.tensors, np.uint32, len(file.tensors)))]
        table = pd.DataFrame({name: known[name] for name in columns})
        tables.append(table.assign(file=number, pid=np.int64(file.pid), time_ns=known["time_ns"].astype(np.int64)))
    return pd.concat(tables, ignore_index=True).sort_values("time_ns", kind="stable", ignore_index=True) if tables else pd.DataFrame()


def _tensors_table(seen: pd.DataFrame, files: list[TensorFile], start_ns: int) -> pd.DataFrame:
    """One row for each tensor in each place; what was seen there again adds nothing."""
    first = seen.drop_duplicates(["file", "tensor", "allocation", "address", "bytes"])
    described = pd.DataFrame(
        [
            {"file": number, "tensor": tensor, "name": name, **_described(file, file.tensors[tensor])}
            for number, file in enumerate(files)
            for tensor, name in tensor_names(file).items()
        ]
    )
    table = first.merge(described, on=["file", "tensor"], how="left", validate="many_to_one")
    return table.assign(time_ns=table["time_ns"] - start_ns, bytes=table["bytes"].astype(np.int64))


def _described(file: TensorFile, tensor: TensorDefinition) -> dict[str, Any]:
    return {"role": tensor.role, "module": owner_class(file, tensor), "shape": list(tensor.shape), "dtype": tensor.dtype}


def _allocation_names(tensors: pd.DataFrame, allocations: pd.DataFrame) -> np.ndarray:
    """The name of each allocation, None without."""
    # Of tensors that begin at one address the largest counts, among equals the first: tied weights, a parameter and its views.
    held = tensors[tensors["allocation"] >= 0].sort_values(["bytes", "tensor"], ascending=[False, True], kind="stable")
    held = held.drop_duplicates(["allocation", "address"])
    sizes = allocations["size_bytes"].to_numpy(np.float64)
    names = np.full(len(allocations), None, object)
    filled = held.groupby("allocation")["bytes"].sum()
    mine = held[held["allocation"].map(filled).to_numpy(np.float64) > _MOST * sizes[held["allocation"].to_numpy(np.int64)]]
    for row, name in _common_names(mine, "allocation").items():
        names[row] = name
    return _with_copies(names, allocations)


def _common_names(rows: pd.DataFrame, key: str) -> "pd.Series[str]":
    """The name that the rows of each key have in common, without keys where they have none."""
    distinct = rows.drop_duplicates([key, "name"])
    alone = ~distinct.duplicated(key, keep=False)
    single = distinct[alone].set_index(key)["name"]
    several = distinct[~alone].groupby(key)["name"].agg(common_name)
    return pd.concat([single, several.dropna()]) if len(several) else single


def _with_copies(names: np.ndarray, allocations: pd.DataFrame) -> np.ndarray:
    """What a forked child inherited, and what is left of an allocation after a move, is called as the allocation itself is."""
    table = allocations[["site", "address", "size_bytes"]].assign(name=names, row=np.arange(len(names)))
    copies = table[table["name"].isna() & (allocations["inherited"] | (allocations["weight"] == 0)).to_numpy(bool)]
    where = ["site", "address", "size_bytes"]
    originals = table[table["name"].notna()].drop_duplicates(where, keep="last")
    found = copies.drop(columns="name").merge(originals[[*where, "name"]], on=where)
    names[found["row"].to_numpy(np.int64)] = found["name"].to_numpy(object)
    return names


def _with_site_names(sites: pd.DataFrame, allocations: pd.DataFrame, pools: set[Hashable]) -> pd.DataFrame:
    """The sites, called as their tensors where those hold most of their bytes; an allocator's pool stays what it is."""
    own = allocations[~allocations["inherited"].to_numpy(bool)]
    stands_for = np.where(own["kind"] == "small", own["weight"], 1.0)
    own = own[["site", "name"]].assign(bytes=own["size_bytes"].to_numpy(np.float64) * stands_for)
    total = own.groupby("site")["bytes"].sum()
    theirs = own[own["name"].notna()]
    share = theirs.groupby("site")["bytes"].sum() / total
    most = set(share[share > _MOST].index) - pools
    common = _common_names(theirs[theirs["site"].isin(most)], "site")
    return sites.assign(name=sites["site"].map(common.astype(object)).where(sites["site"].isin(common.index), sites["name"]))
