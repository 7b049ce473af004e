"""Where an exact run's accesses fell in large allocations: the engine's counts by granule as tables, and as heat by block."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tierprof.base.schema import EXACT_HEAT
from tierprof.profiler.exact.profile import parse_config
from tierprof.profiler.exact.tables import Process, object_rows
from tierprof.profiler.heat import in_blocks
from tierprof.profiler.image import PAGE_BYTES
from tierprof.profiler.overlay import overlay

_LANE = ["site", "size_bytes", "lane"]
_COUNTS = ["reads", "writes", "misses"]


def granule_table(processes: Sequence[Process], allocations: pd.DataFrame) -> pd.DataFrame:
    """The counts of all processes, as `tierprof.base.schema.EXACT_HEAT` describes them.

    Parameters
    ----------
    processes
        At least one.
    allocations
        The trace's table. Counts of allocations that it lacks are left out.
    """
    parts = [_granules(process) for process in processes]
    counted = pd.concat(parts, ignore_index=True).groupby([*_LANE, "granule_bytes", "granule"], as_index=False)[_COUNTS].sum()
    least = min(parse_config(process.file.config_text).get("heat_bytes", 0) for process in processes)
    over = overlay(allocations, least)
    over["site"] = allocations["site"].to_numpy(np.int64)[over.index]
    lanes = over.drop_duplicates(_LANE).rename(columns={"first": "allocation"})
    return counted.merge(lanes[[*_LANE, "allocation"]], on=_LANE).sort_values(["allocation", "granule"])[EXACT_HEAT.names]


def _granules(process: Process) -> pd.DataFrame:
    """The counts of one process, weighted; those of each lane in granules of the size that is the lane's."""
    file = process.file
    many = file.heat["n_granules"].astype(np.int64)
    weight = np.repeat(file.heat["weight"], many)
    site = object_rows(file.heat["object"], process).astype(np.int64)
    return pd.DataFrame(
        {
            "site": np.repeat(site, many),
            "size_bytes": np.repeat(file.heat["bytes"].astype(np.int64), many),
            "lane": np.repeat(file.heat["lane"].astype(np.int64), many),
            "granule_bytes": np.repeat(file.heat["granule_bytes"].astype(np.int64), many),
            "granule": file.granules["granule"].astype(np.int64),
            **{name: file.granules[name] * weight for name in _COUNTS},
        }
    )


def exact_heat(granules: pd.DataFrame, allocations: pd.DataFrame) -> pd.DataFrame:
    """Heat by block, of counts by granule; columns of `tierprof.base.schema.HEAT`.

    Parameters
    ----------
    granules
        From `granule_table`.
    allocations
        The trace's table.
    """
    pages = pd.DataFrame(
        {
            "first": granules["allocation"].to_numpy(np.int64),
            "page": (granules["granule"] * granules["granule_bytes"]).to_numpy(np.int64) // PAGE_BYTES,
            "samples": granules["reads"] + granules["writes"],
            "stall_s": np.nan,
            "writes": granules["writes"],
            "misses": granules["misses"],
        }
    )
    sums = pages.groupby(["first", "page"], as_index=False).sum(min_count=1)
    return in_blocks(sums, allocations, about_counted(granules, allocations))


def about_counted(granules: pd.DataFrame, allocations: pd.DataFrame) -> pd.DataFrame:
    """What `tierprof.profiler.heat.Placed.about` tells of samples; counts have all their places."""
    about = granules.groupby("allocation")[["granule_bytes"]].max().rename_axis("first")
    sizes = allocations["size_bytes"].to_numpy(np.int64)[about.index]
    over = overlay(allocations, int(sizes.min(initial=0))).drop_duplicates("first").set_index("first")
    return about.join(over[["size_bytes", "allocations"]]).assign(located_share=1.0)
