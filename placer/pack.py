"""Exact 0/1 packing: which objects go to fast memory so that their live bytes never exceed the budget and their value is greatest.

The live bytes of each object are a step function of time, from the trace's allocations. Their sum can only be largest where a birth is
followed by a death, so only those moments are constraints; of these, rows that another row dominates in every object are dropped. Both
steps are exact. With more than `MAX_WINDOWS` such moments, neighbouring ones are merged into a window that takes each object's maximum:
then the constraints are conservative (a packing that fits them fits at every moment, but one that fits may be refused).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import PlanError
from tierprof.base.units import format_bytes
from tierprof.placer.knapsack import Knapsack, fill
from tierprof.placer.timeline import allocation_events
from tierprof.profiler.trace import Trace

MAX_WINDOWS = 512
TIME_LIMIT_S = 20.0


class Demand(NamedTuple):
    """What fast memory the objects of a run need, moment by moment."""

    sites: NDArray[np.int64]  # (n,) site of each column
    live_bytes: NDArray[np.int64]  # (moments, n): non-dominated rows only
    peak_bytes: int  # most live bytes of all objects together
    exact: bool  # False: moments were merged into windows

    def columns(self, sites: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (moments, len(sites)) of these sites; zero for a site without allocations."""
        place = {int(site): column for column, site in enumerate(self.sites)}
        picked = np.zeros((len(self.live_bytes), len(sites)), dtype=np.int64)
        for column, site in enumerate(sites):
            if int(site) in place:
                picked[:, column] = self.live_bytes[:, place[int(site)]]
        return picked


class Packing(NamedTuple):
    """The objects chosen for fast memory."""

    chosen: NDArray[np.bool_]  # (n,)
    value: float
    peak_bytes: int  # most live bytes of the chosen ones together, by the given rows
    optimal: bool  # False: the solver's time ran out, and this is the best it had
    moments: tuple[int, ...] = ()  # of the given rows those that mattered


def live_demand(allocations: pd.DataFrame, *, max_windows: int = MAX_WINDOWS) -> Demand:
    """Live bytes by object from a trace's allocations table.

    A row that a forked child inherited is not counted again; a small allocation counts for as many as it stands for.
    """
    events = allocation_events(allocations)
    if events.empty:
        return Demand(np.empty(0, np.int64), np.zeros((1, 0), np.int64), 0, True)
    peaks_ns = _local_maxima(events)
    total = events["bytes"].to_numpy().cumsum()
    starts = np.unique(np.linspace(0, len(peaks_ns), min(len(peaks_ns), max_windows), endpoint=False).astype(np.int64))
    sites = np.unique(events["site"].to_numpy())
    rows = np.zeros((len(starts), len(sites)), dtype=np.int64)
    for column, (_, own) in enumerate(events.groupby("site", sort=True)):
        rows[:, column] = _window_maxima(own["order"].to_numpy(), own["bytes"].to_numpy().cumsum(), peaks_ns, starts)
    return Demand(sites, non_dominated(rows), int(total.max()), len(starts) == len(peaks_ns))


def _local_maxima(events: pd.DataFrame) -> NDArray[np.int64]:
    """Positions of births that a death or the end of the run follows."""
    birth = events["bytes"].to_numpy() > 0
    return np.flatnonzero(birth & ~np.append(birth[1:], False))


