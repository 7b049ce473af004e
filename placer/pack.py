"""Exact 0/1 packing: which objects go to fast memory so that their live bytes never exceed the budget and their value is greatest.

The live bytes of each object are a step function of time, from the trace's allocations. Their sum can only be largest where a birth is
followed by a death, so only those moments are constraints; of these, rows that another row dominates in every object are dropped. Both
steps are exact. With more than `MAX_WINDOWS` such moments, neighbouring ones are merged into a window that takes each object's maximum:
then the constraints are conservative (a packing that fits them fits at every moment, but one that fits may be refused).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from tierprof.base.errors import PlanError
from tierprof.base.units import format_bytes
from tierprof.placer.timeline import allocation_events
from tierprof.profiler.trace import Trace

MAX_WINDOWS = 512
TIME_LIMIT_S = 20.0

# Values are scaled so that the greatest is this: HiGHS stops at an absolute gap of 1e-6, which then is 1e-10 of it.
_OBJECTIVE_SCALE = 1e4


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


def pack(values: NDArray[np.float64], live_bytes: NDArray[np.int64], budget_bytes: int) -> Packing:
    """Choose the objects of greatest total value whose live bytes fit the budget in every row.

    Parameters
    ----------
    values
        (n,) what an object in fast memory is worth; one worth nothing, or less, is not chosen.
    live_bytes
        (moments, n) as in `Demand`.
    budget_bytes
        Fast memory, in bytes.

    Raises
    ------
    PlanError
        If the budget is negative.
    """
    if budget_bytes < 0:
        raise PlanError("the objects cannot be packed", f"the budget is {format_bytes(budget_bytes)}", "give a larger budget")
    worth = (values > 0) & (live_bytes.max(axis=0, initial=0) <= budget_bytes)
    chosen = np.zeros(len(values), dtype=bool)
    rows = non_dominated(live_bytes[:, worth])
    chosen[worth], optimal = _solve(values[worth], rows, budget_bytes)
    return Packing(chosen, float(values[chosen].sum()), int(live_bytes[:, chosen].sum(axis=1).max(initial=0)), optimal)


def _solve(values: NDArray[np.float64], rows: NDArray[np.int64], budget_bytes: int) -> tuple[NDArray[np.bool_], bool]:
    count = len(values)
    if (rows.sum(axis=1) <= budget_bytes).all():
        return np.ones(count, dtype=bool), True
    constraints = [LinearConstraint(rows / budget_bytes, ub=1.0)]
    while True:
        answer = milp(
            -values * (_OBJECTIVE_SCALE / values.max()),
            integrality=np.ones(count),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"mip_rel_gap": 0.0, "time_limit": TIME_LIMIT_S},
        )
        if answer.x is None:
            return pack_in_order(values / rows.max(axis=0).clip(1), rows, budget_bytes), False
        chosen = np.rint(answer.x).astype(bool)
        over = rows[:, chosen].sum(axis=1) > budget_bytes
        if not over.any():
            return chosen, answer.status == 0
        # The solver's tolerance let a few bytes too many through: forbid this very set in integers, and ask again.
        used = chosen & (rows[over][0] > 0)
        constraints.append(LinearConstraint(used.astype(np.float64), ub=used.sum() - 1))


def pack_in_order(keys: NDArray[np.float64], live_bytes: NDArray[np.int64], budget_bytes: int) -> NDArray[np.bool_]:
    """Fill the budget greedily, greatest key first, passing over what no longer fits: (n,) chosen."""
    used = np.zeros(len(live_bytes), dtype=np.int64)
    chosen = np.zeros(len(keys), dtype=bool)
    for column in np.argsort(-keys, kind="stable"):
        after = used + live_bytes[:, column]
        if (after <= budget_bytes).all():
            chosen[column], used = True, after
    return chosen


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
