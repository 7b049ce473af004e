"""The guide of an exact trace: counted accesses, modelled costs, Memory Mode by reuse distances."""

from collections.abc import Callable
from typing import Any

import pytest

from tierprof.placer.guide.access import GATHER, STREAMING
from tierprof.placer.guide.guide import Guide, build_guide
from tierprof.placer.guide.words import AGREEMENT, MODE, lines
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

from .made import ITEM, USER

MakeGnn = Callable[..., Trace]
_TABLES = ("threads", "objects", "episodes", "nodes", "reuse")


@pytest.fixture
def exact_gnn(gnn: MakeGnn, exact_file: Callable[..., Any]) -> Trace:
    """The user table is read at random, 10 000 lines waited for; of the item table 40 000 lines are prefetched."""
    run = exact_file("cores 1\nl3_bytes 2097152\n")
    run.object(USER, loads=50_000, l1_misses=10_000, l2_misses=10_000, far_loads=10_000, read_blocks=10_000)
    run.object(ITEM, loads=300_000, prefetched_lines=40_000, prefetched_used=40_000, far_loads=100, read_blocks=10_000)
    run.episode([(USER, 0, 3, 1)], count=10_000, base_cycles=600_000, instructions=900_000, misses=10_000)
    run.episode([(ITEM, 0, 3, 1)], count=100, base_cycles=6_000, instructions=9_000, misses=100)
    run.thread(instructions=1_000_000, loads=350_000, base_cycles=500_000)
    run.slice(1_000_000, weight=1.0)
    run.reuse(USER, 64, 2**22, {12: 9000.0}).reuse(ITEM, 64, 2**20, {0: 1.0})
    profile = ExactProfile.from_bytes(run.end().bytes())
    trace = gnn("exact", seen=(), source="exact", samples=0, shares={}, rate_hz=None)
    for table in _TABLES:
        trace.write(f"exact_{table}", getattr(profile, table))
    objects = trace.objects().assign(accesses=[50_000, 300_000, 0, 0, 0, 0, 0], stall_s=0.0, stall_share=0.0)
    trace.write("objects", objects)
    trace.meta["exact"] = {"machine": "optane100-x6", "config": profile.config, "region": None, "interval": None, "cut": False}
    trace.write_meta()
    return Trace.open(trace.path)


def _guide(trace: Trace, *against: Trace) -> Guide:
    found = build_guide(trace, against=against)
    assert found is not None
    return found


def test_shares_costs_and_ways_are_the_models_and_the_counts(exact_gnn: Trace) -> None:
    guide = _guide(exact_gnn)
    rows = {row.site: row for row in guide.rows}
    assert guide.prediction is not None and guide.prediction.labels is not None
    labels = guide.prediction.labels.objects.set_index("object")
    user = labels.loc[USER]
    # THEN a share is what the object alone in the slow tier adds, of the run with everything there
    assert rows[USER].cost is not None
    assert rows[USER].cost.value == pytest.approx(user["alone_slow_s"] - user["all_fast_s"])
    assert rows[USER].stall_share == pytest.approx(rows[USER].cost.value / user["all_slow_s"])
    assert (rows[USER].access.kind, rows[ITEM].access.kind) == (GATHER, STREAMING)
    assert rows[USER].access.why == "10k lines fetched; gather 100%; a jump each 64B"


def test_memory_mode_is_the_models(exact_gnn: Trace) -> None:
    guide = _guide(exact_gnn)
    assert guide.prediction is not None and guide.contests is not None
    assert {row.dram_bytes: row.memory_mode for row in guide.contests.rows} == dict(guide.prediction.memory_mode)
    texts = [line.text for line in lines(guide) if line.topic == MODE]
    assert texts[-1] == "These rest on: both timed by the model from the trace's reuse distances."


def test_the_other_run_is_held_against_it(exact_gnn: Trace, gnn: MakeGnn) -> None:
    # GIVEN a sampled run that waits for users first, and an exact one that waits for users first
    for own, other in ((exact_gnn, gnn("sampled")), (gnn("again"), exact_gnn)):
        waits, costs = [line for line in lines(_guide(own, other)) if line.topic == AGREEMENT]
        # THEN of what the exact run touched the leaders are the same by either measure, whichever the report is about
        assert (waits.figures["by"], waits.figures["agrees"]) == ("wait", True)
        assert (costs.figures["by"], costs.figures["agrees"]) == ("cost", True)
        ran = "the top 3 tensors of the sampled run and of the exact one (exact.trace) agree: model.user"
        assert waits.text.startswith(f"By how long they are waited for in fast memory, {ran}")
        assert costs.text.startswith(f"By what each alone costs in optane100-x6, {ran}")


def test_leaders_that_differ_are_told_with_their_place_in_the_other_run(exact_gnn: Trace, gnn: MakeGnn) -> None:
    # GIVEN a sampled run with a leader more, which the exact one accesses, too, but never waits for
    objects = exact_gnn.objects()
    exact_gnn.write("objects", objects.assign(accesses=[50_000, 300_000, 50_000, 0, 0, 0, 0]))
    waits, costs, why = [line for line in lines(_guide(gnn("sampled"), exact_gnn)) if line.topic == AGREEMENT]
    for line in (waits, costs):
        # THEN it says so, how many leaders they share, and where the exact run has the third
        assert (line.figures["agrees"], line.figures["open"], line.figures["common"]) == (False, False, 2)
        assert "DO NOT agree (2 of 3 in common): model.user.weight 50%, model.item.weight 33%, model.user.weight.grad 17%" in line.text
        assert "model.user.weight.grad 17% (exact: none); exact: model.user.weight" in line.text
    # AND what the two measure differently
    assert why.text.startswith("Samples take hits in L2")
