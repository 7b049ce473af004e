"""What is said of an exact run, one line each, on files made here."""

from typing import Any

import numpy as np
import pytest

from tierprof.profiler.exact.notes import Circumstances, run_notes
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.rawfile import ExactFile, parse_exact


def file_of(builder: Any) -> ExactFile:
    return parse_exact(np.frombuffer(builder.end().bytes(), np.uint8), "exact.7.0.bin")


def said(files: list[ExactFile], **options: Any) -> list[str]:
    ended_by = options.pop("ended_by", 0)
    lines = run_notes(files, Circumstances(ExactOptions("cores 1\n", "test", **options), "3.19.0", ended_by))
    assert all("\n" not in line["text"] and line["code"].startswith("exact ") for line in lines)
    return [line["text"] for line in lines]


def test_a_plain_run_needs_no_word(exact_file: Any) -> None:
    # GIVEN one thread that was measured from its start to its end
    # THEN there is nothing to say
    assert said([file_of(exact_file().thread(instructions=100).slice(100))]) == []


@pytest.mark.parametrize(("bytes_shown", "word"), [("62 f1 7c 48 10 00", "prefix 0x62 is AVX-512"), ("0f c7 f0", "older processor")])
def test_an_instruction_that_valgrind_does_not_know_is_named(exact_file: Any, bytes_shown: str, word: str) -> None:
    # GIVEN a program that met one
    (line,) = said([file_of(exact_file().thread().slice(100).note(2, 0x401136, f"unknown: {bytes_shown}"))])
    # THEN its address, its bytes and the mend are told
    assert "valgrind 3.19.0 does not know the instruction at 0x401136" in line
    assert bytes_shown in line
    assert word in line


def test_signals_have_their_names(exact_file: Any) -> None:
    # GIVEN programs that were ended by a signal that has a name, and by one that has not
    lines = said([file_of(exact_file().thread().slice(100).note(6, 11).note(6, 200))])
    # THEN each is told, and that the trace is good until then
    assert lines[0].startswith("SIGSEGV ended the program")
    assert lines[1].startswith("signal 200 ended the program")
    # AND the launcher's word counts as much as the engine's, and no more
    assert said([file_of(exact_file().thread().slice(100).note(6, 11))], ended_by=11) == lines[:1]
    assert said([file_of(exact_file().thread().slice(100))], ended_by=11) == lines[:1]


def test_a_full_disk_is_told_once(exact_file: Any) -> None:
    # GIVEN two processes that met it
    file = file_of(exact_file().thread().slice(100).note(1))
    # THEN one line says so
    assert said([file, file]) == ["the disk is full: what the engine counted after that is missing"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"region": "kernel"}, "function kernel was never entered"),
        ({"region": "marks"}, "never called tierprof_region_begin"),
        ({"start_after": 10**9}, "the program ended after 0 instructions, before --start-after"),
    ],
)
def test_a_region_that_was_never_entered_is_named(exact_file: Any, options: dict[str, Any], word: str) -> None:
    # GIVEN a run of which nothing was measured
    (line,) = said([file_of(exact_file().note(4))], **options)
    # THEN the region is named
    assert line.startswith("nothing was measured: ")
    assert word in line


def test_one_process_that_enters_the_region_is_enough(exact_file: Any) -> None:
    # GIVEN a shell that never enters it, and its child that does
    files = [file_of(exact_file().note(4)), file_of(exact_file(pid=8).thread().slice(100))]
    # THEN nothing is amiss
    assert said(files, region="kernel") == []


def test_generated_code_is_a_share_of_the_instructions(exact_file: Any) -> None:
    # GIVEN 250 of 1000 instructions from memory of no file
    (line,) = said([file_of(exact_file().thread().slice(1000).note(3, 250))])
    # THEN the share is told
    assert line.startswith("25.0% of the instructions were generated while the program ran (JIT)")
    # AND one that is next to nothing is not
    assert said([file_of(exact_file().thread().slice(100_000).note(3, 1))]) == []


def test_intervals_tell_what_they_cover(exact_file: Any) -> None:
    # GIVEN two measured stretches of 100 out of 1000 instructions
    builder = exact_file().thread().slice(100, 5.0).thread().slice(100, 5.0)
    builder.record(8, (1000).to_bytes(8, "little") + (200).to_bytes(8, "little"))
    file = parse_exact(np.frombuffer(builder.bytes(), np.uint8), "exact.7.0.bin")
    # THEN the share and the number of stretches are told
    assert said([file], interval=(100, 500)) == ["20.0% of the instructions were measured, in 2 intervals; counts stand for the whole"]


def test_threads_took_turns(exact_file: Any) -> None:
    # GIVEN a process of two threads
    (line,) = said([file_of(exact_file().thread(0, instructions=900).thread(1, instructions=100).slice(1000))])
    # THEN it is said whose doing their interleaving is
    assert line.startswith("threads took turns under the engine")
    # AND not where the other one was only started
    assert said([file_of(exact_file().thread(0, instructions=10**6).thread(1, instructions=100).slice(10**6))]) == []
