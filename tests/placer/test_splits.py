"""`place` splits objects whose heat is known block by block, says why, and says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tierprof.base.schema import HEAT
from tierprof.cli import main
from tierprof.placer.baseline_plans import make_placement
from tierprof.placer.plan import Plan
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

MIB = 1 << 20
FAST, SLOW = TierSpec("dram"), TierSpec("slow", "emulated", factor=2.5)


def write_heat(trace: Trace, allocation: int, site: int, weights: list[float], block_bytes: int = MIB) -> None:
    """So many samples that it makes no difference which of them choose."""
    share = np.array(weights) / sum(weights)
    rows = pd.DataFrame({"block": np.arange(len(weights)), "samples": share * 1e7, "stall_s": share})
    others = {"allocation": allocation, "site": site, "block_bytes": block_bytes, "writes": 0.0, "misses": np.nan}
    frame = rows.assign(**others, allocations=1, located_share=1.0)
    trace.write("heat", frame[HEAT.names])


@pytest.fixture
def trace(make_trace: Callable[..., Trace]) -> Trace:
    """A table of 64 MiB whose blocks 10 to 12 take most of its waiting, and an array of 8 MiB that is waited for less."""
    objects = [{"peak_bytes": 64 * MIB, "stall_s": 5.0}, {"peak_bytes": 8 * MIB, "stall_s": 1.0}]
    made = make_trace("run", objects, allocations=[(0, 64 * MIB, 0, None), (1, 8 * MIB, 0, None)])
    write_heat(made, 0, 0, [0.5] * 10 + [20.0] * 3 + [0.5] * 51)
    return made


def test_a_table_that_does_not_fit_is_split_and_the_plan_says_why(trace: Trace) -> None:
    placement = make_placement(trace, FAST, SLOW, "16MiB", by="stall_share")
    # THEN beside the array as much of the table is in DRAM as there is room for: its hot blocks, and five others
    assert placement.fast_peak_bytes == 16 * MIB
    array, table = placement.plan.objects
    assert (array.tier, array.parts) == ("dram", ())
    hot = 3 * 20.0 + 5 * 0.5
    share = hot / (3 * 20.0 + 61 * 0.5)
    assert table.tier == "slow"
    assert sum((part.end or 0) - part.start for part in table.parts) == 8 * MIB
    assert all(part.tier == "dram" for part in table.parts)
    assert any(part.start <= 10 * MIB and (part.end or 0) >= 13 * MIB for part in table.parts)
    assert table.reason.startswith(f"split: 8.0MiB of 64.0MiB take {share:.1%} of its waiting; ".replace("%", "%"))
    # and each part has its share of the object's effect: 1.5 times its waiting in this tier
    assert table.predicted_effect_s == 7.5
    assert table.effect_outside_s("dram") == pytest.approx(7.5 * (1 - share), abs=1e-4)
    # and what it is worth is told beside what whole objects are, and what no plan can be
    assert placement.split is not None
    assert placement.split.objects == 1
    assert placement.split.whole_share == pytest.approx(1 / 6)
    assert placement.split.share == pytest.approx((1 + 5 * share) / 6)
    assert placement.split.bound_share == pytest.approx((1 + 5 * share) / 6)
    assert placement.optimal


def test_without_splits_the_plan_is_that_of_whole_objects(trace: Trace) -> None:
    placement = make_placement(trace, FAST, SLOW, "16MiB", by="stall_share", split=False)
    array, table = placement.plan.objects
    assert (array.tier, table.tier, table.parts) == ("dram", "slow", ())
    assert table.reason.endswith("; larger than the budget")
    assert placement.split is None


def test_by_an_order_nothing_is_split(trace: Trace) -> None:
    placement = make_placement(trace, FAST, SLOW, "16MiB", by="size")
    assert all(not own.parts for own in placement.plan.objects)


@pytest.mark.parametrize(
    ("sizes", "heat", "why"),
    [
        ([64, 64], False, "its heat by block is not known"),
        ([64, 32, 16, 8, 4], True, "its allocations are of 5 sizes"),
        ([64], True, ""),
    ],
)
def test_a_table_that_is_not_split_says_why(make_trace: Callable[..., Trace], sizes: list[int], heat: bool, why: str) -> None:
    # GIVEN a table that is larger than the budget, of which no heat is known, or whose allocations are no copies of each other
    made = make_trace("run", [{"peak_bytes": 64 * MIB, "stall_s": 5.0}], allocations=[(0, size * MIB, 0, None) for size in sizes])
    write_heat(made, 0, 0 if heat else 7, [1.0] * 64)
    (table,) = make_placement(made, FAST, SLOW, "16MiB", by="stall_share").plan.objects
    assert bool(table.parts) == (why == "")
    assert table.reason.endswith(f"larger than the budget; not split: {why}" if why else "larger than the budget")


def test_allocations_of_two_sizes_are_split_alike(make_trace: Callable[..., Trace]) -> None:
    # GIVEN two tables of one site, as an optimizer's states are, both hot at their beginning
    made = make_trace("run", [{"peak_bytes": 80 * MIB, "stall_s": 5.0}], allocations=[(0, 64 * MIB, 0, None), (0, 16 * MIB, 1, None)])
    write_heat(made, 0, 0, [20.0] * 4 + [0.5] * 60)
    placement = make_placement(made, FAST, SLOW, "12MiB", by="stall_share")
    # THEN the hot part of both is in fast memory, and what else there is room for, of one or of both
    (table,) = placement.plan.objects
    assert table.parts[0].start == 0
    assert placement.fast_peak_bytes == 12 * MIB
    took = [sum(min(part.end or 0, size) - min(part.start, size) for part in table.parts) for size in (64 * MIB, 16 * MIB)]
    assert sum(took) == 12 * MIB
    assert table.reason.startswith("split: 12.0MiB of 80.0MiB ")


def test_even_heat_is_worth_what_there_is_room_for(make_trace: Callable[..., Trace]) -> None:
    made = make_trace("run", [{"peak_bytes": 64 * MIB, "stall_s": 5.0}], allocations=[(0, 64 * MIB, 0, None)])
    write_heat(made, 0, 0, [1.0] * 64)
    (table,) = make_placement(made, FAST, SLOW, "16MiB", by="stall_share").plan.objects
    assert len(table.parts) == 1
    assert (table.parts[0].end or 0) - table.parts[0].start == 16 * MIB
    assert table.reason.startswith("split: 16.0MiB of 64.0MiB take 25.0% of its waiting; ")


def test_the_verb_tells_splits_and_leaves_them_out_when_told_to(trace: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.plan"
    words = ["place", str(trace.path), "--budget", "dram=16MiB", "-o", str(path)]
    assert main([*words, "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    (split,) = [own for own in facts["objects"] if own["parts"]]
    assert tuple(PlannedPart(**part) for part in split["parts"]) == Plan.load(path).objects[1].parts
    assert facts["split"]["objects"] == 1
    assert main(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "1 object is split: worth " in told
    assert "(fractional relaxation, block by block)" in told
    # THEN the split object is shown although only one object is asked for, and the array comes before it
    assert main([*words, "--top", "1"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "slow, 1 part in dram" in told
    assert "split: 8.0MiB of 64.0MiB" in told
    assert main([*words, "--no-split", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["split"] is None
    assert not any(own["parts"] for own in facts["objects"])
