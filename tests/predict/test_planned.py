"""A plan's tiers on a machine with two."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tierprof.base.errors import PlanError
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.predict.movable import UNSEEN, movable_objects
from tierprof.placer.predict.planned import planned_shares
from tierprof.placer.tiers import parse_tier
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 2**20
DRAM, HUGE, SLOW = parse_tier("dram"), parse_tier("huge"), parse_tier("cxl=node:1")


@pytest.fixture
def trace(make_trace: MakeTrace) -> Trace:
    """Three objects and one that is too small to place; the third one was born first."""
    objects = [{"peak_bytes": size, "stall_s": 1.0} for size in (40 * MIB, 60 * MIB, 20 * MIB, 100)]
    lives = [(2, 20 * MIB, 0, None), (0, 40 * MIB, 5, None), (1, 60 * MIB, 10, None), (3, 100, 11, None)]
    return make_trace("bfs", objects, allocations=lives)


def _shares(trace: Trace, plan: Plan) -> list[float]:
    return planned_shares(trace, movable_objects(trace, np.array([0, 2, -1])), plan).tolist()


def _entry(site: int, tier: str) -> PlannedObject:
    return PlannedObject(f"{site + 1:032x}", tier)


def test_objects_are_matched_to_the_forecasts_columns(trace: Trace) -> None:
    # WHEN the forecast knows sites 2 and 0 and the stack
    own = movable_objects(trace, np.array([-1, 2, 0]))
    assert own.sites.tolist() == [0, 1, 2]
    assert own.column.tolist() == [2, UNSEEN, 1]
    # THEN the stack stays fast, whatever happens to the objects
    assert own.slow_share(np.array([[0.0, 0.0, 0.25]])).tolist() == [[0.0, 0.75, 1.0]]
    assert own.peak_bytes == 120 * MIB
    assert own.needed_bytes(np.array([[1.0, 0.0, 0.5]])).tolist() == [50 * MIB]


def test_what_a_stripped_trace_does_not_hold_lives_throughout(make_trace: MakeTrace) -> None:
    # GIVEN an object of 30 MiB without allocations beside two of 20 that take turns
    objects = [{"peak_bytes": size, "stall_s": 1.0} for size in (30 * MIB, 20 * MIB, 20 * MIB)]
    own = movable_objects(make_trace("kept", objects, allocations=[(1, 20 * MIB, 0, 5), (2, 20 * MIB, 5, 9)]), np.array([0, 1, 2]))
    assert own.own_peak_bytes.tolist() == [30 * MIB, 20 * MIB, 20 * MIB]
    assert own.peak_bytes == 50 * MIB


def test_dram_and_huge_pages_are_fast_and_all_else_is_slow(trace: Trace) -> None:
    plan = Plan((DRAM, HUGE, SLOW), "cxl", (_entry(0, "dram"), _entry(1, "huge")))
    assert _shares(trace, plan) == [1.0, 1.0, 0.0]
    assert _shares(trace, replace(plan, default="dram", objects=(_entry(1, "cxl"),))) == [1.0, 0.0, 1.0]


def test_a_capacity_goes_to_what_is_born_first(trace: Trace) -> None:
    # GIVEN a plan that names nothing: first come, first served, within 40 MiB
    plan = Plan((replace(DRAM, capacity_bytes=40 * MIB, spill="cxl"), SLOW), "dram")
    assert _shares(trace, plan) == [0.5, 0.0, 1.0]
    # AND those that it does not send there take nothing
    assert _shares(trace, replace(plan, objects=(_entry(2, "cxl"),))) == [1.0, 0.0, 0.0]


def test_a_split_object_is_in_fast_memory_by_its_effect_or_else_its_bytes(trace: Trace) -> None:
    # GIVEN an object of 40 MiB of which 4 are in DRAM and take three quarters of its cost, and one of 60 of which 15 are not in DRAM
    effects = (PlannedPart(0, 3 * MIB, "dram", 1.0), PlannedPart(8 * MIB, 9 * MIB, "dram", 0.5))
    known = replace(_entry(0, "cxl"), bytes=40 * MIB, predicted_effect_s=2.0, parts=effects)
    silent = replace(_entry(1, "dram"), bytes=60 * MIB, parts=(PlannedPart(45 * MIB, None, "cxl"),))
    plan = Plan((DRAM, SLOW), "cxl", (known, silent))
    assert _shares(trace, plan) == [0.75, 0.75, 0.0]
    # AND the other way round
    slow = tuple(replace(part, tier="cxl") for part in effects)
    assert _shares(trace, replace(plan, objects=(replace(known, tier="dram", parts=slow),)))[0] == 0.25


def test_a_plan_of_another_program_is_refused(trace: Trace) -> None:
    plan = Plan((DRAM, SLOW), "cxl", (_entry(77, "dram"),))
    with pytest.raises(PlanError, match=r"it names none of the objects of trace .*bfs\.trace; give the plan of this program"):
        _shares(trace, plan)
