"""Heat by block: how the samples of an object above a threshold lie in it; rows of a table are `tierprof.profiler.rows`'."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.schema import HEAT
from tierprof.profiler.image import PAGE_BYTES
from tierprof.profiler.overlay import overlay
from tierprof.profiler.trace import Trace

#: Smaller allocations have no histogram: there is nothing in them worth splitting.
LEAST_BYTES = 1 << 20

#: Blocks are of 4 KiB to 2 MiB, the pages of x86-64.
LEAST_BLOCK_BYTES = PAGE_BYTES
MOST_BLOCK_BYTES = 2 << 20

#: Of an allocation; only where blocks of `MOST_BLOCK_BYTES` are more, so many.
MOST_BLOCKS = 4096

#: What of the samples a histogram needs.
SAMPLE_COLUMNS = ("event", "address", "access", "confidence", "allocation", "weight_s")

_SIZES = tuple(LEAST_BLOCK_BYTES << step for step in range(MOST_BLOCK_BYTES.bit_length() - LEAST_BLOCK_BYTES.bit_length() + 1))
_SUMS = ("samples", "stall_s", "writes", "misses")


def heat_of(trace: Trace) -> pd.DataFrame:
    """The trace's heat by block, as `tierprof.base.schema.HEAT` describes it; without rows where nothing was large enough.

    A trace that was recorded before there was such a table has it made from its samples.
    """
    return (
        trace.frame("heat") if trace.has("heat") else sampled_heat(trace.frame("allocations"), trace.frame("samples", list(SAMPLE_COLUMNS)))
    )


def sampled_heat(allocations: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Heat by block, from samples.

    Parameters
    ----------
    allocations, samples
        The trace's tables. Samples without an exact address tell no block: `located_share` says what share the others are. Page faults
        are no heat.

    Returns
    -------
    DataFrame
        Columns of `tierprof.base.schema.HEAT`, sorted by allocation and block.
    """
    placed = place_samples(allocations, samples)
    pages = placed.frame
    pages["page"] = pages.pop("offset") // PAGE_BYTES
    sums = pages.groupby(["first", "page"], as_index=False).agg(
        samples=("samples", "sum"), stall_s=("stall_s", "sum"), writes=("writes", "sum")
    )
    sums["misses"] = np.nan
    return in_blocks(sums, allocations, placed.about)


class Placed(NamedTuple):
    """Samples by their place in what they fell on.

    Attributes
    ----------
    frame : DataFrame
        One row a sample with an exact address in an allocation above the threshold: first (row of the allocation that stands for those
        that lie on top of each other), offset (bytes, int64), samples (1.0), stall_s, writes.
    about : DataFrame
        Index first; columns size_bytes, allocations, located_share, granule_bytes (how finely places are known).
    """

    frame: pd.DataFrame
    about: pd.DataFrame


def place_samples(allocations: pd.DataFrame, samples: pd.DataFrame, least_bytes: int = LEAST_BYTES) -> Placed:
    """The samples by their place in the allocations of at least `least_bytes`; parameters as of `sampled_heat`."""
    over = overlay(allocations, least_bytes)
    first, start = np.full(len(allocations) + 1, -1, np.int64), np.zeros(len(allocations) + 1, np.uint64)
    first[over.index], start[over.index] = over["first"], over["start"]
    row = samples["allocation"].to_numpy(np.int64)  # -1, which is no object's, is the last
    heated = np.flatnonzero((first[row] >= 0) & (samples["event"] != "fault").to_numpy())
    exact = (samples["confidence"] == "exact").to_numpy()[heated]
    owner, of_owner = np.unique(first[row[heated]], return_inverse=True)
    about = over.drop_duplicates("first").set_index("first").loc[owner, ["size_bytes", "allocations"]]
    about["located_share"] = np.bincount(of_owner, exact, len(owner)) / np.maximum(np.bincount(of_owner, minlength=len(owner)), 1)
    about["granule_bytes"] = 1
    mine, row = samples.iloc[heated[exact]], row[heated[exact]]
    frame = pd.DataFrame(
        {
            "first": first[row],
            "offset": (mine["address"].to_numpy(np.uint64) - start[row]).astype(np.int64),
            "samples": np.ones(len(mine)),
            "stall_s": np.where(mine["event"] == "clock", mine["weight_s"], 0.0),
            "writes": mine["access"].isin(("store", "update")).to_numpy(np.float64),
        }
    )
    return Placed(frame, about)


