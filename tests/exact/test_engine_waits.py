"""What waits for what: loops whose steps take a known number of cycles, by dependences through registers, flags and addresses."""

from collections.abc import Callable
from typing import Any

import pytest

STEPS = 10_000

# Cycles a step, on a core of 4 instructions a cycle with loads of 5 cycles (the defaults of native/model/config.h).
CYCLES = {
    "chase": 5,
    "chase_scaled": 5,
    "chase_and_add": 6,
    "independent": 1.5,
    "sum": 1,
    "multiply": 3,
    "divide": 50,
    "float_sum": 4,
    "float_multiply_add": 8,
    "float_divide": 14,
    "upper_part": 1.25,
    "zeroed": 1,
    "count_bits": 3,
    "stack_pointer": 1.5,
}


@pytest.mark.parametrize("loop", CYCLES)
def test_a_step_takes_as_long_as_its_longest_way(compile_source: Callable[..., Any], engine_run: Callable[..., Any], loop: str) -> None:
    # GIVEN a loop on memory in the first-level cache, WHEN it is the region
    (file,) = engine_run(compile_source("waits.S"), region=loop).files

    # THEN a step takes what its dependences make it take; the first few steps and the last branch do not count
    cycles = int(file.threads.rows["base_cycles"].sum())
    assert cycles / STEPS == pytest.approx(CYCLES[loop], rel=0.02)
