"""Programs that are hard to run under an engine run in it unchanged, and what they did is counted."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tierprof.profiler.exact.layout import NoteCode
from tierprof.profiler.exact.rawfile import ExactFile

Make = Callable[..., Path]
Run = Callable[..., Any]

STACK, STATIC, SMALL, MAPPED = (2**24 - 16 + n for n in range(4))
PLAIN = {"config": "timing 0\n"}


def by_object(file: ExactFile) -> pd.DataFrame:
    frame = pd.DataFrame({name: file.objects.rows[name].astype(np.int64) for name in ("object", "loads", "stores")})
    return frame.groupby("object").sum()


def test_code_that_the_program_writes_itself_runs_as_it_was_written_last(compile_source: Make, engine_run: Run) -> None:
    # WHEN a program writes a function a thousand times and calls it each time
    run = engine_run(compile_source("generated.c"), **PLAIN)

    # THEN each call ran the last one, and its two instructions are counted as code of no file
    assert run.completed.stdout == b"499500\n"
    assert [note.value for note in run.files[0].notes if note.code == NoteCode.ANON_CODE] == [2000]


def test_a_fault_that_a_handler_mends_changes_nothing(compile_source: Make, engine_run: Run) -> None:
    # WHEN every write faults first
    run = engine_run(compile_source("faults.c"), "resume", **PLAIN)

    # THEN the program goes on as without the engine
    assert (run.completed.returncode, run.completed.stdout) == (0, b"9\n")
    assert run.files[0].ended


def test_a_fatal_fault_leaves_a_whole_file(compile_source: Make, engine_run: Run) -> None:
    # WHEN nobody handles the fault
    run = engine_run(compile_source("faults.c"), "die", **PLAIN)

    # THEN the program dies of it, and what it did until then is counted
    assert run.completed.returncode == -signal.SIGSEGV
    assert run.files[0].ended
    assert run.files[0].measured > 10_000


def test_an_instruction_that_valgrind_does_not_know_is_named(compile_source: Make, engine_run: Run) -> None:
    # WHEN a program runs into AVX-512
    run = engine_run(compile_source("unknown.S"), **PLAIN)

    # THEN it gets SIGILL, and the file has the instruction's first bytes
    assert run.completed.returncode == -signal.SIGILL
    assert [note.text[:17] for note in run.files[0].notes if note.code == NoteCode.NO_DECODE] == ["62 f1 fd 48 ef c0"]
    assert run.files[0].ended


def test_libraries_that_come_and_go_take_their_code_with_them(
    compile_program: Callable[..., Path], engine_run: Run, shim_library: Path
) -> None:
    # GIVEN two libraries, one of which is put where the other was
    shared = ("-shared", "-fPIC")
    libraries = [str(compile_program("plugin", *shared)), str(compile_program("plugin", *shared, "-DSECOND"))]

    # WHEN a program loads and unloads them in turn, under the shim
    run = engine_run(compile_program("plugins"), *libraries, preload=shim_library, **PLAIN)

    # THEN it runs as without the engine, to the end
    assert run.completed.returncode == 0
    assert run.files[0].ended
    assert run.log == ""


def test_a_program_that_becomes_another_leaves_two_whole_files(compile_source: Make, engine_run: Run, tmp_path: Path) -> None:
    # GIVEN something executable that is no program
    junk = tmp_path / "junk"
    junk.write_bytes(b"no program")
    junk.chmod(0o755)

    # WHEN a program fails to become that and other things, and then becomes /bin/echo
    run = engine_run(compile_source("executes.c"), str(junk), **PLAIN)

    # THEN echo spoke, and both images of the process are counted to their ends
    assert run.completed.stdout == b"became\n"
    assert [file.ended for file in run.files] == [True, True]
    assert run.files[0].pid == run.files[1].pid


def test_threads_are_counted_apart(compile_source: Make, engine_run: Run) -> None:
    # WHEN four threads read an array once, twice, three and four times
    (file,) = engine_run(compile_source("turns.c"), config="timing 0\ncores 4\n").files

    # THEN the engine's threads have these loads, but for starting and ending
    rows = pd.DataFrame({name: file.threads.rows[name].astype(np.int64) for name in ("thread", "loads")}).groupby("thread")["loads"].sum()
    assert rows.index.tolist() == [0, 1, 2, 3, 4]
    assert [round(loads / 50_000, 1) for loads in rows[1:]] == [1, 2, 3, 4]


def test_memory_that_no_allocation_covers_goes_by_its_kind(compile_source: Make, engine_run: Run) -> None:
    # WHEN `touch` writes 4096 words of static data twice, of stacks twice, of two heaps, and of a mapping twice
    (file,) = engine_run(compile_source("memories.c"), region="touch", **PLAIN).files

    # THEN every store is on the object of that kind, and each call's return address on the stack
    stores = by_object(file)["stores"]
    assert {name: stores[kind] // 4096 for name, kind in (("static", STATIC), ("stack", STACK), ("small", SMALL), ("mapped", MAPPED))} == {
        "static": 2,
        "stack": 2,
        "small": 2,
        "mapped": 2,
    }
    assert stores.sum() == 8 * 4096
    assert by_object(file)["loads"].to_dict()[STACK] == 8


@pytest.mark.parametrize(
    ("way", "region", "works"),
    [
        pytest.param("recursive", "counted", 5, id="calls of itself belong to it"),
        pytest.param("threads", "counted", 3, id="in several threads"),
        pytest.param("twice", "counted", 2, id="twice"),
        pytest.param("marks", "marks", 3, id="marks nest"),
        pytest.param("", "work", 2, id="a function without calls"),
        pytest.param("", "nowhere", 0, id="never entered"),
    ],
)
def test_a_region_is_what_lies_inside(compile_source: Make, engine_run: Run, way: str, region: str, works: int) -> None:
    # WHEN a program enters a region in that way
    (file,) = engine_run(compile_source("regions.c"), way, region=region, **PLAIN).files

    # THEN the stores of the thousand words inside it are counted, and no others of them
    static = by_object(file)["stores"].get(STATIC, 0)
    assert static // 1000 == works
    assert [note.value for note in file.notes if note.code == NoteCode.REGION] == ([0] if works == 0 else [])


def test_a_region_that_is_left_by_a_jump_ends_with_the_next_return(compile_source: Make, engine_run: Run) -> None:
    # WHEN the region is left by longjmp, and much is done after it
    (file,) = engine_run(compile_source("regions.c"), "jump", region="jumps_out", **PLAIN).files

    # THEN only what it did itself is counted: the thousand stores after it are not, but for the first function's
    assert by_object(file)["stores"][STATIC] // 1000 in (1, 2)
    assert file.measured < 20_000


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        pytest.param({"start_after": 500_000}, None, id="from a count on"),
        pytest.param({"stop_after": 300_000}, 300_000, id="up to a count"),
        pytest.param({"start_after": 200_000, "stop_after": 500_000}, 300_000, id="between two"),
        pytest.param({"start_after": 400_000, "stop_after": 500_000, "warm_up": 200_000}, 100_000, id="warmed up ahead"),
        pytest.param({"warm_up": 600_000, "stop_after": 800_000}, 200_000, id="the first warm up"),
    ],
)
def test_counts_begin_and_end_to_the_block(compile_source: Make, engine_run: Run, options: dict[str, int], measured: int | None) -> None:
    # WHEN a run is measured between counts of instructions
    (file,) = engine_run(compile_source("steps.S"), **PLAIN, **options).files

    # THEN so many were measured, give or take a translation's at each end
    wanted = measured if measured is not None else file.instructions - 500_000
    assert abs(file.measured - wanted) < 200
    first = int(file.slices["first_instruction"][0])
    assert abs(first - (options.get("start_after") or options.get("warm_up", 0))) < 200


def test_intervals_measure_their_share(compile_source: Make, engine_run: Run) -> None:
    # WHEN 10000 of every 100000 instructions of a run of a million are measured
    (file,) = engine_run(compile_source("steps.S"), interval=(10_000, 100_000), **PLAIN).files

    # THEN about a tenth is, in as many slices, each standing for ten times what it has
    pieces = file.instructions // 100_000 + (file.instructions % 100_000 >= 20_000)
    assert len(file.slices) == pieces
    assert np.all(np.abs(file.slices["instructions"].astype(np.int64)[:-1] - 10_000) < 200)
    assert set(file.slices["weight"].tolist()) == {10.0}


def test_a_child_counts_for_itself_and_keeps_what_it_inherits(compile_source: Make, engine_run: Run, shim_library: Path) -> None:
    # WHEN parent and child write to what the parent allocated, under the shim
    parent, child = engine_run(compile_source("children.c"), preload=shim_library, **PLAIN).files

    # THEN in the parent one site has five rounds of 8192 stores; in the child the same number has two, and another one three
    rounds = [by_object(file)["stores"].loc[: STACK - 1] // 8192 for file in (parent, child)]
    inherited = rounds[0].idxmax()
    assert rounds[0][inherited] == 5
    assert rounds[1][inherited] == 2
    assert sorted(rounds[1][rounds[1] > 0]) == [2, 3]
    assert parent.ended and child.ended