def _window_maxima(
    positions: NDArray[np.int64], live: NDArray[np.int64], peaks: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Maximum over each window's peaks of one object's live bytes; `live[j]` holds from `positions[j]` to the next position."""
    first_peak = np.searchsorted(peaks, positions, side="left")
    seen = first_peak < np.append(first_peak[1:], len(peaks))
    current = np.searchsorted(first_peak, starts, side="right") - 1
    maxima = np.where(current >= 0, live[np.maximum(current, 0)], 0)
    window = np.searchsorted(starts, first_peak[seen], side="right") - 1
    np.maximum.at(maxima, window, live[seen])
    return maxima


def non_dominated(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows (moments, n) that no other row equals or exceeds in every column."""
    rows = np.unique(rows, axis=0)
    rows = rows[np.argsort(-rows.sum(axis=1), kind="stable")]
    kept = np.empty_like(rows)
    count = 0
    for row in rows:
        if not (kept[:count] >= row).all(axis=1).any():
            kept[count] = row
            count += 1
    return kept[:count].copy()


def pack(values: NDArray[np.float64], live_bytes: NDArray[np.int64], budget_bytes: int, moments: Sequence[int] = ()) -> Packing:
    """Choose the objects of greatest total value whose live bytes fit the budget in every row.

    Parameters
    ----------
    values
        (n,) what an object in fast memory is worth; one worth nothing, or less, is not chosen.
    live_bytes
        (moments, n) as in `Demand`.
    budget_bytes
        Fast memory, in bytes.
    moments
        Rows that are known to matter, which saves time.

    Raises
    ------
    PlanError
        If the budget is negative.
    """
    return pack_budgets(values, live_bytes, [budget_bytes], moments=moments)[0]


def pack_budgets(
    values: NDArray[np.float64],
    live_bytes: NDArray[np.int64],
    budgets_bytes: Sequence[int],
    *,
    time_limit_s: float = TIME_LIMIT_S,
    gap: float = 0.0,
    moments: Sequence[int] = (),
) -> list[Packing]:
    """`pack` for several budgets, for less than the sum of its parts.

    Parameters
    ----------
    values, live_bytes
        As for `pack`.
    budgets_bytes
        In any order.
    time_limit_s
        For the solver, each budget.
    gap
        Share of the greatest value that a packing may miss and still count as optimal.
    moments
        As for `pack`.

    Raises
    ------
    PlanError
        If a budget is negative.
    """
    if min(budgets_bytes) < 0:
        raise PlanError("the objects cannot be packed", f"the budget is {format_bytes(min(budgets_bytes))}", "give a larger budget")
    worth = values > 0
    knapsack = Knapsack(values[worth], live_bytes[:, worth], moments)
    packings: list[Packing] = [Packing(np.zeros(0, dtype=bool), 0.0, 0, False)] * len(budgets_bytes)
    last: Packing | None = None
    for place in np.argsort(-np.array(budgets_bytes), kind="stable"):
        # What is the best for a budget is the best for any smaller one that it fits.
        if last is None or not last.optimal or last.peak_bytes > budgets_bytes[place]:
            chosen = np.zeros(len(values), dtype=bool)
            chosen[worth], optimal = knapsack.solve(int(budgets_bytes[place]), time_limit_s, gap)
            peak_bytes = int(live_bytes[:, chosen].sum(axis=1).max(initial=0))
            last = Packing(chosen, float(values[chosen].sum()), peak_bytes, optimal, knapsack.moments)
        packings[place] = last
    return packings


def pack_in_order(keys: NDArray[np.float64], live_bytes: NDArray[np.int64], budget_bytes: int) -> NDArray[np.bool_]:
    """Fill the budget greedily, greatest key first, passing over what no longer fits: (n,) chosen."""
    return fill(keys, live_bytes, budget_bytes)


def trace_demand(trace: Trace) -> Demand:
    """The demand of a traced run; of a trace without allocations, all objects at their peak at once, which is never too little."""
    allocations = trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
    if len(allocations):
        return live_demand(allocations)
    objects = trace.objects()
    peaks = objects["peak_bytes"].to_numpy(dtype=np.int64)
    return Demand(objects["site"].to_numpy(dtype=np.int64), peaks[None, :], int(peaks.sum()), False)


def peak_bytes(trace: Trace, demand: Demand) -> int:
    """Most bytes of all the run's objects live at once; a measured trace keeps the figure, for when its allocations are stripped."""
    return int(trace.meta.get("peak_bytes") or demand.peak_bytes)


class TracePacker:
    """Packs objects of traces under budgets given as shares of the run's peak; reads each trace once."""

    def __init__(self) -> None:
        self._demands: dict[str, Demand] = {}

    def __call__(
        self, trace: Trace, sites: NDArray[np.int64], scores: NDArray[np.float64], budget_share: float, *, additive: bool
    ) -> NDArray[np.bool_]:
        """Which sites (n,) to keep in fast memory: of greatest total score if additive, else in order of score."""
        path = str(trace.path)
        if path not in self._demands:
            self._demands[path] = trace_demand(trace)
        demand = self._demands[path]
        rows, budget_bytes = demand.columns(sites), int(budget_share * peak_bytes(trace, demand))
        return pack(scores, rows, budget_bytes).chosen if additive else pack_in_order(scores, rows, budget_bytes)
