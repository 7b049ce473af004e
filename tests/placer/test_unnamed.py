"""Objects that a plan does not name stand beside those that it names, and may be where its default tier spills."""

from collections.abc import Callable

import pandas as pd

from tierprof.base.schema import ALLOCATIONS
from tierprof.placer.achieved import objects_achieved
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.placer.unnamed import unnamed_tiers, with_unnamed
from tierprof.profiler.trace import Trace

KEYS = [f"{number:032x}" for number in range(1, 7)]
DRAM, SLOW, CXL = (
    TierSpec("dram", capacity_bytes=64, spill="slow"),
    TierSpec("slow", "emulated", factor=2.0),
    TierSpec("cxl", "node", node=1),
)
PLAN = Plan((DRAM, SLOW, CXL), "dram", (PlannedObject(KEYS[0], "dram", "named", bytes=30),))


def test_they_are_added_largest_first_and_nothing_of_them_is_planned() -> None:
    objects = pd.DataFrame({"key": KEYS[:4], "name": list("abcd"), "peak_bytes": [9, 5, 0, 7]})
    plan = with_unnamed(PLAN, objects)
    assert [(own.name, own.tier, own.bytes) for own in plan.objects] == [("named", "dram", 30), ("d", "dram", 0), ("b", "dram", 0)]
    assert unnamed_tiers(plan) == {KEYS[3]: {None, "dram", "slow"}, KEYS[1]: {None, "dram", "slow"}}
    assert unnamed_tiers(PLAN) == {}


def test_they_are_as_planned_where_the_default_tier_spills_and_named_ones_are_not(make_trace: Callable[..., Trace]) -> None:
    # GIVEN a run in which a named and an unnamed object spilled, one is in a tier that nothing sends it to, and some are small
    trace = make_trace("run", [{"peak_bytes": 9, "stall_s": 1.0}] * 5)
    rows = [
        (0, "slow", 30, "malloc", 1.0),
        (1, "slow", 40, "malloc", 1.0),
        (2, "cxl", 50, "malloc", 1.0),
        (3, "dram", 8, "small", 3.0),
        (4, "dram", 100, "slab", 1.0),
        (4, "dram", 10, "small", 2.0),
    ]
    frame = pd.DataFrame(rows, columns=["site", "tier", "size_bytes", "kind", "weight"])
    frame = frame.assign(birth_ns=range(len(frame)), death_ns=pd.array([None] * len(frame), dtype="Int64"), inherited=False)
    trace.write("allocations", frame.assign(**{name: None for name in ALLOCATIONS.names if name not in frame}))
    # WHEN it is compared with the plan
    table = objects_achieved(trace, with_unnamed(PLAN, trace.objects())).set_index("site")
    columns = ["tier", "allocations", "peak_bytes", "as_planned"]
    # THEN only what is named has to be where it is named
    assert table.loc[KEYS[0], columns].tolist() == ["slow", 1, 30, False]
    assert table.loc[KEYS[1], columns].tolist() == ["slow", 1, 40, True]
    assert table.loc[KEYS[2], columns].tolist() == ["cxl", 1, 50, False]
    # AND small allocations count for as many as they stand for: they are in DRAM, where they are wanted
    assert table.loc[KEYS[3], columns].tolist() == ["dram", 3, 24, True]
    assert table.loc[KEYS[4], columns].tolist() == ["dram", 3, 120, True]


def test_small_allocations_are_nowhere_that_a_plan_for_another_tier_could_mean(make_trace: Callable[..., Trace]) -> None:
    # GIVEN an object of small allocations only, wanted in the slow tier by name, and another one by default
    trace = make_trace("run", [{"peak_bytes": 9, "stall_s": 1.0}] * 2)
    frame = pd.DataFrame(
        {"site": [0, 1], "tier": "dram", "size_bytes": 8, "kind": "small", "weight": 3.0, "birth_ns": 0, "inherited": False}
    )
    frame = frame.assign(death_ns=pd.array([None, None], dtype="Int64"))
    trace.write("allocations", frame.assign(**{name: None for name in ALLOCATIONS.names if name not in frame}))
    plan = Plan((DRAM, SLOW), "slow", (PlannedObject(KEYS[0], "slow", "named"),))
    table = objects_achieved(trace, with_unnamed(plan, trace.objects())).set_index("site")
    # THEN neither was placed, for a reason; the one that is named should have been
    assert table["tier"].tolist() == [None, None]
    assert table["as_planned"].to_dict() == {KEYS[0]: False, KEYS[1]: True}
    assert all("stay in the C library's heap" in reason for reason in table["reason"])


def test_a_run_that_allocated_nothing_has_nothing_to_tell(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace("run", [{"peak_bytes": 0, "stall_s": 0.0}])
    bare = Plan((DRAM, SLOW), "slow")
    assert objects_achieved(trace, with_unnamed(bare, trace.objects())).empty
    assert objects_achieved(trace, Plan(bare.tiers, "slow", PLAN.objects))["tier"].tolist() == [None]
