"""`tierprof verify` on a real program: the end of the loop."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tierprof.cli import main
from tierprof.placer.plan import Plan
from tierprof.profiler.trace import Trace

MIB = 2**20


def _key(trace: Trace, size_bytes: int) -> str:
    objects = trace.objects()
    return str(objects.loc[objects["peak_bytes"] == size_bytes, "key"].iloc[0])


def test_a_plan_is_verified_with_and_without_it(measured: tuple[Path, Trace], capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a plan that keeps the smaller object in 30 MiB
    program, trace = measured
    path = trace.path.parent / "two.plan"
    assert main(["place", str(trace.path), "--by", "criticality", "--budget", "dram=30MiB", "-o", str(path)]) == 0
    capsys.readouterr()
    # WHEN it is verified
    status = main(["verify", str(path), "--repeat", "1", "--json", "--", str(program)])
    facts = json.loads(capsys.readouterr().out)
    # THEN each object was where it was planned, to the byte
    places = {row["site"]: (row["planned"], row["tier"], row["planned_bytes"], row["peak_bytes"]) for row in facts["objects"]}
    assert places == {
        _key(trace, 24 * MIB): ("dram", "dram", 24 * MIB, 24 * MIB),
        _key(trace, 40 * MIB): ("slow", "slow", 40 * MIB, 40 * MIB),
    }
    assert facts["bytes_as_planned"] is True
    assert [tier["peak_bytes"] >= 24 * MIB for tier in facts["tiers"]] == [True, True]
    # AND one run of each kind is too few to hold the effect against what is predicted
    plan = Plan.load(path)
    predicted = next(own.predicted_effect_s for own in plan.objects if own.tier == "slow")
    assert facts["predicted_s"] == pytest.approx(predicted)
    assert (facts["confidence"], facts["effect_judged"], facts["effect_as_predicted"]) == (0.0, False, True)
    assert facts["verdicts"] == [
        "verified: every object was where it was planned, and the effect is not judged: that takes 4 runs of each kind"
    ]
    assert status == 0


def test_an_effect_that_is_not_the_predicted_one_fails_the_verification(
    tmp_path: Path, compile_program: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a plan that predicts an hour for a program that runs for a moment
    program, memory = compile_program("place_sites"), tmp_path / "memory"
    memory.mkdir()
    assert main(["run", "-q", "--source", "none", "-o", str(tmp_path / "trace"), "--", str(program), "2"]) == 0
    options = ["--budget", "dram=1MiB", "--tier", f"slow=pmem:{memory}", "-o", str(tmp_path / "plan")]
    assert main(["place", str(tmp_path / "trace"), "--by", "size", *options]) == 0
    made = Plan.load(tmp_path / "plan")
    replace(made, objects=tuple(replace(own, predicted_effect_s=3600.0) for own in made.objects)).save(tmp_path / "plan")
    capsys.readouterr()
    # WHEN it is verified with four runs of each kind, THEN places are right, the effect is not, and the status is 1
    assert main(["verify", str(tmp_path / "plan"), "--repeat", "4", "--", str(program), "3"]) == 1
    out, err = capsys.readouterr()
    assert "outside the interval of 97%" in out
    assert out.splitlines()[-1] == "not verified, effect differs: the measured interval does not hold what the plan predicts"
    # AND it is told that the program was profiled with other arguments
    assert f"the plan was made for `{program} 2`: what it predicts is of that run" in err


def test_an_object_that_does_not_fit_spills_and_fails_the_verification(
    measured: tuple[Path, Trace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a plan that wants both in 30 MiB
    program, trace = measured
    path = tmp_path / "full.plan"
    main(["place", str(trace.path), "--by", "all-fast", "--budget", "dram=30MiB", "-o", str(path)])
    text = path.read_text().replace('spec = "dram"', 'spec = "dram"\ncapacity = "30MiB"\nspill = "slow"')
    for size in (24 * MIB, 40 * MIB):
        text += f'\n[[object]]\nsite = "{_key(trace, size)}"\ntier = "dram"\nbytes = {size}\n'
    path.write_text(text)
    capsys.readouterr()
    # THEN the second is found in the slow tier, told, and the status is 1
    assert main(["verify", str(path), "--repeat", "1", "--", str(program)]) == 1
    out = capsys.readouterr().out
    assert "not verified, places differ: 1 object was not where it was planned" in out
    assert "dram was full (" in out
    assert "differs" in out
    assert "it predicts nothing" in out


def test_a_plan_of_another_build_fails_the_verification(
    measured: tuple[Path, Trace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a plan whose larger object the program does not have
    program, trace = measured
    path = tmp_path / "stale.plan"
    main(["place", str(trace.path), "--by", "size", "--budget", "dram=30MiB", "-o", str(path)])
    plan = Plan.load(path)
    larger = _key(trace, 40 * MIB)
    replace(plan, objects=tuple(replace(own, site="f" * 32, frames=()) if own.site == larger else own for own in plan.objects)).save(path)
    capsys.readouterr()
    # THEN it says so, and the status is 1
    assert main(["verify", str(path), "--repeat", "1", "--", str(program)]) == 1
    out = capsys.readouterr().out
    assert "never allocated in these runs: 1 object of 40.0MiB" in out
    assert "not verified, objects missing: more than a tenth of the plan's bytes was never allocated (1 of its objects)" in out


def test_a_missing_plan_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "none.plan"), "--", "true"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "none.plan: no such file or directory" in err


def test_an_object_of_small_allocations_that_stays_in_dram_is_met(
    tmp_path: Path, compile_program: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a program whose memory is nearly all in blocks of 64 bytes, and a plan with room for all of it in DRAM
    program, memory = compile_program("small"), tmp_path / "memory"
    memory.mkdir()
    assert main(["run", "-q", "--source", "none", "-o", str(tmp_path / "trace"), "--", str(program)]) == 0
    options = ["--budget", "dram=100%", "--tier", f"slow=pmem:{memory}", "-o", str(tmp_path / "plan")]
    assert main(["place", str(tmp_path / "trace"), "--by", "size", *options]) == 0
    assert max(Plan.load(tmp_path / "plan").objects, key=lambda own: own.bytes).small
    capsys.readouterr()
    # THEN the run under the plan meets it
    assert main(["verify", str(tmp_path / "plan"), "--repeat", "1", "--", str(program)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "verified: every object was where it was planned, and it predicts no effect"
    assert "never allocated" not in out
