"""Forecasts with known arithmetic, in the place of the timing model, and objects for them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tierprof.placer.predict.forecast import Anchors, Slowdowns, Times
from tierprof.placer.predict.movable import Movable
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

MIB = 2**20


class KnownForecast:
    """Run time 10 s, plus what `cost` says of the slow shares; counts the plans that it was asked for."""

    def __init__(self, count: int, cost: Callable[[NDArray[np.float64]], NDArray[np.float64]], *, additive: bool = False) -> None:
        self.objects = np.arange(count)
        self.additive = additive
        self.plans = 0
        self._cost = cost

    def run(self, slow_share: NDArray[np.float64]) -> Times:
        self.plans += len(slow_share)
        seconds = 10.0 + self._cost(slow_share)
        return Times(seconds, seconds - 0.5, seconds + 0.5)

    def slowdowns(self, slow_share: NDArray[np.float64]) -> Slowdowns:
        value = (10.0 + self._cost(slow_share)) / 10.0
        return Slowdowns(value, value - 0.1, value + 0.1)

    def anchors(self) -> Anchors:
        one = np.eye(len(self.objects))
        fast, slow = (float(self.run(np.full((1, len(one)), share)).seconds[0]) for share in (0.0, 1.0))
        return Anchors(fast, slow, self.run(one).seconds, self.run(1.0 - one).seconds)


def _linear(costs: Sequence[float]) -> KnownForecast:
    """Every object costs its own, whatever the others do."""
    return KnownForecast(len(costs), lambda share: share @ np.array(costs), additive=True)


def _side_by_side(costs: Sequence[float]) -> KnownForecast:
    """All are waited for at once: the costliest alone counts."""
    return KnownForecast(len(costs), lambda share: (share * np.array(costs)).max(axis=1))


def _bandwidth(traffic: Sequence[float], limit: float) -> KnownForecast:
    """Free up to a limit, then time for every byte beyond."""
    return KnownForecast(len(traffic), lambda share: np.maximum(share @ np.array(traffic) - limit, 0.0))


MakeForecast = Callable[..., KnownForecast]


@pytest.fixture(scope="session")
def linear() -> MakeForecast:
    """`linear(costs)`: every object costs its own."""
    return _linear


@pytest.fixture(scope="session")
def side_by_side() -> MakeForecast:
    """`side_by_side(costs)`: the costliest object in the slow tier alone counts."""
    return _side_by_side


@pytest.fixture(scope="session")
def bandwidth() -> MakeForecast:
    """`bandwidth(traffic, limit)`: free up to a limit, then time for every byte beyond."""
    return _bandwidth


@pytest.fixture(scope="session")
def movable() -> Callable[..., Movable]:
    """`movable(live_bytes)`: objects 0..m-1 with these live bytes (moments, m), all of them known to the forecast."""

    def make(live_bytes: Sequence[Sequence[int]]) -> Movable:
        rows = np.array(live_bytes, dtype=np.int64)
        numbers = np.arange(rows.shape[1])
        names = np.array([f"object_{number}" for number in numbers], dtype=object)
        keys = np.array([f"{number + 1:032x}" for number in numbers], dtype=object)
        return Movable(numbers, keys, names, numbers, rows, int(rows.sum(axis=1).max()), len(numbers))

    return make


@pytest.fixture(scope="session")
def allocations() -> Callable[..., pd.DataFrame]:
    """`allocations([(site, size, birth, death or None), ...])` as first touch takes them."""

    def make(lives: Sequence[tuple[int, int, int, int | None]]) -> pd.DataFrame:
        frame = pd.DataFrame(lives, columns=["site", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
        return frame.assign(weight=1.0, inherited=False)

    return make


_STACK = 2**24 - 16
_TABLES = ("threads", "objects", "episodes", "nodes", "reuse")

#: A graph kernel's three objects: a small array read at random, a large one streamed, and one that is hardly used.
GRAPH = [{"peak_bytes": 64 * MIB, "stall_s": 0.0}, {"peak_bytes": 512 * MIB, "stall_s": 0.0}, {"peak_bytes": 128 * MIB, "stall_s": 0.0}]
GRAPH_LIVES = [(2, 128 * MIB, 0, None), (1, 512 * MIB, 5, None), (0, 64 * MIB, 9, None)]


def _graph_run(exact_file: Callable[..., Any], weight: float) -> bytes:
    """Ten slices, each of a million instructions: 5000 far misses on object 0 in pairs, 40 000 lines of object 1 prefetched."""
    run = exact_file("cores 1\nl3_bytes 2097152\n")
    for number in range(10):
        misses = 5000 + 100 * number
        run.object(0, loads=50_000, l2_misses=misses, l1_misses=misses, far_loads=misses, read_blocks=misses)
        run.object(1, loads=300_000, prefetched_lines=40_000, prefetched_used=40_000, near_loads=100, read_blocks=10_000)
        run.object(2, loads=1000, far_loads=20, l2_misses=20, read_blocks=20)
        run.object(_STACK, loads=10_000, far_loads=2, l2_misses=2, read_blocks=2)
        run.episode([(0, 0, 3, 1), (0, 1, 3, 1)], count=misses // 2, base_cycles=60 * misses, instructions=90 * misses, misses=misses)
        run.episode([(2, 0, 3, 1)], count=20, base_cycles=1000, instructions=4000, misses=20)
        run.thread(instructions=1_000_000, loads=361_000, base_cycles=500_000)
        run.slice(1_000_000, weight=weight)
    run.reuse(0, 64, 2**20, {12: 9000.0}).reuse(1, 64, 2**23, {0: 1.0}).reuse(0, 4096, 2**14, {8: 9000.0})
    return run.end().bytes()


@pytest.fixture
def exact_trace(make_trace: Callable[..., Trace], exact_file: Callable[..., Any]) -> Callable[..., Trace]:
    """`exact_trace(name="graph", weight=1.0, **exact)`: a trace of an exact run of `GRAPH`; each slice stands for `weight` of its kind."""

    def make(name: str = "graph", weight: float = 1.0, **exact: object) -> Trace:
        trace = make_trace(name, GRAPH, allocations=GRAPH_LIVES, source="exact", samples=0, shares={}, duration_s=None, rate_hz=None)
        profile = ExactProfile.from_bytes(_graph_run(exact_file, weight))
        for table in _TABLES:
            trace.write(f"exact_{table}", getattr(profile, table))
        facts = {"machine": "optane100-x6", "config": profile.config, "region": None, "interval": None, "cut": False}
        trace.meta["exact"] = {**facts, **exact}
        trace.write_meta()
        return Trace.open(trace.path)

    return make
