"""The engine counts what the instruction set says: instructions, loads and stores of assembly functions with known numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tierprof.profiler.exact.rawfile import ExactFile


class Counts(NamedTuple):
    """What one function does, its return included: an instruction and a load."""

    instructions: int
    loads: int
    stores: int
    non_temporal: int = 0  # of the stores
    fences: int = 0


EXPECTED = {
    "nothing": Counts(1, 1, 0),
    "loads": Counts(9, 9, 0),
    "stores": Counts(6, 1, 5),
    "updates": Counts(12, 11, 10),
    "unused": Counts(16, 9, 2),
    "locked": Counts(13, 11, 9, fences=9),
    "stack": Counts(13, 7, 6),
    "calls": Counts(10, 5, 4),
    "strings": Counts(9, 5, 3),
    "copy_100": Counts(4, 101, 100),
    "copy_none": Counts(4, 1, 0),
    "copy_entered": Counts(5, 8, 7),
    "fill_50": Counts(4, 1, 50),
    "compare_until": Counts(6, 9, 2),
    "scan_until": Counts(5, 4, 1),
    "bits_of_registers": Counts(6, 1, 0),
    "bits_of_memory": Counts(4, 3, 1),
    "vectors_16": Counts(14, 10, 4),
    "vectors_32": Counts(13, 9, 3),
    "masked": Counts(9, 3, 1),
    "gathers": Counts(10, 15, 0),
    "x87": Counts(9, 5, 4),
    "saved": Counts(9, 5, 3),
    "non_temporal": Counts(8, 2, 4, non_temporal=4),
    "prefetches": Counts(6, 1, 0),
    "fences": Counts(8, 1, 0, fences=3),
    "loop_1000": Counts(3002, 1001, 0),
    "loop_of_many": Counts(2022, 1001, 1000),
    "forks_in_the_way": Counts(9, 2, 1),
    "divides": Counts(5, 2, 1),
}

Make = Callable[..., Any]
Run = Callable[..., Any]


def counts(file: ExactFile) -> Counts:
    threads, objects = file.threads.rows, file.objects.rows
    sums = {name: int(threads[name].sum()) for name in ("instructions", "loads", "stores", "fences")}
    return Counts(sums["instructions"], sums["loads"], sums["stores"], int(objects["nt_stores"].sum()), sums["fences"])


@pytest.mark.parametrize("function", EXPECTED)
def test_a_function_counts_as_the_instruction_set_says(compile_source: Make, engine_run: Run, function: str) -> None:
    # GIVEN a program with a function of known instructions, WHEN that function is the region
    (file,) = engine_run(compile_source("counts.S"), region=function).files

    # THEN every count is exact
    assert counts(file) == EXPECTED[function]
    assert file.measured == EXPECTED[function].instructions


@pytest.mark.parametrize("timing", [True, False])
def test_objects_add_up_to_what_threads_did(compile_source: Make, engine_run: Run, timing: bool) -> None:
    # WHEN the whole run is measured, with and without the core
    (file,) = engine_run(compile_source("counts.S"), timing=timing).files

    # THEN each load and store is some object's
    objects, total = file.objects.rows, counts(file)
    assert int(objects["loads"].sum()) == total.loads
    assert int(objects["stores"].sum() + objects["nt_stores"].sum()) == total.stores
    assert file.measured == file.instructions == total.instructions
