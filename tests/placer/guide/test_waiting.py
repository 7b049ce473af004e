"""What an exact run's objects are waited for in fast memory."""

from collections.abc import Callable
from typing import Any

import pytest

from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.waiting import waiting_seconds
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

from .made import GRADIENT, ITEM, USER

MakeGnn = Callable[..., Trace]
_TABLES = ("threads", "objects", "episodes", "nodes", "reuse")
_MISSES = 10_000


def _exact(gnn: MakeGnn, exact_file: Callable[..., Any]) -> Trace:
    """Of USER ten thousand lines are waited for, one after the other; of ITEM as many are read that L3 has; GRADIENT is never missed."""
    run = exact_file("cores 1\nl3_bytes 2097152\n")
    run.object(USER, loads=50_000, l1_misses=_MISSES, l2_misses=_MISSES, far_loads=_MISSES, read_blocks=_MISSES)
    run.object(ITEM, loads=50_000, l1_misses=_MISSES, l2_misses=_MISSES, l3_hits=_MISSES)
    run.object(GRADIENT, loads=900_000)
    run.episode([(USER, 0, 3, 1)], count=_MISSES, base_cycles=_MISSES, instructions=_MISSES, misses=_MISSES)
    run.episode([(0, 0, 0, 1)], count=_MISSES, base_cycles=_MISSES, instructions=_MISSES, misses=_MISSES)
    run.thread(instructions=1_000_000, loads=1_000_000, base_cycles=2 * _MISSES)
    run.slice(1_000_000, weight=1.0)
    return _traced(gnn, run)


def _traced(gnn: MakeGnn, run: Any) -> Trace:
    profile = ExactProfile.from_bytes(run.end().bytes())
    trace = gnn("exact", seen=(), source="exact", samples=0, shares={}, rate_hz=None)
    for table in _TABLES:
        trace.write(f"exact_{table}", getattr(profile, table))
    trace.meta["exact"] = {"machine": "dram-remote", "config": profile.config, "region": None, "interval": None, "cut": False}
    trace.write_meta()
    return Trace.open(trace.path)


def test_a_line_is_waited_for_as_long_as_fast_memory_takes(gnn: MakeGnn, exact_file: Callable[..., Any]) -> None:
    trace, machine = _exact(gnn, exact_file), Machine.load("dram-remote")
    found = waiting_seconds(trace, machine)
    keys = trace.objects().set_index("site")["key"]
    # THEN each miss is a wait of the fast tier's latency, with what its load adds, whatever the slow tier is
    idle_s = _MISSES * machine.tiers[machine.fast].far_ns * 1e-9
    assert idle_s <= found[keys[USER]] <= 1.2 * idle_s
    assert found.equals(waiting_seconds(trace, Machine.load("optane100-x6")))
    # AND each L3 hit is one of L3's latency, and a hit before is none
    assert found[keys[ITEM]] == pytest.approx(_MISSES * machine.host.l3_ns * 1e-9, rel=0.05)
    assert found[keys[GRADIENT]] == pytest.approx(0.0, abs=1e-12)


def test_l3_hits_are_shared_out_slice_by_slice(gnn: MakeGnn, exact_file: Callable[..., Any]) -> None:
    # GIVEN a slice in which both tables have hits but nothing waits for them, and one in which all that waits is USER's
    run = exact_file("cores 1\nl3_bytes 2097152\n")
    run.object(USER, loads=_MISSES, l1_misses=_MISSES, l2_misses=_MISSES, l3_hits=_MISSES)
    run.object(ITEM, loads=_MISSES, l1_misses=_MISSES, l2_misses=_MISSES, l3_hits=_MISSES)
    run.thread(instructions=1_000_000, loads=2 * _MISSES, base_cycles=100 * _MISSES)
    run.slice(1_000_000, weight=1.0)
    run.object(USER, loads=_MISSES, l1_misses=_MISSES, l2_misses=_MISSES, l3_hits=_MISSES)
    run.episode([(0, 0, 0, 1)], count=_MISSES, base_cycles=_MISSES, instructions=_MISSES, misses=_MISSES)
    run.thread(instructions=1_000_000, loads=_MISSES, base_cycles=_MISSES)
    run.slice(1_000_000, weight=2.0)
    trace, machine = _traced(gnn, run), Machine.load("dram-remote")
    found = waiting_seconds(trace, machine)
    keys = trace.objects().set_index("site")["key"]
    # THEN the waits are USER's, as often as their slice stands for
    assert found[keys[USER]] == pytest.approx(2.0 * _MISSES * machine.host.l3_ns * 1e-9, rel=0.05)
    assert found[keys[ITEM]] == pytest.approx(0.0, abs=1e-12)
