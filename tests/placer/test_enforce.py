"""From a plan to the program's environment."""

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tierprof.base.errors import PlanError, TierError, TraceError
from tierprof.base.schema import RECIPES
from tierprof.placer import enforce
from tierprof.placer.enforce import enforcement_env, plan_for_run, recipes_of
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

DRAM, SLOW = TierSpec("dram"), TierSpec("slow", "emulated", factor=2.5)


def test_a_plan_without_emulation_needs_no_recipes(tmp_path: Path) -> None:
    env = enforcement_env(Plan((DRAM, TierSpec("near", "node", node=0)), "near"), tmp_path / "new", None)
    assert env == {"TIERPROF_PLAN": str(tmp_path / "new" / "plan.bin")}
    assert (tmp_path / "new" / "plan.bin").read_bytes()[:6] == b"TPPLAN"


def test_an_emulated_tier_gets_its_calibrated_delay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine on which 2.5x takes a delay of 1.6
    monkeypatch.setattr(enforce, "calibrate", lambda factor: SimpleNamespace(delay_ratio={2.5: 1.6}[factor], line_ns=93.5))
    # WHEN a plan is written
    env = enforcement_env(Plan((DRAM, SLOW), "slow"), tmp_path, RECIPES.empty_table())
    # THEN the shim is told so, and where the recipes are
    content = Path(env["TIERPROF_PLAN"]).read_bytes()
    assert struct.unpack_from("<Qd", content, 40 + 408 + 48) == (93_500, 1.6)
    assert Path(env["TIERPROF_RECIPES"]).read_bytes()[:7] == b"TPRECIP"


def test_an_emulated_tier_without_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="nothing says what the program's instructions read"):
        enforcement_env(Plan((DRAM, SLOW), "slow"), tmp_path, None)


def test_a_tier_that_the_machine_has_not_got_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TierError, match="no NUMA node 999"):
        enforcement_env(Plan((DRAM, TierSpec("cxl", "node", node=999)), "dram"), tmp_path, None)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match="cannot be handed to the program"):
        enforcement_env(Plan((DRAM,), "dram"), tmp_path / "file", None)


def test_a_tier_alone_takes_everything() -> None:
    plan = plan_for_run(None, ["slow=emulated:2.5"])
    assert (plan.tiers, plan.default) == ((DRAM, SLOW), "slow")
    assert plan_for_run(None, ["dram=node:0"]).fast == "system"
    assert plan_for_run(None, ["dram"]).tiers == (DRAM,)
    with pytest.raises(TierError, match="neither a tier nor a plan"):
        plan_for_run(None, [])


def test_of_several_tiers_the_first_takes_everything_and_the_others_wait_for_moves() -> None:
    plan = plan_for_run(None, ["dram", "slow=node:0"])
    assert ([tier.name for tier in plan.tiers], plan.default) == (["dram", "slow"], "dram")
    assert plan_for_run(None, ["huge", "slow=emulated:2.5"]).tiers == (DRAM, TierSpec("huge", "huge"), SLOW)


def test_tiers_of_the_command_line_replace_the_plans(tmp_path: Path) -> None:
    Plan((DRAM, SLOW), "slow").save(tmp_path / "a.plan")
    plan = plan_for_run(tmp_path / "a.plan", ["slow=node:0"])
    assert plan.tiers == (DRAM, TierSpec("slow", "node", node=0))


def test_recipes_come_from_the_trace_that_the_plan_was_made_of(tmp_path: Path, make_trace: Callable[..., Trace]) -> None:
    # GIVEN a plan beside the trace that it names, without a path
    trace = make_trace("pr", [{"peak_bytes": 1, "stall_s": 1.0}])
    trace.write("recipes", RECIPES.empty_table())
    Plan((DRAM, SLOW), "dram", (), {"trace": "pr.trace"}).save(tmp_path / "a.plan")
    plan = Plan.load(tmp_path / "a.plan")
    # THEN they are found; and a plan that needs none, or knows no trace, has none
    assert recipes_of(plan) == RECIPES.empty_table()
    assert recipes_of(Plan((DRAM, SLOW), "dram")) is None
    assert recipes_of(Plan((DRAM,), "dram", (), {"trace": "missing.trace"})) is None
    # but a trace that is gone is told
    with pytest.raises(TraceError, match="there is no such folder"):
        recipes_of(Plan((DRAM, SLOW), "dram", (), {"trace": str(tmp_path / "gone.trace")}))
