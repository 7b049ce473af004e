"""What there is to say of an exact run, one line each: what the engine met, what was measured of the run, what to bear in mind."""

import re
import signal
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tierprof.base.units import format_count, format_share
from tierprof.profiler.exact.layout import NoteCode
from tierprof.profiler.exact.options import MARKS, ExactOptions
from tierprof.profiler.exact.rawfile import ExactFile, Note

Line = dict[str, str]  # {code, text}, as in meta.json

_EVEX = "62"  # the byte that every AVX-512 instruction begins with

# A share of generated code, of shortened episodes or of other threads' work that is below this is not worth a line.
_WORTH_A_LINE = 0.001


class Circumstances(NamedTuple):
    """What was asked of a run, and how it went."""

    options: ExactOptions
    engine: str  # the version of valgrind
    ended_by: int = 0  # the signal that ended the program; 0: none


def run_notes(files: Sequence[ExactFile], circumstances: Circumstances) -> list[Line]:
    """All that is to be said of a run.

    Parameters
    ----------
    files
        Of all its processes.
    circumstances
        What was asked for, and how the run went.
    """
    options = circumstances.options
    notes = [note for file in files for note in file.notes]
    signals = [note.value for note in _of(notes, NoteCode.KILLED)] + ([circumstances.ended_by] if circumstances.ended_by else [])
    lines = [_line("no decode", _undecodable(note, circumstances.engine)) for note in _of(notes, NoteCode.NO_DECODE)]
    lines += [_line("signal", _killed(number)) for number in signals]
    lines += (
        [_line("disk full", "the disk is full: what the engine counted after that is missing")] if _of(notes, NoteCode.DISK_FULL) else []
    )
    lines += _region(files, options)
    lines += _generated(files, _of(notes, NoteCode.ANON_CODE))
    lines += _folded(files, _of(notes, NoteCode.FOLDED))
    cold = sum(note.value for note in _of(notes, NoteCode.HEAT))
    lines += [_line("heat", f"{cold} large allocations were made too late for a place to count their heat by block")] if cold else []
    lines += _measured(files, options)
    lines += _threads(files)
    lines += [_line("other", note.text) for note in _of(notes, NoteCode.OTHER) if note.text]
    return list({line["text"]: line for line in lines}.values())  # several processes may say the same


def _line(code: str, text: str) -> Line:
    return {"code": f"exact {code}", "text": text}


def _of(notes: Iterable[Note], code: NoteCode) -> list[Note]:
    return [note for note in notes if note.code == code]


def _undecodable(note: Note, engine: str) -> str:
    """`text` holds the instruction's first bytes in hexadecimal."""
    found = re.search(r"\b[0-9a-f]{2}(?:[ :]?[0-9a-f]{2})+\b", note.text)
    shown = f" ({found.group()})" if found else ""
    what = f"valgrind {engine} does not know the instruction at {note.value:#x}{shown}, and the program got SIGILL there"
    if found and found.group().startswith(_EVEX):
        return f"{what}: prefix 0x62 is AVX-512; build without -march=native, or with -mno-avx512f"
    return f"{what}; build for an older processor"


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name} ended the program: what it did until then is counted"


def _region(files: Sequence[ExactFile], options: ExactOptions) -> list[Line]:
    """A region that no process entered measures nothing; one that was not left was measured to the end."""
    measured = [file for file in files if len(file.slices)]
    if measured:
        return [_line("region", note.text) for file in measured for note in _of(file.notes, NoteCode.REGION)]
    if options.region == MARKS:
        why = "the program never called tierprof_region_begin (tierprof_region.h)"
        return [_line("region", f"nothing was measured: {why}")]
    if options.region is not None:
        why = f"function {options.region} was never entered: it may be inlined, stripped, or have another name (`nm -C` lists them)"
        return [_line("region", f"nothing was measured: {why}")]
    if options.start_after is not None:
        ran = format_count(_instructions(files))
        return [_line("region", f"nothing was measured: the program ended after {ran} instructions, before --start-after")]
    return []


def _generated(files: Sequence[ExactFile], notes: Sequence[Note]) -> list[Line]:
    share = sum(note.value for note in notes) / max(_instructions(files), 1)
    if share < _WORTH_A_LINE:
        return []
    what = f"{format_share(share)} of the instructions were generated while the program ran (JIT)"
    return [_line("generated code", f"{what}: their accesses count, the code that made them has no name")]


def _folded(files: Sequence[ExactFile], notes: Sequence[Note]) -> list[Line]:
    episodes = sum(int(file.episodes.rows["count"].sum()) for file in files)
    share = sum(note.value for note in notes) / max(episodes, 1)
    if share < _WORTH_A_LINE:
        return []
    return [_line("folded", f"{format_share(share)} of the episodes had more chains than are kept, and were simplified")]


def _measured(files: Sequence[ExactFile], options: ExactOptions) -> list[Line]:
    if options.interval is None:
        return []
    ran, counted = _instructions(files), sum(int(file.slices["instructions"].sum()) for file in files)
    slices = sum(len(file.slices) for file in files)
    text = f"{format_share(counted / max(ran, 1))} of the instructions were measured, in {slices} intervals; counts stand for the whole"
    return [_line("interval", text)]


def _threads(files: Sequence[ExactFile]) -> list[Line]:
    """Worth a word where more than one of a process's threads worked."""
    rows = [file.threads.rows for file in files]
    counts = [np.bincount(np.unique(own["thread"], return_inverse=True)[1], own["instructions"]) for own in rows if len(own)]
    if all(own.sum() - own.max() <= _WORTH_A_LINE * own.sum() for own in counts):
        return []
    text = "threads took turns under the engine, so who met whom in the shared cache is its doing; runtimes were told not to spin"
    return [_line("threads", text)]


def _instructions(files: Sequence[ExactFile]) -> int:
    """Of all processes, measured or not; of a cut one what its last slice tells."""
    return sum(instructions_of(file) for file in files)


def instructions_of(file: ExactFile) -> int:
    """Instructions that a process ran: exactly if its file is whole, else up to its last slice."""
    if file.instructions is not None:
        return file.instructions
    return int((file.slices["first_instruction"] + file.slices["instructions"]).max()) if len(file.slices) else 0
