"""The calibration: shares from known positions, one measurement a machine, none where it cannot be had."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tierprof.profiler import skid
from tierprof.profiler.skid import Calibration, calibrate, shares

ACCESSES = [{"kind": "load", "offset": 1000, "next_offset": 1004}, {"kind": "store", "offset": 2000, "next_offset": 2007}]


def test_samples_are_counted_to_the_access_that_they_are_near() -> None:
    # GIVEN three samples right after the load, one on it, one right after the store, one far from both
    offsets = np.array([1004, 1004, 1004, 1000, 2007, 9000], np.uint64)
    assert shares(offsets, ACCESSES) == {"load": {"samples": 4, "share_at_next": 0.75}, "store": {"samples": 1, "share_at_next": 1.0}}


def test_a_kind_without_samples_is_left_out() -> None:
    assert shares(np.array([2007], np.uint64), ACCESSES) == {"store": {"samples": 1, "share_at_next": 1.0}}
    assert shares(np.array([], np.uint64), ACCESSES) == {}


def test_the_cost_of_a_run_follows_from_its_counts() -> None:
    calibration = Calibration(1, "cpu", "kernel", 1, 1.0, {}, {"clock": 20_000.0, "fault": 1_000.0})
    # GIVEN 1000 samples of the clock and 100 of faults; an event that was not calibrated does not count
    assert calibration.cost_s({"clock": 2_000_000_000, "fault": 1700}, {"clock": 2_000_000, "fault": 17}) == pytest.approx(0.0201)
    assert calibration.cost_s({"load": 5}, {"load": 1}) == 0.0


def test_the_machine_is_measured_once(perf_allowed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine that is not known yet
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = calibrate()
    # THEN every kind of access was sampled, and the samples have a cost
    assert first is not None
    assert set(first.by_kind) == {"load", "operand", "store", "update", "locked"}
    assert all(0 <= one["share_at_next"] <= 1 for one in first.by_kind.values())
    assert set(first.sample_ns) == {"clock", "fault"}
    # AND what is kept is used, not measured again
    (kept,) = (tmp_path / "tierprof").glob("skid-*.json")
    changed = dataclasses.replace(first, samples=12345)
    kept.write_text(json.dumps(changed.as_dict()))
    assert calibrate() == changed


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 0}', "not JSON"])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, text: str) -> None:
    path = tmp_path / "skid.json"
    path.write_text(text)
    assert skid._cached(path) is None


def test_a_cache_that_cannot_be_written_is_no_error() -> None:
    skid._keep(Path("/dev/null/tierprof/skid.json"), Calibration(1, "cpu", "kernel", 1, 1.0, {}, {}))


def test_without_perf_there_is_no_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a clock that no kernel has
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(skid, "clock_event", lambda rate: dataclasses.replace(skid.fault_event(), name="clock", type=0x7FFFFFF0, track=1))
    assert calibrate() is None
    assert list(tmp_path.rglob("*.json")) == []
