"""The rows of tables: what share of them takes the accesses, and how much of that a split by page catches as the rows lie."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import TierprofError, TraceError
from tierprof.profiler.curve import Curve, counted_curve, sampled_curve, with_neighbours
from tierprof.profiler.exact.heat import about_counted
from tierprof.profiler.heat import SAMPLE_COLUMNS, block_shifts, place_samples
from tierprof.profiler.image import PAGE_BYTES
from tierprof.profiler.overlay import overlay
from tierprof.profiler.trace import Trace

#: Bytes of one element, by the end of the name that torch and NumPy have for its type.
_ITEM_BYTES = {
    "float64": 8, "double": 8, "int64": 8, "long": 8, "uint64": 8, "complex64": 8, "complex128": 16, "float32": 4, "float": 4, "int32": 4,
    "int": 4, "uint32": 4, "float16": 2, "half": 2, "bfloat16": 2, "int16": 2, "short": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "qint8": 1, "quint8": 1,
}  # fmt: skip


@dataclass(frozen=True)
class RowCurve:
    """How the accesses to a table spread over its rows, and over its pages as the rows lie.

    Attributes
    ----------
    allocation, site : int
        As in the table heat.
    key, name : str
        Of the site; the tensor's name where it has one.
    start, size_bytes : int
        The table within its allocation.
    samples : float
        With a known place in the table; accesses in an exact run.
    located_share : float
        Share of the samples of the allocation whose place is known.
    exact : bool
        Whether every access was counted.
    rows, row_bytes, rows_together : int
        `rows_together` rows cannot be told apart: 1, but for exact counts of very large tables. All 0 if the rows are not known.
    by_row : Curve or None
        Over rows (over `rows_together` each); None if the rows are not known.
    page_bytes : int
    by_page : Curve
        Over pages: the most that a split by page catches as the rows lie. Of samples, blocks of neighbouring pages help to tell it.
    """

    allocation: int
    site: int
    key: str
    name: str
    start: int
    size_bytes: int
    samples: float
    located_share: float
    exact: bool
    rows: int
    row_bytes: int
    rows_together: int
    by_row: Curve | None
    page_bytes: int
    by_page: Curve


class _Places(NamedTuple):
    """Accesses by place."""

    frame: pd.DataFrame  # first, offset, count; sorted by first
    about: pd.DataFrame  # index first: size_bytes, located_share, granule_bytes
    exact: bool


class _Table(NamedTuple):
    """A range of an allocation, in rows where `row_bytes` is not 0."""

    first: int
    start: int
    size_bytes: int
    row_bytes: int
    name: str  # empty: its site's


def row_curves(trace: Trace, sites: Collection[int] | None = None, row_bytes: int | None = None) -> list[RowCurve]:
    """The curves of all tables and other large allocations that have accesses, most first.

    Parameters
    ----------
    trace
        Sampled or exact.
    sites
        Rows of sites; None: all.
    row_bytes
        Bytes of a row of what no tensor of the trace describes; without it only its pages are told.

    Raises
    ------
    TierprofError
        If `row_bytes` is not positive.
    """
    if row_bytes is not None and row_bytes <= 0:
        raise TierprofError("the rows cannot be told apart", f"rows of {row_bytes} bytes", "give the bytes of a row: --row-bytes 256")
    allocations = trace.frame("allocations")
    places = _places(trace, allocations)
    known = trace.frame("sites", ["site", "key", "name"]).set_index("site")
    site_of = allocations["site"].to_numpy(np.int64)
    wanted = [first for first in places.about.index.tolist() if sites is None or int(site_of[first]) in sites]
    curves = []
    for table in _tables(trace, allocations, places.about, row_bytes):
        if table.first not in wanted:
            continue
        site = int(site_of[table.first])
        found = _curve(table, places, site, str(known["key"][site]), table.name or str(known["name"][site]))
        curves += [found] if found is not None else []
    return sorted(curves, key=lambda curve: -curve.samples)


def row_curve(trace: Trace, site: int, row_bytes: int | None = None) -> RowCurve:
    """The curve of the site's table with the most accesses; parameters as of `row_curves`.

    Raises
    ------
    TraceError
        If nothing of the site was large enough, or none of its accesses has a known place.
    """
    curves = row_curves(trace, [site], row_bytes)
    if not curves:
        raise TraceError(
            f"site {site} has no heat by row", "nothing of it is known by place", "record more samples: --rate, or --source exact"
        )
    return curves[0]


def _places(trace: Trace, allocations: pd.DataFrame) -> _Places:
    if trace.has("exact_heat"):
        granules = trace.frame("exact_heat")
        offset = granules["granule"].to_numpy(np.int64) * granules["granule_bytes"].to_numpy(np.int64)
        count = (granules["reads"] + granules["writes"]).to_numpy(np.float64)
        frame = pd.DataFrame({"first": granules["allocation"].to_numpy(np.int64), "offset": offset, "count": count})
        return _Places(frame.sort_values("first", kind="stable"), about_counted(granules, allocations), True)
    placed = place_samples(allocations, trace.frame("samples", list(SAMPLE_COLUMNS)))
    frame = placed.frame.rename(columns={"samples": "count"})[["first", "offset", "count"]]
    return _Places(frame.sort_values("first", kind="stable"), placed.about, False)


def _tables(trace: Trace, allocations: pd.DataFrame, about: pd.DataFrame, row_bytes: int | None) -> list[_Table]:
    """What the trace's tensors say, and each allocation that they do not describe as a whole."""
    tensors = _tensors(trace, allocations, about)
    described = {table.first for table in tensors}
    rest = about[~about.index.isin(list(described))]["size_bytes"].astype(int)
    return tensors + [_Table(int(first), 0, size, row_bytes or 0, "") for first, size in rest.items()]


