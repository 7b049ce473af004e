"""Live bytes of each object over a run, thinned to as many moments as a plot has pixels; packing uses pack.py's exact rows instead."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOMENTS = 480


class Timeline(NamedTuple):
    """Live bytes of objects at some moments."""

    time_s: NDArray[np.float64]  # (moments,) rising
    sites: NDArray[np.int64]  # (n,)
    live_bytes: NDArray[np.int64]  # (n, moments)


def live_timeline(allocations: pd.DataFrame, duration_s: float, moments: int = MOMENTS) -> Timeline:
    """Live bytes by object, each interval of the run shown by the moment at which most bytes were live in it, so that no peak is lost.

    Parameters
    ----------
    allocations
        A trace's allocations; inherited rows are left out, small ones count for as many as they stand for.
    duration_s
        Length of the run.
    moments
        How many intervals.
    """
    events = allocation_events(allocations)
    edges_ns = np.linspace(0, max(duration_s * 1e9, 1.0), moments + 1)
    if events.empty:
        return Timeline(edges_ns[:-1] / 1e9, np.empty(0, np.int64), np.empty((0, moments), np.int64))
    total = events["bytes"].to_numpy().cumsum()
    interval = np.searchsorted(edges_ns, events["time_ns"].to_numpy(), side="right").clip(1, moments) - 1
    shown = _fullest_event(total, interval, moments)
    sites = np.unique(events["site"].to_numpy())
    live = np.zeros((len(sites), moments), dtype=np.int64)
    for row, (_, own) in enumerate(events.groupby("site", sort=True)):
        before = np.searchsorted(own["order"].to_numpy(), shown, side="right")
        live[row] = np.concatenate([[0], own["bytes"].to_numpy().cumsum()])[before]
    return Timeline(edges_ns[:-1] / 1e9, sites, live)


def _fullest_event(total: NDArray[np.int64], interval: NDArray[np.int64], moments: int) -> NDArray[np.int64]:
    """For each interval the event after which most bytes were live, be it the last one before the interval; -1: none had happened."""
    wanted = np.arange(moments)
    before = np.searchsorted(interval, wanted, side="left") - 1
    order = np.lexsort((total, interval))
    fullest = order[np.maximum(np.searchsorted(interval[order], wanted, side="right") - 1, 0)]
    carried = np.where(before >= 0, total[np.maximum(before, 0)], 0)
    inside = np.isin(wanted, interval) & (total[fullest] > carried)
    return np.where(inside, fullest, before)


def allocation_events(allocations: pd.DataFrame) -> pd.DataFrame:
    """Births and deaths in order of time: `site`, `bytes` (negative at death), `time_ns` and `order`, the row number.

    At one moment deaths come first, since the memory of the one may serve the other.
    """
    own = allocations[~allocations["inherited"].to_numpy(dtype=bool)]
    weight = own["weight"].to_numpy(dtype=np.float64)
    # What is left of an allocation that was cut or moved counts as none, and its bytes are there all the same.
    size = np.rint(own["size_bytes"].to_numpy(dtype=np.float64) * np.where(weight > 0, weight, 1.0)).astype(np.int64)
    site = own["site"].to_numpy(dtype=np.int64)
    dead = own["death_ns"].notna().to_numpy()
    death_ns = own["death_ns"].to_numpy(dtype=np.float64, na_value=0.0)[dead]
    time_ns = np.concatenate([death_ns, own["birth_ns"].to_numpy(dtype=np.float64)])
    sign = np.repeat([-1, 1], [int(dead.sum()), len(own)])
    order = np.lexsort((sign, time_ns))
    sites, sizes = np.concatenate([site[dead], site]), sign * np.concatenate([size[dead], size])
    return pd.DataFrame({"site": sites[order], "bytes": sizes[order], "time_ns": time_ns[order], "order": np.arange(len(order))})
