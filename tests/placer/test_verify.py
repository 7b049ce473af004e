"""What a verification says of what was measured and found."""

from dataclasses import replace

import pandas as pd
import pytest

from tierprof.models.bootstrap import Interval
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.placer.verify import Verification, predicted_loss

MIB = 1 << 20
EFFECT = Interval(1.0, 0.5, 1.5)

TIERS = pd.DataFrame(
    [("dram", "dram", 30 * MIB, 60 * MIB, 32.0 * MIB), ("slow", "emulated:2", 8 * MIB, 8 * MIB, float("nan"))],
    columns=["tier", "spec", "peak_of_one_bytes", "peak_bytes", "capacity_bytes"],
)
OBJECTS = pd.DataFrame(
    [("a", "dram", "dram", 30 * MIB, True), ("b", "slow", "slow", 8 * MIB, True)],
    columns=["site", "planned", "tier", "planned_bytes", "as_planned"],
)
GOOD = Verification(1.2, EFFECT, EFFECT, EFFECT, EFFECT, EFFECT, TIERS, OBJECTS, 5, 0.968)


def absent(size_bytes: int) -> pd.DataFrame:
    missing = pd.DataFrame([("c", "slow", None, size_bytes, False)], columns=OBJECTS.columns)
    return pd.concat([OBJECTS, missing], ignore_index=True)


@pytest.mark.parametrize(
    ("result", "effect", "bytes_", "verdicts"),
    [
        (GOOD, True, True, ["verified: every object was where it was planned, and the effect is as predicted"]),
        (replace(GOOD, predicted_s=None), True, True, ["verified: every object was where it was planned, and it predicts no effect"]),
        (
            replace(GOOD, predicted_s=9.0),
            False,
            True,
            ["not verified, effect differs: the measured interval does not hold what the plan predicts"],
        ),
        (
            replace(GOOD, predicted_s=9.0, repeats=3, confidence=0.9),
            True,
            True,
            ["verified: every object was where it was planned, and the effect is not judged: that takes 4 runs of each kind"],
        ),
        (
            replace(GOOD, objects=OBJECTS.assign(as_planned=[True, False])),
            True,
            False,
            ["not verified, places differ: 1 object was not where it was planned"],
        ),
        (
            replace(GOOD, objects=absent(MIB)),
            True,
            True,
            ["verified: every object that was allocated was where it was planned, and the effect is as predicted"],
        ),
        (
            replace(GOOD, objects=absent(16 * MIB)),
            True,
            False,
            ["not verified, objects missing: more than a tenth of the plan's bytes was never allocated (1 of its objects)"],
        ),
        (
            replace(GOOD, predicted_s=-3.0, tiers=TIERS.assign(peak_of_one_bytes=40 * MIB)),
            False,
            False,
            [
                "not verified, over capacity: dram held more than the plan allows",
                "not verified, effect differs: the measured interval does not hold what the plan predicts",
            ],
        ),
    ],
)
def test_each_verdict_has_its_line(result: Verification, effect: bool, bytes_: bool, verdicts: list[str]) -> None:
    assert (result.effect_as_predicted, result.bytes_as_planned, result.verdicts()) == (effect, bytes_, verdicts)


def test_a_plan_predicts_what_it_leaves_in_slower_tiers() -> None:
    tiers = TierSpec("dram"), TierSpec("slow", "emulated", factor=2.0)
    rows = [("1", "dram", 5.0), ("2", "slow", 0.5), ("3", "slow", None), ("4", "slow", 0.25)]
    objects = tuple(PlannedObject(site * 32, tier, predicted_effect_s=effect) for site, tier, effect in rows)
    assert predicted_loss(Plan(tiers, "dram", objects)) == 0.75
    assert predicted_loss(Plan(tiers, "dram", objects[2:3])) is None
