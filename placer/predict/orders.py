"""What fills the DRAM when nobody plans: the simple orders that a plan has to beat."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.placer.pack import pack_in_order
from tierprof.placer.predict.first_touch import first_touch_shares
from tierprof.placer.predict.movable import Movable
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

#: Lines that a miss counter of the last-level cache counts: what loads, stores and prefetchers fetched from memory.
MISS_COLUMNS = ("near_loads", "mid_loads", "far_loads", "rfo_lines", "prefetched_lines")


def llc_misses(profile: ExactProfile) -> NDArray[np.float64]:
    """(n,) lines of each of `profile.object_ids` that were fetched from memory, each slice counted for what it stands for."""
    weight = profile.threads.drop_duplicates("slice").set_index("slice")["weight"]
    objects = profile.objects
    lines = objects[list(MISS_COLUMNS)].sum(axis=1) * objects["slice"].map(weight).to_numpy(dtype=np.float64)
    return lines.groupby(objects["object"]).sum().reindex(profile.object_ids).fillna(0.0).to_numpy(dtype=np.float64)


def densest_first(movable: Movable, counts: NDArray[np.float64], budgets_bytes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fast shares (budgets, m), whole objects, most counts (m,) per byte first; what no longer fits is passed over.

    By density, as the profit of ecoHMEM (Jorda et al. 2022) is: by plain counts the largest array would shut out all others.
    """
    density = counts / np.maximum(movable.own_peak_bytes, 1)
    return np.stack([pack_in_order(density, movable.live_bytes, int(budget)) for budget in budgets_bytes]).astype(np.float64)


def first_touch(trace: Trace, movable: Movable, budgets_bytes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fast shares (budgets, m) under first touch; objects whose allocations a stripped trace does not hold come first, and stay."""
    allocations = trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
    absent = ~np.isin(movable.sites, allocations["site"])
    return first_touch_shares(pd.concat([_from_the_start(movable, absent), allocations]), movable.sites, budgets_bytes)


def _from_the_start(movable: Movable, which: NDArray[np.bool_]) -> pd.DataFrame:
    sizes = movable.own_peak_bytes[which].astype(np.float64)
    frame = pd.DataFrame({"site": movable.sites[which], "size_bytes": sizes, "birth_ns": 0, "weight": 1.0, "inherited": False})
    return frame.assign(death_ns=pd.array([pd.NA] * len(frame), dtype="Int64"))
