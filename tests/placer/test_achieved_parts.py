"""Objects with parts: what was planned and where it was, from real runs; a part that is astray is never passed over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tierprof.placer.achieved import objects_achieved
from tierprof.placer.achieved_parts import parts_held
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.summary import tier_summary
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.trace import Trace

MIB = 1 << 20
SIZE = 16 * MIB
KEY = "1" * 32
Run = Callable[[Plan], Trace]


@pytest.fixture
def command(compile_program: Callable[..., Path]) -> list[str]:
    return [str(compile_program("place_parts")), str(SIZE), "2"]


@pytest.fixture
def site(tmp_path: Path, command: list[str]) -> str:
    """Key of the program's one site of large objects."""
    assert session.run(command, tmp_path / "first.trace", LaunchOptions(source="none")).exit_status == 0
    objects = Trace.open(tmp_path / "first.trace").objects()
    return str(objects.loc[objects["largest_bytes"] == SIZE, "key"].iloc[0])


@pytest.fixture
def run(tmp_path: Path, command: list[str]) -> Run:
    """A trace of a run under a plan."""

    def one(plan: Plan) -> Trace:
        env = enforcement_env(plan, tmp_path / "plan", None)
        options = LaunchOptions(source="none", env=env, plan=None, tiers=tuple(tier.name for tier in plan.tiers))
        assert session.run(command, tmp_path / "second.trace", options).exit_status == 0
        return Trace.open(tmp_path / "second.trace")

    return one


@pytest.fixture
def slow(tmp_path: Path) -> TierSpec:
    (tmp_path / "memory").mkdir()
    return TierSpec("slow", "pmem", folder=tmp_path / "memory")


def plan_of(site: str, slow: TierSpec, dram: TierSpec, *parts: tuple[int, int | None]) -> Plan:
    planned = tuple(PlannedPart(start, end, "dram") for start, end in parts)
    return Plan((dram, slow), "dram", (PlannedObject(site, "slow", "table", bytes=SIZE, parts=planned),))


def test_a_run_that_kept_its_parts_is_as_planned(site: str, slow: TierSpec, run: Run) -> None:
    # GIVEN a run under a plan that keeps two ranges of an object in DRAM
    plan = plan_of(site, slow, TierSpec("dram"), (2 * MIB, 4 * MIB), (15 * MIB, None))
    trace = run(plan)
    # THEN its allocations are rows by tier, each byte once, and each allocation counts once
    allocations = trace.frame("allocations")
    own = allocations[allocations["site"].map(trace.frame("sites", ["site", "key"]).set_index("site")["key"]) == site]
    assert (len(own), own["weight"].sum()) == (3 * 4, 3)
    assert own.groupby("tier")["size_bytes"].sum().to_dict() == {"dram": 3 * 3 * MIB, "slow": 3 * 13 * MIB}
    assert own.groupby("birth_ns")["size_bytes"].sum().tolist() == [SIZE] * 3
    assert trace.frame("moves").empty
    # and the plan was kept, in both tiers
    table = objects_achieved(trace, plan).set_index("tier")
    columns = ["planned", "planned_bytes", "peak_bytes", "found_bytes", "astray_bytes", "as_planned", "reason"]
    assert table.loc["dram", columns].tolist() == ["dram", 3 * MIB, 3 * MIB, 3 * MIB, 0, True, ""]
    assert table.loc["slow", columns].tolist() == ["slow", 13 * MIB, 13 * MIB, 13 * MIB, 0, True, ""]
    assert table["allocations"].sum() == 3
    assert tier_summary(trace, plan).set_index("tier")["planned_bytes"].to_dict() == {"dram": 3 * MIB, "slow": 13 * MIB}


def test_a_part_that_spilled_is_not_as_planned_however_small_it_is(site: str, slow: TierSpec, run: Run) -> None:
    # GIVEN a run whose DRAM had room for none of 256 KiB
    plan = plan_of(site, slow, TierSpec("dram", capacity_bytes=64 << 10, spill="slow"), (8 * MIB, 8 * MIB + (256 << 10)))
    table = objects_achieved(run(plan), plan)
    # THEN the slow tier held all of the object, and more than belongs there
    assert table[["tier", "planned", "as_planned"]].to_numpy().tolist() == [["slow", "slow", False]]
    assert table["reason"].iloc[0].startswith("768.0KiB of its parts, in all of its allocations, belong to dram: dram was full (")


def test_ranges_count_and_not_sums(site: str, slow: TierSpec, run: Run) -> None:
    # GIVEN a run that kept a plan, held against one that wants as many bytes of another range
    kept = plan_of(site, slow, TierSpec("dram"), (0, 4 * MIB))
    trace = run(kept)
    other = plan_of(site, slow, TierSpec("dram"), (1 * MIB, 5 * MIB))
    table = objects_achieved(trace, other).set_index("tier")
    assert not table["as_planned"].any()
    assert table.loc["dram", "reason"] == "3.0MiB of its parts, in all of its allocations, belong to slow: the record does not say why"


def test_parts_that_moved_later_are_not_held_against_the_plan() -> None:
    # GIVEN an allocation born in two parts, of which one moved, and another that was born whole
    rows = pd.DataFrame(
        [(0, 4096, 10, "dram", 1.0), (4096, 4096, 10, "slow", 0.0), (0, 4096, 20, "slow", 0.0), (65536, 8192, 15, "slow", 1.0)],
        columns=["address", "size_bytes", "birth_ns", "tier", "weight"],
    ).assign(site=KEY)
    own = PlannedObject(KEY, "slow", bytes=8192, parts=(PlannedPart(0, 4096, "dram"),))
    held = parts_held(Plan((TierSpec("dram"), TierSpec("slow", "emulated", factor=2.0)), "dram", (own,)), rows)
    # THEN what was born is judged: half of what belongs to DRAM was born in the slow tier
    assert held[KEY, "dram"] == ("dram", 4096, ())
    assert held[KEY, "slow"] == ("slow", 4096, (("dram", 4096),))
    assert parts_held(Plan((TierSpec("dram"),), "dram", (replace(own, tier="dram", parts=()),)), rows) == {}
