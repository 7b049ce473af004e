"""What is said of emulated tiers: that they are, wherever a cost in one is shown, and what the emulation did to a run."""

import pytest

from tierprof.placer.emulated import emulated_line, injected_line


@pytest.mark.parametrize("spec", ["emulated:2.5", "emulated:2,4GiB/s", "intervention emulated:2.5"])
def test_an_emulated_tier_is_called_one(spec: str) -> None:
    line = emulated_line(spec)
    assert line is not None
    assert line.startswith(f"{spec.rsplit(maxsplit=1)[-1]} is emulated: it is DRAM")
    assert "no hardware's cost" in line


@pytest.mark.parametrize("spec", ["dram", "node:1", "pmem:/mnt/emulated", "model cxl-emulated-skx x", "", None])
def test_no_other_tier_is(spec: str | None) -> None:
    assert emulated_line(spec) is None


def test_what_was_injected_is_told() -> None:
    # GIVEN counters of a run with delay, an unknown instruction and a cap
    counters = {
        "emul_signals": 200,
        "emul_delayed": 50,
        "emul_unknown_instruction": 2,
        "emul_delay_ns": 1_500_000_000,
        "emul_useful_ns": 4_000_000_000,
        "emul_bytes": 3 << 30,
        "emul_throttle_ns": 250_000_000,
    }
    # THEN all of it is told
    assert injected_line(counters) == (
        "emulation: 1.5s of delay injected into 4s of CPU time, at 25.0% of 200 samples, 1.0% fell on instructions that the trace does not"
        " know, 3.0GiB counted against caps on bandwidth, 250ms of waiting for them"
    )
    # and what did not happen is not
    assert injected_line({**counters, "emul_unknown_instruction": 0, "emul_bytes": 0}) == (
        "emulation: 1.5s of delay injected into 4s of CPU time, at 25.0% of 200 samples"
    )


def test_a_run_without_samples_tells_nothing() -> None:
    assert injected_line({}) is None
    assert injected_line({"emul_signals": 0, "emul_delayed": 0}) is None
