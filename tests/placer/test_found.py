"""Places are judged by what the tier is, and summed by object."""

from pathlib import Path

import pandas as pd
import pytest

from tierprof.placer.found import found_by_object, judge
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

DRAM, PMEM, NODE = TierSpec("dram"), TierSpec("pm", "pmem", folder=Path("/pm")), TierSpec("cxl", "node", node=1)
HUGE, EMULATED = TierSpec("big", "huge"), TierSpec("slow", "emulated", factor=2.0)
PLAN = Plan((DRAM, PMEM, NODE, HUGE, EMULATED), "dram")


@pytest.mark.parametrize(
    ("tier", "place", "huge", "verdict"),
    [
        ("dram", "node 0", False, "in place"),
        ("dram", "node 2", True, "in place"),
        ("dram", "node 1", False, "astray"),  # which is another tier's
        ("dram", "file on node 0", False, "astray"),
        ("pm", "file", False, "in place"),
        ("pm", "file on node 0", False, "in place"),
        ("pm", "node 0", False, "astray"),
        ("cxl", "node 1", False, "in place"),
        ("cxl", "node 0", False, "astray"),
        ("big", "node 0", True, "in place"),
        ("big", "node 0", False, "astray"),
        ("slow", "node 0", False, "in place"),
        ("slow", "absent", False, "absent"),
        ("cxl", "unknown", False, "unknown"),
    ],
)
def test_a_place_is_judged_by_what_the_tier_is(tier: str, place: str, huge: bool, verdict: str) -> None:
    assert judge(PLAN)(tier, place, huge) == verdict


def test_found_bytes_are_summed_by_object_and_tier() -> None:
    # GIVEN two allocations of one object, partly on the wrong node, and one of another object
    rows = [
        ("a", "cxl", "node 1", False, 60),
        ("a", "cxl", "node 0", False, 20),
        ("a", "cxl", "node 1", False, 10),
        ("a", "cxl", "absent", False, 10),
        ("b", "big", "node 0", True, 40),
        ("b", "dram", "unknown", False, 5),
    ]
    table = found_by_object(pd.DataFrame(rows, columns=["site", "tier", "place", "huge", "bytes"]), PLAN)
    sizes = ["asked_bytes", "found_bytes", "astray_bytes", "absent_bytes", "unknown_bytes"]
    # THEN each is told exactly, and in words by place
    assert table.loc[("a", "cxl"), sizes].tolist() == [100, 70, 20, 10, 0]
    assert table.loc[("b", "big"), sizes].tolist() == [40, 40, 0, 0, 0]
    assert table.loc[("b", "dram"), sizes].tolist() == [5, 0, 0, 0, 5]
    assert table.loc[("a", "cxl"), "found"] == "70.0% node 1, 20.0% node 0, 10.0% absent"
    assert table.loc[("b", "big"), "found"] == "100.0% node 0 huge"


def test_nothing_that_was_asked_about_is_nothing_found() -> None:
    assert found_by_object(pd.DataFrame(columns=["site", "tier", "place", "huge", "bytes"]), PLAN).empty
