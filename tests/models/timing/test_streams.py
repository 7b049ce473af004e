"""Streams on interleaved DIMMs: their lines queue at the one that holds their page, however idle the others are."""

import dataclasses
from collections.abc import Callable

import pytest

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile

ProfileOf = Callable[..., ExactProfile]

LINES = 4_000_000
STREAM = {"object": 1, "prefetched_lines": LINES, "read_blocks": LINES // 4}
# Three lines of a block are near, of the fourth three in four are taken to be in a page just read: idle, with 200 ns near and 400 far.
LINE_NS = (15 * 200 + 400) / 16


def dimm_ns(machine: Machine) -> float:
    """How long one DIMM of the slow tier is busy with the stream."""
    tier = machine.tiers[machine.slow]
    return LINES * 64 / (float(tier.read_gb_s(1)) / tier.interleaved)


def test_a_stream_is_no_faster_than_one_dimm(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN a stream on a tier of six DIMMs that deliver a line every 9.6 ns each, to a core that has 20 lines under way for 212.5 ns
    assert plain.tiers[plain.slow].interleaved == 6
    timing = Timing(profile_of([{"base_cycles": 1}], [STREAM]), plain)
    # WHEN it is timed THEN the core's buffers bound it, as one DIMM is a little faster than they
    assert float(timing.run([1]).seconds) == pytest.approx(LINES * LINE_NS * 1e-9 / 20)
    # WHEN the core could have twice as many lines under way THEN that DIMM bounds it, though the others are idle
    wider = dataclasses.replace(plain, host=dataclasses.replace(plain.host, l2_buffers=40))
    assert float(Timing(profile_of([{"base_cycles": 1}], [STREAM]), wider).run([1]).seconds) == pytest.approx(dimm_ns(plain) * 1e-9)


def test_latency_rises_with_the_load_of_that_dimm(profile_of: ProfileOf, rising: Machine) -> None:
    # GIVEN the same where latency doubles, in proportion, on a busy DIMM
    timing = Timing(profile_of([{"base_cycles": 1}], [STREAM]), rising)
    # WHEN the stream is timed
    seconds = float(timing.run([1]).seconds)
    # THEN its time is the one at which idle flights, multiplied by that DIMM's load, take just as long: T = F (1 + B / T)
    flights, busy = LINES * LINE_NS / 20, dimm_ns(rising)
    assert seconds == pytest.approx((flights + (flights**2 + 4 * flights * busy) ** 0.5) / 2 * 1e-9)


def test_loads_at_random_do_not_queue_at_one_dimm(profile_of: ProfileOf, rising: Machine) -> None:
    # GIVEN as many lines that no prefetcher fetched, in episodes of ten
    row = {"object": 1, "near_loads": LINES, "read_blocks": 0}
    episodes = [{"count": LINES // 10, "base_cycles": 0, "misses": LINES, "instructions": LINES, "chains": [[(1, 1, 1)]]}]
    timing = Timing(profile_of([{"base_cycles": 0}], [row], episodes), rising)
    # WHEN they are timed THEN their latency is the idle one: the tier moves no block for them
    assert float(timing.run([1]).seconds) == pytest.approx(LINES / 10 * 200e-9, rel=0.1)