def _tensors(trace: Trace, allocations: pd.DataFrame, about: pd.DataFrame) -> list[_Table]:
    if not trace.has("tensors") or len(about) == 0:
        return []
    table = trace.frame("tensors")
    over = overlay(allocations, int(about["size_bytes"].min()))
    table = table[table["allocation"].isin(over.index)]
    own = over.loc[table["allocation"]]
    table = table.assign(first=own["first"].to_numpy(), start=table["address"].to_numpy(np.uint64) - own["start"].to_numpy(np.uint64))
    table = table[table["first"].isin(about.index)].drop_duplicates(["first", "start", "bytes"], keep="last")
    found = []
    for row in table.to_dict("records"):
        size, shape = int(row["bytes"]), [int(side) for side in row["shape"]]
        each = math.prod(shape[1:]) * _ITEM_BYTES.get(str(row["dtype"]).rpartition(".")[2], 0) if len(shape) > 1 else 0
        # A view, or a tensor that is not contiguous, has rows elsewhere than one after the other.
        found.append(_Table(int(row["first"]), int(row["start"]), size, each if each * shape[0] == size else 0, str(row["name"])))
    return found


def _curve(table: _Table, places: _Places, site: int, key: str, name: str) -> RowCurve | None:
    """None: no access to the table has a known place."""
    owner = places.frame["first"].to_numpy()
    mine = slice(*np.searchsorted(owner, [table.first, table.first + 1]))
    offset, count = (places.frame[column].to_numpy()[mine] for column in ("offset", "count"))
    about = places.about.loc[table.first]
    granule = int(about["granule_bytes"])
    inside = (offset + granule > table.start) & (offset < table.start + table.size_bytes)
    offset, count = offset[inside] - table.start, count[inside]
    if count.sum() == 0:
        return None
    make = counted_curve if places.exact else sampled_curve
    page = max(PAGE_BYTES, granule)
    # Pages are the memory's, so they begin where the allocation does, not the table.
    shift = table.start % page
    pages = -(-(table.size_bytes + shift) // page)
    by_page = make(_counts(offset + shift, count, granule, page, pages), pages)
    if not places.exact:
        by_page = with_neighbours(by_page, _by_block((offset + shift) // page, pages))
    by_row, together, rows = None, 0, 0
    if table.row_bytes > 0:
        rows, together = -(-table.size_bytes // table.row_bytes), -(-granule // table.row_bytes)
        groups = -(-rows // together)
        by_row = make(_counts(offset, count, granule, table.row_bytes * together, groups), groups)
    samples, located = float(count.sum()), float(about["located_share"])
    where = (table.first, site, key, name, table.start, table.size_bytes)
    return RowCurve(*where, samples, located, places.exact, rows, table.row_bytes, together, by_row, page, by_page)


def _by_block(page: NDArray[np.int64], pages: int) -> Curve:
    """The curve over blocks of pages, of the size that tells most; `page` of each sample."""
    number, count = np.unique(page, return_counts=True)
    nobody, size = np.zeros(len(number), np.int64), np.full(len(number), pages * PAGE_BYTES)
    shift = int(block_shifts(nobody, number, count.astype(np.float64), size, np.full(len(number), PAGE_BYTES))[0])
    return sampled_curve(np.unique(page >> shift, return_counts=True)[1], -(-pages >> shift))


def _counts(offset: NDArray[np.int64], count: NDArray[np.float64], granule: int, unit: int, units: int) -> NDArray[np.float64]:
    """Accesses of each unit of so many bytes that has any; those of a granule that lies in two units are shared out by its bytes."""
    first = np.maximum(offset, 0) // unit
    behind = np.clip(offset + granule - (first + 1) * unit, 0, granule) / granule
    after = np.minimum(first[behind > 0] + 1, units - 1)
    number, where = np.unique(np.concatenate((first, after)), return_inverse=True)
    shared = np.concatenate((count * (1 - behind), (count * behind)[behind > 0]))
    counts = np.bincount(where, shared, len(number)).astype(np.float64)
    return counts[counts > 0]
