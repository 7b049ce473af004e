"""Which of a trace's objects a plan can move, and the memory that they need moment by moment."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.placer.candidates import placeable
from tierprof.placer.pack import Demand, trace_demand
from tierprof.profiler.trace import Trace

UNSEEN = -1  # column of an object that needs memory but was never accessed where it matters


@dataclass(frozen=True)
class Movable:
    """Objects that have pages of their own; arrays of one entry an object."""

    sites: NDArray[np.int64]
    keys: NDArray[np.object_]
    names: NDArray[np.object_]
    column: NDArray[np.int64]  # place among the forecast's objects, or `UNSEEN`
    live_bytes: NDArray[np.int64]  # (moments, m) as in pack.Demand
    peak_bytes: int  # most bytes of all of them live at once
    forecast_objects: int  # n: how many objects the forecast knows

    def __len__(self) -> int:
        """How many objects, m."""
        return len(self.sites)

    @property
    def own_peak_bytes(self) -> NDArray[np.int64]:
        """(m,) most live bytes of each."""
        return self.live_bytes.max(axis=0, initial=0)

    def slow_share(self, fast_share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Plans (plans, n) for a forecast, from the shares (plans, m) that are in fast memory; all that cannot be moved stays there."""
        slow = np.zeros((len(fast_share), self.forecast_objects))
        known = self.column != UNSEEN
        slow[:, self.column[known]] = 1.0 - fast_share[:, known]
        return slow

    def needed_bytes(self, fast_share: NDArray[np.float64]) -> NDArray[np.int64]:
        """(plans,) most bytes live at once of the shares (plans, m)."""
        return np.ceil((self.live_bytes @ fast_share.T).max(axis=0, initial=0)).astype(np.int64)


def movable_objects(trace: Trace, objects: NDArray[np.int64]) -> Movable:
    """The trace's movable objects, in the order of its table, matched to those of a forecast (n,)."""
    table = trace.objects()
    table = table[placeable(table)]
    sites = table["site"].to_numpy(dtype=np.int64)
    demand = trace_demand(trace)
    rows, absent_bytes = _rows(demand, table)
    return Movable(
        sites,
        table["key"].to_numpy(dtype=object),
        table["name"].to_numpy(dtype=object),
        _columns(sites, objects),
        rows,
        # Windows of moments may say more than there ever was; the whole run's peak may count what cannot be moved.
        min(demand.peak_bytes + absent_bytes, int(rows.sum(axis=1).max(initial=0))),
        len(objects),
    )


def _columns(sites: NDArray[np.int64], objects: NDArray[np.int64]) -> NDArray[np.int64]:
    place = pd.Series(np.arange(len(objects)), index=objects)
    return place.reindex(sites).fillna(UNSEEN).to_numpy(dtype=np.int64)


def _rows(demand: Demand, table: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
    """Live bytes (moments, m) of the table's objects, and how many of them are of objects whose allocations the trace does not hold.

    These, of a trace that was stripped, take their own peak at every moment.
    """
    sites = table["site"].to_numpy(dtype=np.int64)
    absent = ~np.isin(sites, demand.sites)
    own_peaks = np.where(absent, table["peak_bytes"].to_numpy(dtype=np.int64), 0)
    return demand.columns(sites) + own_peaks, int(own_peaks.sum())
