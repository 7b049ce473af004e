"""`tierprof verify` on a real program: the end of the loop."""

import json
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
    # AND the status says whether the effect was as predicted
    plan = Plan.load(path)
    predicted = next(own.predicted_effect_s for own in plan.objects if own.tier == "slow")
    assert facts["predicted_s"] == pytest.approx(predicted)
    inside = facts["measured_s"]["low"] <= facts["predicted_s"] <= facts["measured_s"]["high"]
    assert facts["effect_as_predicted"] is inside
    assert status == (0 if inside else 1)


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
    assert "not verified, places differ: 1 objects were not where they were planned" in out
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
    path.write_text(path.read_text().replace(_key(trace, 40 * MIB), "f" * 32))
    capsys.readouterr()
    # THEN it says so, and the status is 1
    assert main(["verify", str(path), "--repeat", "1", "--", str(program)]) == 1
    assert "1 objects of 40.0MiB together were never allocated" in capsys.readouterr().out


def test_a_missing_plan_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "none.plan"), "--", "true"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "none.plan: no such file or directory" in err
