"""Leave-one-program-out, regret, and the baselines beside the model."""

from collections.abc import Callable

import numpy as np
import pytest

from tierprof.base.errors import ModelError
from tierprof.models.baselines import BASELINES, baseline_scores
from tierprof.models.dataset import Dataset, load_dataset
from tierprof.models.evaluate import MEASURES, beaten_by, evaluate, held_out_shares, ndcg, top_1
from tierprof.models.ranker import CriticalityRanker
from tierprof.placer.pack import TracePacker
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]


@pytest.fixture
def programs(make_trace: MakeTrace) -> Dataset:
    """Four programs where cost follows stall, the small objects stall most, and one program runs at two scales."""
    rng = np.random.default_rng(5)
    traces = []
    for name, program in [("a", "a"), ("b", "b"), ("c", "c"), ("d", "d"), ("d2", "d")]:
        stall = np.sort(rng.dirichlet(np.full(6, 0.5)))[::-1] * 8
        objects = [{"peak_bytes": (1 + place) << 20, "stall_s": float(own)} for place, own in enumerate(stall)]
        traces.append(make_trace(name, objects, costs=[float(1.5 * own) for own in stall], program=program))
    return load_dataset(traces)


def test_every_program_is_predicted_by_models_that_never_saw_it(programs: Dataset) -> None:
    # GIVEN a ranker that records what it is fitted on
    seen: list[set[str]] = []

    class Spy(CriticalityRanker):
        def fit(self, X, y, groups=None):  # type: ignore[no-untyped-def]
            seen.append(set(np.unique([programs.runs[group].program for group in groups])))
            return super().fit(X, y, groups=groups)

    # WHEN it is evaluated
    scores, shares = held_out_shares(programs, Spy(n_estimators=5))
    # THEN there was one fold a program, without that program
    assert seen == [{"b", "c", "d"}, {"a", "c", "d"}, {"a", "b", "d"}, {"a", "b", "c"}]
    assert len(scores) == len(shares) == 30


def test_results_hold_every_method_with_intervals_over_programs(programs: Dataset) -> None:
    results = evaluate(programs, {"model": CriticalityRanker(n_estimators=10, calibration_folds=2)}, TracePacker())
    assert set(results["method"]) == {"model", *BASELINES}
    assert set(results["programs"]) == {4}
    for measure in MEASURES:
        assert (results[f"{measure}_low"] <= results[measure]).all()
        assert (results[measure] <= results[f"{measure}_high"]).all()
    # the oracle has no regret, nor has what costs follow; size and chance have
    regret = results.set_index("method")["regret_25%"]
    assert regret["oracle"] == regret["stall_share"] == 0
    assert regret["size"] > 0.1
    assert regret["random"] > 0.05
    assert (results.filter(like="regret").to_numpy() >= -1e-12).all()
    assert results["regret_25%"].is_monotonic_increasing


def test_regret_of_a_known_choice(make_trace: MakeTrace) -> None:
    # GIVEN two equal programs: objects of 100, 100 and 200 bytes that cost 1, 3 and 4 s, where stall blames the first
    objects = [{"peak_bytes": 100, "stall_s": 5.0}, {"peak_bytes": 100, "stall_s": 1.0}, {"peak_bytes": 200, "stall_s": 1.0}]
    data = load_dataset([make_trace(name, objects, costs=[1.0, 3.0, 4.0]) for name in ("a", "b")])
    # WHEN the budget is a quarter of the peak: 100 bytes
    results = evaluate(data, {"model": CriticalityRanker(n_estimators=5)}, TracePacker()).set_index("method")
    # THEN stall keeps the first and loses 7 of 8 s where the best plan loses 5
    assert results.loc["stall_share", "regret_25%"] == pytest.approx(2 / 8, rel=0.01)
    # AND at half of the peak stall keeps the first two for 4 s, as good as the best
    assert results.loc["stall_share", "regret_50%"] == pytest.approx(0.0, abs=0.01)
    assert results.loc["stall_share", "top_1"] == 0
    assert results.loc["size", "top_1"] == 1


def test_one_program_cannot_be_evaluated(make_trace: MakeTrace) -> None:
    data = load_dataset([make_trace("a", [{"peak_bytes": 1, "stall_s": 1.0}], costs=[1.0])])
    with pytest.raises(ModelError, match="all labels come from one program, a"):
        held_out_shares(data, CriticalityRanker())


def test_beaten_by_names_baselines_that_do_no_worse(programs: Dataset) -> None:
    results = evaluate(programs, {"model": CriticalityRanker(n_estimators=10, calibration_folds=2)}, TracePacker())
    results.loc[results["method"] == "model", "regret_25%"] = 0.2
    better = set(results.loc[results["regret_25%"] <= 0.2, "method"]) - {"model", "oracle"}
    assert set(beaten_by(results, "model")) == better
    assert "stall_share" in better


def test_top_1_shares_ties() -> None:
    assert top_1(np.array([1.0, 3.0, 2.0]), np.array([0.1, 0.8, 0.1])) == 1.0
    assert top_1(np.array([1.0, 3.0, 3.0]), np.array([0.1, 0.8, 0.1])) == 0.5


def test_ndcg_of_known_orders() -> None:
    shares = np.array([0.5, 0.05, 0.0])
    assert ndcg(np.array([3.0, 2.0, 1.0]), shares) == pytest.approx(1.0)
    # grades 4, 2, 0 have gains 15, 3, 0
    worst = (3 / np.log2(3) + 15 / np.log2(4)) / (15 + 3 / np.log2(3))
    assert ndcg(np.array([1.0, 2.0, 3.0]), shares) == pytest.approx(worst)
    assert ndcg(np.array([1.0]), np.array([0.7])) == 1.0


def test_baselines_read_their_columns(make_trace: MakeTrace) -> None:
    objects = make_trace("a", [{"peak_bytes": 2**30, "stall_s": 2.0}, {"peak_bytes": 2**31, "stall_s": 1.0}]).objects()
    assert baseline_scores("size", objects).tolist() == [2**30, 2**31]
    assert baseline_scores("stall_share", objects).tolist() == [0.2, 0.1]
    assert baseline_scores("density", objects).tolist() == pytest.approx([0.2, 0.05])
    assert baseline_scores("accesses", objects).tolist() == [1000, 500]
    assert (baseline_scores("random", objects, 1) != baseline_scores("random", objects, 2)).all()
