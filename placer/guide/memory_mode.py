"""Memory Mode against explicit placement: the same DRAM, once as a cache in front of the slow tier, once for the objects that a plan names.

Of an exact trace both are timed by the model. Samples tell no reuse distances, so of a sampled trace Memory Mode is an estimate between two
ends. The low end is independent references: each place is used again as often as its heat says, whatever was used in between; in a
direct-mapped cache of N places a place with the share p of the heat then misses with a chance of (1 - p) / N / (p + (1 - p) / N). The high
end is a sweep over all that the run touches between any two uses of a place: a chance of 1 - exp(-footprint / cache). A miss waits for
DRAM's answer, where the tag is, and then for the slow tier's.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.reuse import direct_mapped
from tierprof.models.timing.tier import BUFFERED_BLOCK_BYTES, LINE_BYTES
from tierprof.placer.plan import Plan
from tierprof.placer.predict.exact import latency_ratio
from tierprof.placer.predict.forecast import Span
from tierprof.placer.predict.planned import planned_shares
from tierprof.placer.predict.prediction import Prediction
from tierprof.placer.predict.sampled import SampledForecast
from tierprof.profiler.trace import Trace

EXPLICIT, MEMORY_MODE, NEITHER = "explicit placement", "Memory Mode", "neither"

_SHARES = (0.25, 0.5)  # of the objects' peak, as DRAM


@dataclass(frozen=True)
class Contest:
    """The two uses of the same DRAM.

    Attributes
    ----------
    memory_mode, explicit : Span
        Run times, seconds.
    difference_s : Span
        Memory Mode less explicit placement; its interval is its own, what both share of an error is not in it.
    """

    dram_bytes: int
    memory_mode: Span
    explicit: Span
    difference_s: Span

    @property
    def winner(self) -> str:
        """`EXPLICIT` or `MEMORY_MODE`; `NEITHER` where the difference may be zero."""
        if self.difference_s.low > 0:
            return EXPLICIT
        return MEMORY_MODE if self.difference_s.high < 0 else NEITHER


@dataclass(frozen=True)
class Contests:
    """What is known of Memory Mode."""

    rows: tuple[Contest, ...]
    why: str  # what the figures rest on; without rows, why there are none


def contests(trace: Trace, machine: Machine, prediction: Prediction, budget_bytes: int | None, plan: Plan | None = None) -> Contests:
    """Compare the two for the given budget if there is one, and for a quarter and a half of the objects' peak.

    Parameters
    ----------
    budget_bytes
        Of the plan, or at the knee; only of a sampled trace.
    plan
        Stands for explicit placement at its own budget; at any other, and without one, the best plan found does.
    """
    if machine.tiers[machine.slow].block_bytes != BUFFERED_BLOCK_BYTES:
        return Contests((), f"{machine.slow} has no Memory Mode: it is Optane's")
    if prediction.exact:
        rows = tuple(_modelled(dram, span, prediction) for dram, span in prediction.memory_mode.items())
        return Contests(rows, "both timed by the model from the trace's reuse distances" if rows else "the trace has no reuse distances")
    peak = prediction.curve.peak_bytes
    sizes = sorted({int(share * peak) for share in _SHARES} | ({budget_bytes} if budget_bytes and budget_bytes < peak else set()))
    estimate = _Estimate(trace, machine, prediction)
    planned = None if plan is None else planned_shares(trace, prediction.movable, plan)
    rows = tuple(estimate(size, planned if size == budget_bytes else None) for size in sizes if size > 0)
    why = (
        f"Memory Mode is an estimate between independent references to {estimate.grain} and sweeps over all that the run touches;"
        " bandwidth is unknown from samples, and Memory Mode moves more bytes than a plan"
    )
    return Contests(rows, why)


def _best_within(prediction: Prediction, dram_bytes: int) -> int:
    """Place of the curve's fastest plan that fits."""
    best = prediction.curve.best
    fits = np.flatnonzero(best.needed_bytes <= dram_bytes)
    return int(fits[np.argmin(best.times.seconds[fits])])


def _modelled(dram_bytes: int, mode: Span, prediction: Prediction) -> Contest:
    own = prediction.curve.best.times.at(_best_within(prediction, dram_bytes))
    return Contest(dram_bytes, mode, own, Span(mode.value - own.value, mode.low - own.high, mode.high - own.low))


