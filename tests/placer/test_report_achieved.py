"""The report's section on a run under a plan."""

from collections.abc import Callable

import pandas as pd
import pytest

from tierprof.base.schema import ALLOCATIONS, PLACES
from tierprof.placer.achieved import PLAN_TEXT, TIER_COUNTERS
from tierprof.placer.decisions import append_decision
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.report import build_report
from tierprof.placer.report_achieved import achieved_of, achieved_section
from tierprof.placer.report_page import render_page
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

MIB = 1 << 20
KEYS = [f"{number:032x}" for number in (1, 2, 3)]
TIERS = TierSpec("dram", capacity_bytes=4 * MIB, spill="slow"), TierSpec("slow", "emulated", factor=2.0)


@pytest.fixture
def under_plan(make_trace: Callable[..., Trace]) -> Trace:
    """A run in which the first object was as planned, half of it never touched; the second spilled; and the third was not named."""
    counted = [dict.fromkeys(TIER_COUNTERS, 0) | {"peak_bytes": 4 * MIB, "peak_of_one_bytes": 3 * MIB, "spilled_allocations": 1}]
    counted += [dict.fromkeys(TIER_COUNTERS, 0) | {"peak_bytes": 2 * MIB, "peak_of_one_bytes": 2 * MIB}]
    rows = [{"peak_bytes": size * MIB, "stall_s": 1.0} for size in (3, 2, 1)]
    trace = make_trace("run", rows, counters={"tiers": counted})
    held = pd.DataFrame([(0, "dram", 3 * MIB), (1, "slow", 2 * MIB), (2, "slow", MIB)], columns=["site", "tier", "size_bytes"])
    held = held.assign(allocation=range(3), kind="malloc", weight=1.0, birth_ns=0, inherited=False, death_ns=pd.array([None] * 3, "Int64"))
    trace.write("allocations", held.assign(**{name: None for name in ALLOCATIONS.names if name not in held}))
    found = [(0, "dram", "node 0", MIB), (0, "dram", "absent", MIB), (1, "slow", "node 0", 2 * MIB)]
    places = pd.DataFrame(found, columns=["site", "tier", "place", "bytes"]).assign(huge=False, allocation=[0, 0, 1], sampled=False)
    trace.write("places", places.assign(**{name: None for name in PLACES.names if name not in places}))
    objects = PlannedObject(KEYS[0], "dram", "first", bytes=3 * MIB), PlannedObject(KEYS[1], "dram", "second", bytes=2 * MIB)
    Plan(TIERS, "slow", objects).save(trace.path / PLAN_TEXT)
    return trace


def test_the_section_says_what_was_found_of_each(under_plan: Trace) -> None:
    achieved = achieved_of(under_plan)
    assert achieved is not None
    section = achieved_section(achieved)
    # THEN what differs comes first, with its reason; what is not named last
    rows = [(own["name"], own["planned"], own["tier"], own["planned_bytes"], own["bytes"], own["differs"]) for own in section["objects"]]
    assert rows == [
        ("second", "dram", "slow", "2.0MiB", "2.0MiB", True),
        ("first", "dram", "dram", "3.0MiB", "3.0MiB", False),
        ("run_2", "slow", "slow", "", "1.0MiB", False),
    ]
    reasons = [own["reason"] for own in section["objects"]]
    assert reasons == [
        "dram was full (3.0MiB of 4.0MiB): 1 allocations (0B) of all objects went on",
        "1.5MiB never touched, or given back",
        "",
    ]
    assert section["objects"][1]["found"] == "50.0% absent, 50.0% node 0"
    assert "1 object was not where it was planned" in section["lead"]
    assert section["lead"].endswith("An emulated tier's bytes are in DRAM, and delay is injected where they are waited for.")
    assert [(own["planned"], own["held"], own["capacity"], own["found"]) for own in section["tiers"]] == [
        ("5.0MiB", "3.0MiB", "4.0MiB", "100.0%"),
        ("", "2.0MiB", "", "100.0%"),
    ]


def test_the_page_has_the_section_only_of_a_run_under_a_plan(under_plan: Trace, make_trace: Callable[..., Trace]) -> None:
    append_decision(under_plan.path, {"moved_bytes": MIB})
    page = render_page(build_report(under_plan))
    assert "<h2>Planned and achieved</h2>" in page
    assert "dram was full (3.0MiB of 4.0MiB)" in page
    assert "The online policy moved 1.0MiB in 1 steps" in page
    bare = make_trace("bare", [{"peak_bytes": MIB, "stall_s": 1.0}])
    assert achieved_of(bare) is None
    assert "Planned and achieved" not in render_page(build_report(bare))
