"""The raw folder of an exact run: its files read, joined to the sites that the shim saw, and summed up for meta.json."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tierprof.base.errors import TraceError
from tierprof.profiler.exact.engine import first_complaint
from tierprof.profiler.exact.layout import FIRST_PSEUDO
from tierprof.profiler.exact.notes import Circumstances, Line, instructions_of, run_notes
from tierprof.profiler.exact.profile import parse_config
from tierprof.profiler.exact.rawfile import ExactFile, read_exact
from tierprof.profiler.exact.tables import Frames, Process, exact_tables
from tierprof.profiler.sites import Heap


@dataclass
class ExactRun:
    """What an exact run adds to its trace."""

    tables: Frames
    meta: dict[str, Any]  # the entry "exact" of meta.json
    notes: list[Line] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)


def read_run(raw: Path, heap: Heap, circumstances: Circumstances) -> ExactRun:
    """Read what the engine left.

    Parameters
    ----------
    raw
        The raw folder.
    heap
        What the shim saw; gets the site that stands for no stack if the engine names one that the shim did not describe.
    circumstances
        What was asked for, and how the run went.

    Raises
    ------
    TraceError
        If there is no file that could be read.
    """
    damage: list[str] = []
    unreadable: list[TraceError] = []
    found: list[tuple[str, ExactFile]] = []
    for path in sorted(raw.glob("exact.*.bin"), key=_age):
        try:
            file = read_exact(path)
        except TraceError as error:
            unreadable.append(error)
            continue
        damage.extend(file.damage)
        found.append((path.name.removeprefix("exact."), file))
    if not found:
        causes = [first_complaint(raw), *(f"{error.what}: {error.why}" for error in unreadable), "it never began"]
        raise TraceError("the exact engine left no counts", next(filter(None, causes)), "run `tierprof doctor`")
    damage.extend(str(error) for error in unreadable)
    processes = [_process(file, name, heap) for name, file in found]
    files = [file for _, file in found]
    return ExactRun(exact_tables(processes), _meta(files, circumstances), run_notes(files, circumstances), damage, processes)


def _age(path: Path) -> tuple[int, ...]:
    """Process and sequence number of a file: `exact.PID.SEQ.bin`."""
    return tuple(int(word) for word in path.name.split(".")[1:-1] if word.isdigit())


def _process(file: ExactFile, name: str, heap: Heap) -> Process:
    """The file with what its site numbers mean: what the shim's files of the same process say."""
    rows = heap.site_rows.get(name, {})
    numbers = set(file.objects.rows["object"].tolist()) | set(file.nodes["object"][file.nodes["node_class"] > 0].tolist())
    strange = any(number < FIRST_PSEUDO and number not in rows for number in numbers)
    return Process(file, rows, heap.unknown_site()) if strange else Process(file, rows)


def _meta(files: Sequence[ExactFile], circumstances: Circumstances) -> dict[str, Any]:
    options = circumstances.options
    return {
        "machine": options.machine,
        "config": parse_config(files[0].config_text),
        "region": options.region,
        "start_after": options.start_after,
        "stop_after": options.stop_after,
        "warm_up": options.warm_up,
        "interval": None if options.interval is None else list(options.interval),
        "engine": f"valgrind {circumstances.engine}",
        "instructions": sum(instructions_of(file) for file in files),
        "measured": sum(int(file.slices["instructions"].sum()) for file in files),
        "loads": sum(int(file.threads.rows["loads"].sum()) for file in files),
        "stores": sum(int(file.threads.rows["stores"].sum()) for file in files),
        "cut": not all(file.ended for file in files),
        "files": len(files),
    }