class _Estimate:
    """The two from samples, by bytes of DRAM."""

    def __init__(self, trace: Trace, machine: Machine, prediction: Prediction) -> None:
        ratio = latency_ratio(machine)
        self._prediction = prediction
        self._forecast = SampledForecast(trace, ratio, machine.config()["l3_bytes"])
        self._objects = self._forecast.objects
        objects = trace.objects().set_index("site")
        self._size = objects["peak_bytes"].reindex(self._objects).fillna(0).to_numpy(np.float64)
        # Beside the slow tier's answer a miss waits for DRAM's: as much longer, in units of what the slow tier adds.
        self._longer = sorted(1.0 + 1.0 / max(own - 1.0, 0.05) for own in (ratio.near, ratio.far))
        self._footprint = float(prediction.curve.peak_bytes)
        self._heat, self.grain = _heat(trace, self._objects, self._size)

    def __call__(self, dram_bytes: int, planned: NDArray[np.float64] | None) -> Contest:
        """The two; `planned` is a plan's fast share of each movable object."""
        movable, best = self._prediction.movable, self._prediction.curve.best
        fast_share = best.fast_share[_best_within(self._prediction, dram_bytes)] if planned is None else planned
        explicit = movable.slow_share(fast_share[None, :])
        low, high = self._ends(dram_bytes)
        low, middle, high = low * self._longer[0], (low + high) / 2 * sum(self._longer) / 2, high * self._longer[1]
        own = self._forecast.run(explicit).at(0)
        # Times are linear in the shares, so that those of the difference are the difference's, draw by draw.
        mode, difference = (self._spanned(np.stack([low, middle, high]) - less) for less in (0.0 * explicit, explicit))
        seconds = self._forecast.duration_s
        return Contest(dram_bytes, mode, own, Span(*(end - seconds for end in difference)))

    def _spanned(self, shares: NDArray[np.float64]) -> Span:
        """The middle one's time, and the farthest of all ends."""
        ends = self._forecast.run(shares)
        return Span(float(ends.seconds[1]), float(ends.low_s.min()), float(ends.high_s.max()))

    def _ends(self, dram_bytes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Chance of a miss on each object's lines (n,): at the least, and at the most."""
        # The stack and static data have no size here: they are small, and always in use.
        sweep = direct_mapped(np.array(self._footprint / LINE_BYTES), np.array(dram_bytes / LINE_BYTES)) * (self._size > 0)
        random = _independent_misses(self._heat, len(self._objects), dram_bytes)
        return np.minimum(random, sweep), np.maximum(random, sweep)


def _heat(trace: Trace, objects: NDArray[np.int64], size: NDArray[np.float64]) -> tuple[pd.DataFrame, str]:
    """Rows of memory with their heat: `column` (place among the objects), `bytes`, `heat`; and how fine they are, in words."""
    if trace.has("heat"):
        heat = trace.frame("heat", ["site", "allocation", "block", "block_bytes", "stall_s"])
        place = pd.Series(np.arange(len(objects)), index=objects)
        # The blocks of an object's allocations that come one after the other are one place: their memory is used again.
        rows = heat.groupby(["site", "block", "block_bytes"], as_index=False)["stall_s"].sum()
        rows = rows[rows["site"].isin(objects) & (rows["stall_s"] > 0)]
        if len(rows):
            table = pd.DataFrame({"column": rows["site"].map(place).astype(np.int64), "bytes": rows["block_bytes"].astype(np.float64)})
            return table.assign(heat=rows["stall_s"].to_numpy()), "blocks of known heat"
    stall = trace.objects().set_index("site")["stall_s"].reindex(objects).fillna(0.0).to_numpy(np.float64)
    table = pd.DataFrame({"column": np.arange(len(objects)), "bytes": size, "heat": stall})
    return table[(table["heat"] > 0) & (table["bytes"] > 0)], "objects as wholes"


def _independent_misses(heat: pd.DataFrame, count: int, dram_bytes: int) -> NDArray[np.float64]:
    """(count,) chance of a miss on each object's lines."""
    lines = np.maximum(heat["bytes"].to_numpy() / LINE_BYTES, 1.0)
    each = heat["heat"].to_numpy() / max(float(heat["heat"].sum()), 1e-300) / lines  # of the heat, a line
    others = (1.0 - each) / max(dram_bytes / LINE_BYTES, 1.0)
    missed = others / (each + others)
    weighted = pd.DataFrame({"column": heat["column"], "heat": heat["heat"], "missed": missed * heat["heat"]}).groupby("column").sum()
    share = (weighted["missed"] / weighted["heat"]).reindex(range(count)).fillna(0.0)
    return share.to_numpy(np.float64)
