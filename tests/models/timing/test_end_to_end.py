"""Simulator and timing together: loops whose bandwidth on real hardware is published (FAST20, hardware prefetchers off)."""

import numpy as np
import pytest

from tierprof.models.timing import patterns
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing

# Bytes an operation, threads, GB/s on DDR4-2666 (None: not published) and on six Optane DIMMs.
PUBLISHED = [
    (64, 1, 5.4, 1.79),
    (64, 8, 43.2, 8.48),
    (256, 1, 7.1, 2.72),
    (256, 8, 50.4, 20.0),
    (4096, 1, None, 3.20),
    (4096, 4, None, 12.1),
]


@pytest.mark.parametrize(("size", "threads", "dram", "optane"), PUBLISHED)
def test_random_reads_reach_what_was_measured(size: int, threads: int, dram: float | None, optane: float) -> None:
    # GIVEN threads that read at random places, simulated without prefetchers
    machine = Machine.load("optane100-x6")
    config = machine.config() | dict.fromkeys(("prefetch_next_line", "prefetch_stream", "prefetch_stride"), 0)
    pattern = patterns.reads(size, threads)
    run = patterns.simulate(pattern, config, lines=20_000)
    timing = Timing(run.profile, machine)
    # WHEN they are timed on either tier
    region = np.where(timing.objects == patterns.REGION, 1.0, 0.0)
    gb_s = run.operations * size / timing.run([0 * region, region]).seconds / 1e9
    # THEN the bandwidth is that of the hardware, within 15 %
    assert gb_s[1] == pytest.approx(optane, rel=0.15)
    if dram is not None:
        assert gb_s[0] == pytest.approx(dram, rel=0.15)
