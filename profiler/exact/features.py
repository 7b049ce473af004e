"""What exact counts say about each object, over the columns of `tierprof.profiler.features`, and beside them."""

import numpy as np
import pandas as pd

from tierprof.profiler.exact.tables import Frames

#: Columns that only traces of exact runs have; weighted, so that a run measured by intervals stands for the whole.
COLUMNS = ("loads", "stores", "l3_misses", "prefetched_lines", "writeback_lines")

# What only samples tell, or only a clock that the program itself ran by.
_NOT_KNOWN = ("lifetime_s", "live_share", "entropy", "stride_regularity", "burstiness")


def object_counts(tables: Frames) -> pd.DataFrame:
    """Counters of the whole run by object: `exact_objects` summed over slices and threads, times the slices' weights.

    Returns
    -------
    DataFrame
        Index object (pseudo objects below 0); all counters as float64, `l3_misses` (lines that demand loads and stores fetched from
        memory) and `threads`.
    """
    table = tables["exact_objects"]
    weights = tables["exact_threads"].drop_duplicates("slice").set_index("slice")["weight"]
    counters = table.columns.difference(["slice", "thread", "object"], sort=False)
    weighted = table[counters].mul(table["slice"].map(weights).fillna(1.0), axis=0)
    sums = weighted.groupby(table["object"]).sum()
    sums["l3_misses"] = sums[["near_loads", "mid_loads", "far_loads", "rfo_lines"]].sum(axis=1)
    sums["threads"] = table.groupby("object")["thread"].nunique()
    return sums


def with_exact_counts(objects: pd.DataFrame, tables: Frames) -> pd.DataFrame:
    """The objects of an exact run: accesses are counted, not sampled, and nothing is said in the engine's time.

    Parameters
    ----------
    objects
        What `compute_features` makes of the sites, the allocations and no samples.
    tables
        The run's exact tables.
    """
    counts = object_counts(tables).reindex(objects["site"]).reset_index(drop=True).fillna(0.0)
    accesses = counts["loads"] + counts["stores"]
    met = (accesses > 0).astype(float)
    known = {
        "accesses": accesses,
        "write_share": counts["stores"] / np.maximum(accesses, 1.0),
        "threads": counts["threads"].astype(np.int64),
        "exact_share": met,
        "confidence": met,
    }
    return objects.assign(**known, **dict.fromkeys(_NOT_KNOWN, np.nan), **{name: counts[name] for name in COLUMNS})
