"""Memory Mode against explicit placement."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.guide import build_guide
from tierprof.placer.guide.memory_mode import EXPLICIT, MEMORY_MODE, NEITHER, Contests, _independent_misses, contests
from tierprof.placer.guide.words import MODE, lines
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.predict.prediction import predict_trace
from tierprof.placer.tiers import parse_tier
from tierprof.profiler.trace import Trace

from .made import ITEM, MIB, USER

MakeGnn = Callable[..., Trace]


def _contests(trace: Trace, budget_bytes: int | None = None, machine: str = "optane100-x6") -> Contests:
    own = Machine.load(machine)
    return contests(trace, own, predict_trace(trace, own, budgets=11), budget_bytes)


def test_only_optane_has_it(gnn: MakeGnn) -> None:
    found = _contests(gnn(), machine="cxl")
    assert found.rows == ()
    assert "has no Memory Mode" in found.why


def test_of_samples_it_is_an_interval_between_two_ends(gnn: MakeGnn) -> None:
    rows = _contests(gnn(), 200 * MIB).rows
    assert rows[0].dram_bytes == 200 * MIB
    assert len(rows) == 3
    for row in rows:
        assert row.memory_mode.low <= row.memory_mode.value <= row.memory_mode.high
        assert row.memory_mode.value >= 10.0
    # More DRAM never makes either slower.
    assert all(more.memory_mode.value <= less.memory_mode.value for less, more in pairwise(rows))
    assert all(more.explicit.value <= less.explicit.value for less, more in pairwise(rows))


def test_the_difference_is_that_of_the_two(gnn: MakeGnn) -> None:
    for row in _contests(gnn()).rows:
        mode, own, difference = row.memory_mode, row.explicit, row.difference_s
        assert difference.value == pytest.approx(mode.value - own.value)
        assert difference.low <= difference.value <= difference.high
        # What both share of an error is not in it.
        assert difference.high - difference.low < (mode.high - mode.low) + (own.high - own.low)
        assert row.winner == (EXPLICIT if difference.low > 0 else MEMORY_MODE if difference.high < 0 else NEITHER)


def test_at_its_own_budget_a_plan_is_timed(gnn: MakeGnn) -> None:
    # GIVEN a plan that leaves everything in the slow tier
    trace = gnn()
    keys = trace.objects()["key"]
    tiers = (replace(parse_tier("dram=dram"), capacity_bytes=300 * MIB), parse_tier("slow=emulated:2.5"))
    plan = Plan(tiers, "slow", (PlannedObject(str(keys[0]), "slow"),))
    guide = build_guide(trace, plan)
    assert guide is not None and guide.contests is not None and guide.prediction is not None
    rows = {row.dram_bytes: row for row in guide.contests.rows}
    # THEN that is what Memory Mode is held against there, and the best plan elsewhere
    assert guide.prediction.planned is not None
    assert rows[300 * MIB].explicit == pytest.approx(guide.prediction.planned.time)
    assert all(row.explicit.value < rows[300 * MIB].explicit.value for size, row in rows.items() if size != 300 * MIB)


@pytest.mark.parametrize("lines_held", [1, 10, 1000])
def test_independent_references_miss_as_a_simulated_cache_does(lines_held: int) -> None:
    # GIVEN ten hot lines and a thousand cold ones, each in a place of its own choice of a direct-mapped cache
    rng = np.random.default_rng(1)
    heat = np.array([90.0] * 10 + [0.1] * 1000)
    table = pd.DataFrame({"column": [0] * 10 + [1] * 1000, "bytes": 64.0, "heat": heat})
    misses, uses = np.zeros(2), np.zeros(2)
    for _ in range(20):
        place = rng.integers(0, lines_held, len(heat))
        drawn = rng.choice(len(heat), 20_000, p=heat / heat.sum())
        held = np.full(lines_held, -1)
        for line in drawn:
            uses[int(line >= 10)] += 1
            misses[int(line >= 10)] += held[place[line]] != line
            held[place[line]] = line
    # THEN the formula says what it does, as far as a mean over places can: from above, and near
    expected = _independent_misses(table, 2, lines_held * 64)
    assert (expected >= misses / uses - 0.03).all()
    assert expected[0] == pytest.approx(misses[0] / uses[0], abs=0.2)
    assert expected[0] < expected[1]


def test_heat_by_block_narrows_it(gnn: MakeGnn) -> None:
    # GIVEN heat on one block of each table
    whole = _contests(gnn("whole"), 64 * MIB).rows[0]
    trace = gnn("blocks")
    rows = [(0, USER, 2**21, 3, 3.0), (1, ITEM, 2**21, 5, 2.0)]
    heat = pd.DataFrame(rows, columns=["allocation", "site", "block_bytes", "block", "stall_s"])
    trace.write("heat", heat.assign(samples=100.0, writes=0.0, misses=np.nan, allocations=1, located_share=1.0))
    blocks = _contests(trace, 64 * MIB).rows[0]
    # THEN the low end knows that they stay in the cache
    assert blocks.memory_mode.low < whole.memory_mode.low


def test_the_lines_give_both_predictions(gnn: MakeGnn) -> None:
    guide = build_guide(gnn())
    assert guide is not None and guide.contests is not None
    texts = [line.text for line in lines(guide) if line.topic == MODE]
    assert len(texts) == len(guide.contests.rows) + 1
    assert all("Memory Mode" in text and "explicit placement" in text for text in texts[:-1])
    assert "bandwidth is unknown" in texts[-1]
