"""The demo's sentences: what they claim follows from the rounds, for the learned plan and against it."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import parse_tier

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NOISE = np.array([-0.05, 0.0, 0.05, 0.02, -0.02])
TIER = "emulated:2.5"


@pytest.fixture
def demo_rounds(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import demo_rounds

    return demo_rounds


def sentences(module: ModuleType, medians: Mapping[str, float]) -> list[str]:
    rounds = module.Rounds([], Path())
    rounds.seconds = {way.plan: list(medians[way.plan] + NOISE) for way in module.WAYS}
    return list(module.conclusions(rounds, TIER))


def test_share_saved_and_the_tier(demo_rounds: ModuleType) -> None:
    # GIVEN a plan that takes back three of the four seconds that the slow tier costs
    said = sentences(demo_rounds, {"dram": 4.0, "slow": 8.0, "learned": 5.0, "first-come": 7.0, "size": 6.0, "stall": 5.0})
    # THEN the first sentence says so, and that the tier is emulated
    assert "saves 75.0% [" in said[0]
    assert "of the 4.00s [" in said[0]
    assert "emulated (emulated:2.5)" in said[0]


def test_baselines_that_lose_tie_and_win(demo_rounds: ModuleType) -> None:
    said = sentences(demo_rounds, {"dram": 4.0, "slow": 8.0, "learned": 5.0, "first-come": 7.0, "size": 5.0, "stall": 4.5})
    assert said[1].startswith("The learned plan beats 'first come, first served' by 2.00")
    assert said[2].startswith("'by size' is as good as the learned plan")
    assert said[3].startswith("'by stall share' is better than the learned plan, by 0.50s [0.")


def test_no_winner_that_loses_a_round(demo_rounds: ModuleType) -> None:
    # GIVEN a baseline whose interval lies below the learned plan's, though it lost one round
    rounds = demo_rounds.Rounds([], Path())
    rounds.seconds = {way.plan: [5.0 + 2 * (way.plan == "slow")] * 20 for way in demo_rounds.WAYS}
    rounds.seconds["size"] = [4.5] * 19 + [5.5]
    assert rounds.difference(demo_rounds.SIZE, demo_rounds.LEARNED).high < 0
    # THEN it is not called better
    rounds.seconds["dram"] = [4.0] * 20
    assert next(line for line in demo_rounds.conclusions(rounds, TIER) if "'by size'" in line).startswith("'by size' is as good")


def test_same_plan_is_no_contest(demo_rounds: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN plans of which one differs from the learned one in its reasons only, and another in one object
    for way in demo_rounds.WAYS:
        tiers = (parse_tier("dram=dram"), parse_tier("slow=emulated:2.5"))
        hot = PlannedObject("0" * 32, "slow" if way.plan == "size" else "dram", reason=way.title)
        Plan(tiers, "slow", (hot,)).save(tmp_path / f"{way.plan}.plan")
    monkeypatch.setattr(demo_rounds, "run_rounds", lambda *_: None)
    rounds = demo_rounds.Rounds([], tmp_path)
    # WHEN they are compared, in rounds that favour the one
    rounds.run(5)
    medians = {"dram": 4.0, "slow": 8.0, "learned": 5.0, "first-come": 7.0, "size": 6.0, "stall": 4.5}
    rounds.seconds = {plan: list(median + NOISE) for plan, median in medians.items()}
    said = list(demo_rounds.conclusions(rounds, TIER))
    # THEN equal plans do not win or lose against each other
    assert said[2].startswith("The learned plan beats 'by size'")
    assert said[3].startswith("'by stall share' puts every object where the learned plan does: the -0.50s [")


def test_no_loss_no_claim(demo_rounds: ModuleType) -> None:
    said = sentences(demo_rounds, dict.fromkeys(("dram", "slow", "learned", "first-come", "size", "stall"), 4.0))
    assert len(said) == 1
    assert "cannot be told from nothing" in said[0]
    assert "saves" not in said[0]


def test_rounds_are_interleaved_and_reproducible(demo_rounds: ModuleType) -> None:
    import common

    order = list(common.interleaved(("a", "b", "c"), 20))
    assert order == list(common.interleaved(("a", "b", "c"), 20))
    rounds = [tuple(name for number, name in order if number == one) for one in range(20)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1


def test_pairs_stay_together(demo_rounds: ModuleType) -> None:
    """A drift that both columns share must not widen the interval of their ratio."""
    import common

    drift = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    interval = common.paired_interval(np.divide, 2 * drift, drift)
    assert interval == (2.0, 2.0, 2.0)


def test_timing_keeps_status_and_output(demo_rounds: ModuleType) -> None:
    import common

    assert common.timed(["sh", "-c", "echo out; echo err >&2; exit 3"])[::3] == (3, "out\n")
    assert common.timed(["sh", "-c", "kill -9 $$"]).status == 137
