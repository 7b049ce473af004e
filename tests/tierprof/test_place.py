"""`tierprof place`."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from tierprof.cli import main
from tierprof.placer.plan import Plan
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 2**20

#: hot and small, warm and large, cold and large; hot dies before late is born
OBJECTS = [
    {"peak_bytes": 40 * MIB, "stall_s": 4.0},
    {"peak_bytes": 60 * MIB, "stall_s": 3.0},
    {"peak_bytes": 90 * MIB, "stall_s": 0.0},
    {"peak_bytes": 40 * MIB, "stall_s": 2.0},
]
LIVES = [(0, 40 * MIB, 0, 100), (1, 60 * MIB, 0, 300), (2, 90 * MIB, 0, 300), (3, 40 * MIB, 150, 300)]


@pytest.fixture
def trace(make_trace: MakeTrace) -> Trace:
    return make_trace("bfs", OBJECTS, costs=[1.0, 6.0, 0.2, 2.0], allocations=LIVES)


def _place(trace: Trace, *options: str) -> Plan:
    path = trace.path.parent / "bfs.plan"
    assert main(["place", str(trace.path), "-o", str(path), *options]) == 0
    return Plan.load(path)


def _fast(plan: Plan) -> set[int]:
    return {int(own.site, 16) - 1 for own in plan.objects if own.tier == plan.fast}


def test_objects_that_never_live_together_share_the_budget(trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN 40 MiB are given THEN both hot objects have them, one after the other
    plan = _place(trace, "--by", "stall_share", "--budget", "dram=40MiB")
    assert _fast(plan) == {0, 3}
    # AND the plan says budget, spill, default, reason, effect and origin
    assert [(tier.name, tier.spec, tier.capacity_bytes, tier.spill) for tier in plan.tiers] == [
        ("dram", "dram", 40 * MIB, "slow"),
        ("slow", "emulated:2.5", None, None),
    ]
    # AND what it does not name goes where the plan says: nothing is left out here, and so nothing can crowd out what was chosen
    assert plan.default == "dram"
    assert str(plan.provenance["unnamed"]).startswith("go to dram: 0B at most")
    hot = next(own for own in plan.objects if own.site == f"{1:032x}")
    assert (hot.reason, hot.predicted_effect_s, hot.bytes) == ("waiting 40.0% of the run", pytest.approx(6.0), 40 * MIB)
    assert plan.provenance["trace"] == str(trace.path.absolute())
    assert plan.provenance["by"] == "stall_share"
    out = capsys.readouterr().out
    assert "dram: 40.0MiB of 40.0MiB at most (21% of the objects' peak of 190.0MiB)" in out
    assert "predicted: 4.5s of CPU time more than all fast, 9s less than all slow" in out


def test_a_share_is_of_the_peak_of_what_lives_at_once(trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    _place(trace, "--by", "size", "--budget", "dram=50%", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["peak_bytes"] == 190 * MIB
    assert facts["budget_bytes"] == 95 * MIB
    assert facts["optimal"] is True
    assert facts["exact"] is True
    # by size the largest is first, and nothing fits beside it
    assert facts["fast_peak_bytes"] == 90 * MIB


@pytest.mark.parametrize(("by", "chosen"), [("criticality", {1, 3}), ("stall_share", {0, 1, 3}), ("density", {0, 1, 3}), ("size", {2})])
def test_each_metric_chooses_its_own(trace: Trace, by: str, chosen: set[int]) -> None:
    budget = "dram=100MiB" if by != "criticality" else "dram=60MiB"
    expected = chosen if by != "criticality" else {1}
    assert _fast(_place(trace, "--by", by, "--budget", budget)) == expected


def test_measured_costs_become_the_reasons(trace: Trace) -> None:
    plan = _place(trace, "--by", "criticality", "--budget", "dram=60MiB")
    assert {own.reason for own in plan.objects} == {
        "measured: 1s [900ms, 1.1s]",
        "measured: 6s [5.9s, 6.1s]",
        "measured: 200ms [100ms, 300ms]; larger than the budget; not split: its heat by block is not known",
        "measured: 2s [1.9s, 2.1s]",
    }


def test_random_is_drawn_from_the_seed(trace: Trace) -> None:
    drawn = [_fast(_place(trace, "--by", "random", "--budget", "dram=60MiB", "--seed", str(seed))) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len({frozenset(own) for own in drawn}) > 1


def test_blind_plans_name_no_object(trace: Trace) -> None:
    fast, slow = _place(trace, "--by", "all-fast", "--budget", "dram=25%"), _place(trace, "--by", "all-slow", "--budget", "dram=25%")
    first = _place(trace, "--by", "first-come", "--budget", "dram=25%")
    assert fast.objects == slow.objects == first.objects == ()
    assert (fast.default, slow.default, first.default) == ("dram", "slow", "dram")
    assert fast.tiers[0].capacity_bytes is None
    assert (first.tiers[0].capacity_bytes, first.tiers[0].spill) == (int(47.5 * MIB), "slow")


def test_a_model_places_and_says_which_features_spoke(make_trace: MakeTrace, trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a model trained on three programs where cost follows stall
    rng = np.random.default_rng(2)
    traces = []
    for name in ("a", "b", "c"):
        stall = rng.dirichlet(np.full(6, 0.5)) * 8
        traces.append(make_trace(name, [{"peak_bytes": MIB, "stall_s": float(own)} for own in stall], [float(2.0 * own) for own in stall]))
    model = trace.path.parent / "model.ubj"
    assert main(["train", *(str(own.path) for own in traces), "-o", str(model), "--no-evaluation"]) == 0
    # WHEN it places the other program
    plan = _place(trace, "--model", str(model), "--budget", "dram=100MiB")
    # THEN what waits is in fast memory, the reason names features in words, and effects are the 2 s a stalled second of training
    assert _fast(plan) == {0, 1, 3}
    best = plan.objects[0]
    assert (best.site, best.reason) == (f"{1:032x}", "rank 1 of 3: 44.4% of all waiting")
    cold = next(own for own in plan.objects if own.site == f"{3:032x}")
    assert cold.reason == "no sample fell on it"
    assert sum(own.predicted_effect_s or 0.0 for own in plan.objects) == pytest.approx(18.0, rel=0.25)
    assert plan.provenance["by"] == "model"
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "8GiB"], "budget '8GiB': it names no tier; write it like dram=8GiB or dram=25%"),
        (["--budget", "dram=lots"], "'lots' is no size"),
        (["--budget", "dram=150%"], "budget '150%': a share of the peak is 0% to 100%"),
        (["--budget", "dram=25%", "--tier", "slow=tape"], "there is no kind 'tape'"),
        (["--budget", "dram=25%", "--model", "none.ubj"], "model none.ubj cannot be read"),
        (
            ["--budget", "dram=25%", "--by", "criticality", "--tier", "slow=emulated:2"],
            "it holds only intervention emulated:2.5; measure it with --slow",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_1(trace: Trace, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["place", str(trace.path), "-o", str(trace.path.parent / "x.plan"), *options]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (trace.path.parent / "x.plan").exists()


def test_a_trace_of_nothing_but_small_objects_cannot_be_placed(make_trace: MakeTrace, capsys: pytest.CaptureFixture[str]) -> None:
    small = make_trace("small", [{"peak_bytes": 100, "stall_s": 1.0}])
    assert main(["place", str(small.path), "-o", "x", "--budget", "dram=25%"]) == 1
    assert "it has no object of a page or more" in capsys.readouterr().err
