"""The online policy beside a real program whose hot array changes half way."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.base.errors import PlanError
from tierprof.placer import online
from tierprof.placer.achieved import objects_achieved, plan_of
from tierprof.placer.decisions import append_decision, read_decisions
from tierprof.placer.online import limits_of
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.policy import Held
from tierprof.placer.tiers import TierSpec
from tierprof.placer.unnamed import with_unnamed
from tierprof.profiler.trace import Trace

MIB = 1 << 20
ARRAY_BYTES = 48 * MIB


def test_the_hot_array_is_brought_in_and_makes_room_for_the_next(
    tmp_path: Path, compile_program: Callable[..., Path], perf_allowed: None
) -> None:
    # GIVEN a program that waits for one array until it has moved and then for another, and a fast tier with room for one
    (tmp_path / "memory").mkdir()
    dram = TierSpec("dram", capacity_bytes=64 * MIB, spill="slow")
    Plan((dram, TierSpec("slow", "pmem", folder=tmp_path / "memory")), "slow").save(tmp_path / "plan")
    trace, program = tmp_path / "trace", compile_program("online_halves")
    # WHEN it runs with the policy
    options = [
        "-o",
        str(trace),
        "--plan",
        str(tmp_path / "plan"),
        "--online",
        "--every",
        "200ms",
        "--stay",
        "300ms",
        "--move-rate",
        "4GiB/s",
    ]
    command = [sys.executable, "-P", "-m", "tierprof", "run", *options, "--", str(program), "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    # THEN both were moved while they were read, and nothing was lost
    assert (done.stdout, done.returncode) == ("2 1\n", 0), done.stderr
    # AND the decisions are: the first one in, out again for the second, and that one in
    decisions = [own for own in read_decisions(trace) if own["moved_bytes"]]
    order = list(dict.fromkeys((own["site"], own["tier"]) for own in decisions))
    (first, second) = dict.fromkeys(site for site, _ in order)
    assert order == [(first, "dram"), (first, "slow"), (second, "dram")]
    moved = {step: sum(own["moved_bytes"] for own in decisions if (own["site"], own["tier"]) == step) for step in order}
    assert set(moved.values()) == {ARRAY_BYTES}
    assert all("of the time is spent waiting for it" in own["reason"] for own in decisions)
    # AND the run tells each array as moved by the policy, which is as it should be
    found = Trace.open(trace)
    plan = plan_of(found)
    assert plan is not None
    rows = objects_achieved(found, with_unnamed(plan, found.objects())).set_index(["site", "tier"])
    assert rows.loc[(second, "dram"), "reason"].startswith("48.0MiB moved here by the online policy")
    assert rows["as_planned"].all()
    assert "the online policy moved 144.0MiB in" in done.stderr


def test_objects_that_the_plan_splits_stay_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN two objects in the slow tier that are waited for alike, of which the plan splits one
    split, whole = "1" * 32, "2" * 32
    tiers = (TierSpec("dram"), TierSpec("slow", "node", node=0))
    plan = Plan(tiers, "slow", (PlannedObject(split, "slow", parts=(PlannedPart(0, MIB, "dram"),)), PlannedObject(whole, "slow")))
    own = online.OnlinePolicy(plan, limits_of(plan, 1e9, 1.0), 1.0, tmp_path)
    monkeypatch.setattr(online, "read_heap", lambda raw: None)
    monkeypatch.setattr(online, "_held", lambda *_: iter([Held((1, split), MIB, 4 * MIB), Held((1, whole), 0, 4 * MIB)]))
    monkeypatch.setattr(own, "_shares", lambda heap: {(1, split): 0.4, (1, whole): 0.4})
    taken: list[tuple[str, str]] = []
    monkeypatch.setattr(own, "_take", lambda step: taken.append((step.key[1], step.tier)))
    # WHEN the policy decides
    own._round(0.0, 1.0)
    # THEN it moves the other one alone
    assert taken == [(whole, "dram")]


def test_a_plan_of_one_tier_has_nothing_to_move_between() -> None:
    with pytest.raises(PlanError, match="only one tier"):
        limits_of(Plan((TierSpec("dram"),), "dram"), 1.0, 1.0)


def test_decisions_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    append_decision(tmp_path, {"site": "a", "bytes": 1})
    append_decision(tmp_path, {"site": "b", "bytes": 2})
    with (tmp_path / "decisions.jsonl").open("a") as file:
        file.write('{"site": "c", "by')
    assert [own["site"] for own in read_decisions(tmp_path)] == ["a", "b"]
    assert read_decisions(tmp_path / "none") == []
