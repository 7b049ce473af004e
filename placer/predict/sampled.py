"""Prediction from a sampled run: each object's waiting, stretched by how much longer the slow tier's answers take. Wide, and honestly so.

What the samples tell is where the run's time went while everything was in fast memory. An object's extra time in the slow tier is taken as

    duration x its stall share x (latency ratio - 1).

The ratio is the machine's, between that of neighbouring accesses (answered by a tier's buffers) and that of scattered ones; the more
regular an object's strides, the nearer to the former. The interval has three sources, taken together:

- samples are few: shares are redrawn from the multinomial distribution that they are a draw of;
- a sample does not tell a wait for memory from a wait for the last-level cache: the low end lets the cache hold as much of each object as
  would fit, and takes the smaller ratio;
- latency that a prefetcher hides today is in no sample: the high end adds the computing time that regular accesses may hide behind, shared
  among objects by regular waiting, takes the larger ratio, and lets threads that wait for each other wait in proportion. That makes the run
  with everything slow at most the larger ratio times as long, which is the limit for a program bound by latency.

Bandwidth is unknown: the samples do not say how many bytes moved, and a tier that runs full is slower than any of this.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.placer.predict.forecast import Anchors, Slowdowns, Times
from tierprof.profiler.trace import Trace

STACK, STATIC = -1, -2  # objects of no site, numbered as in the exact tables

_DRAWS = 2000
_TAIL = 0.025


class LatencyRatio(NamedTuple):
    """Slow over fast idle latency."""

    near: float  # of neighbouring accesses
    far: float  # of scattered ones


class _Costs(NamedTuple):
    """Extra time of each object (n,) as a multiple of its own share of the run."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class SampledForecast:
    """Run times of a sampled program; a `Forecast`.

    Parameters
    ----------
    trace
        A run with samples of time.
    ratio
        Of the machine that is predicted for.
    cache_bytes
        Its last-level cache.
    seed
        Of the redrawn shares.

    Raises
    ------
    TraceError
        If the trace has no samples of time.
    """

    additive = True

    def __init__(self, trace: Trace, ratio: LatencyRatio, cache_bytes: int, seed: int = 0) -> None:
        table = _waiting(trace)
        self.objects = table["object"].to_numpy(dtype=np.int64)
        self.samples = int(trace.meta.get("samples") or 0)
        self.duration_s = float(trace.meta.get("duration_s") or 0.0)
        if not (table["share"].sum() > 0 and self.samples > 0 and self.duration_s > 0):
            why = f"it has neither exact counts nor samples of time (source {trace.meta.get('source')})"
            raise TraceError(f"trace {trace.path} cannot be predicted from", why, "record it with `tierprof run --source exact`")
        self._shares = table["share"].to_numpy(dtype=np.float64)
        self._costs = _costs(table, trace.meta.get("shares") or {}, ratio, cache_bytes)
        rest = max(0.0, 1.0 - float(self._shares.sum()))
        drawn = np.append(self._shares, rest) / (self._shares.sum() + rest)
        self._drawn = np.random.default_rng(seed).multinomial(self.samples, drawn, _DRAWS)[:, :-1] / self.samples

    def run(self, slow_share: NDArray[np.float64]) -> Times:
        """Run times under plans (plans, n)."""
        value = slow_share @ (self._shares * self._costs.value)
        low = np.quantile(self._drawn @ (slow_share * self._costs.low).T, _TAIL, axis=0)
        high = np.quantile(self._drawn @ (slow_share * self._costs.high).T, 1.0 - _TAIL, axis=0)
        return Times(*(self.duration_s * (1.0 + extra) for extra in (value, np.minimum(low, value), np.maximum(high, value))))

    def slowdowns(self, slow_share: NDArray[np.float64]) -> Slowdowns:
        """The same over the measured run."""
        return Slowdowns(*(own / self.duration_s for own in self.run(slow_share)))

    def anchors(self) -> Anchors:
        """Every object alone in either tier: costs add up."""
        cost_s = self.duration_s * self._shares * self._costs.value
        all_slow_s = self.duration_s + float(cost_s.sum())
        return Anchors(self.duration_s, all_slow_s, self.duration_s + cost_s, all_slow_s - cost_s)


def _waiting(trace: Trace) -> pd.DataFrame:
    """Share of the run, bytes and regularity of every object that is waited for, the stack and static data last."""
    objects = trace.objects()
    # The others cost nothing wherever they are; a Python program has a hundred thousand of them.
    objects = objects[objects["stall_share"] > 0]
    shares = trace.meta.get("shares") or {}
    columns = {"site": "object", "stall_share": "share", "peak_bytes": "bytes", "stride_regularity": "regularity"}
    own = objects[list(columns)].rename(columns=columns)
    others = [(number, float(shares.get(name) or 0.0), 0, 0.0) for number, name in ((STACK, "stack"), (STATIC, "static"))]
    return pd.concat([own, pd.DataFrame(others, columns=own.columns)], ignore_index=True)


def _costs(table: pd.DataFrame, classes: dict[str, float], ratio: LatencyRatio, cache_bytes: int) -> _Costs:
    near, far = sorted((max(ratio.near, 1.0) - 1.0, max(ratio.far, 1.0) - 1.0))
    regularity = table["regularity"].to_numpy(dtype=np.float64).clip(0.0, 1.0)
    missed = 1.0 - np.minimum(cache_bytes / np.maximum(table["bytes"].to_numpy(dtype=np.float64), 1.0), 1.0)
    share = table["share"].to_numpy(dtype=np.float64)
    regular = float((share * regularity).sum())
    hidden = float(classes.get("compute") or 0.0) * regularity / regular if regular > 0 else np.zeros(len(table))
    at_work = max(1.0 - float(classes.get("runtime") or 0.0), share.sum(), 1e-9)
    scattered, neighbouring = (ratio.far - 1.0, ratio.near - 1.0)
    value = np.maximum(regularity * neighbouring + (1.0 - regularity) * scattered, 0.0)
    return _Costs(value, near * missed, far * (1.0 + hidden) / at_work)