def in_blocks(pages: pd.DataFrame, allocations: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """Counts by page as the table, each allocation in blocks of the size that suits it.

    Parameters
    ----------
    pages
        Columns first, page, samples, stall_s, writes, misses; one row a page that was touched.
    allocations
        The trace's table.
    about
        As in `Placed`.
    """
    pages = pages.sort_values(["first", "page"], ignore_index=True)
    size, granule = (about[name].reindex(pages["first"]).to_numpy(np.int64) for name in ("size_bytes", "granule_bytes"))
    least = np.maximum(granule, PAGE_BYTES)
    shift = block_shifts(pages["first"].to_numpy(), pages["page"].to_numpy(), pages["samples"].to_numpy(np.float64), size, least)
    table = pages.assign(block=pages["page"] >> shift, block_bytes=PAGE_BYTES << shift)
    table = table.groupby(["first", "block_bytes", "block"], as_index=False)[list(_SUMS)].sum(min_count=1)
    table["site"] = allocations["site"].to_numpy(np.int32)[table["first"]]
    table["allocations"] = about["allocations"].reindex(table["first"]).to_numpy(np.int64)
    table["located_share"] = about["located_share"].reindex(table["first"]).to_numpy(np.float64)
    return table.rename(columns={"first": "allocation"})[HEAT.names]


def block_shifts(
    owner: NDArray[np.int64], page: NDArray[np.int64], count: NDArray[np.float64], size: NDArray[np.int64], finest: NDArray[np.int64]
) -> NDArray[np.int64]:
    """log2(block / page) of each page's owner; the pages are sorted by owner and number, `size` and `finest` block are its in bytes.

    Of the sizes of which `MOST_BLOCKS` suffice, the one that tells most: the histogram with the least expected squared error, by
    leave-one-out cross-validation (Rudemo, Empirical choice of histograms and kernel density estimators, Scandinavian Journal of
    Statistics 9, 1982). With n samples, N_j of them in block j, and a block's share h of the object,

        J(h) = 2 / ((n - 1) h) - (n + 1) / (n^2 (n - 1) h) sum_j N_j^2.

    So heat that is even, and samples that are few, give large blocks; small hot places that were hit again and again give small ones.
    """
    if len(owner) == 0:
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.diff(owner, prepend=owner[0] - 1))
    total = np.add.reduceat(count, begins)
    whole, finest = size[begins].astype(np.float64), finest[begins]
    least = np.full(len(begins), np.inf)
    # Where nothing can be told, the largest that the object holds.
    best = np.searchsorted(_SIZES, np.clip(whole, PAGE_BYTES, None), side="right") - 1
    for step in reversed(range(len(_SIZES))):
        first = np.flatnonzero((np.diff(owner, prepend=owner[0] - 1) != 0) | (np.diff(page >> step, prepend=-1) != 0))
        squares = np.add.reduceat(np.add.reduceat(count, first) ** 2, np.searchsorted(first, begins))
        blocks = np.diff(np.append(np.searchsorted(first, begins), len(first)))
        share = np.minimum(_SIZES[step] / whole, 1.0)
        fewer = np.maximum(total - 1, 1e-9) * share
        error = np.where(total > 1, 2 / fewer - (total + 1) / (total**2 * fewer) * squares, np.inf)
        better = (error < least) & (blocks <= MOST_BLOCKS) & (_SIZES[step] <= whole) & (_SIZES[step] >= finest)
        least[better], best[better] = error[better], step
    return np.repeat(best, np.diff(np.append(begins, len(owner))))
