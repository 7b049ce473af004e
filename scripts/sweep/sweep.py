"""Runs real programs without and with tierprof, and says of each whether a user could tell the difference.

Every entry of tests/sweep/commands runs as it is, and then with everything that it allocates from 4 KiB on in a pmem folder. Its output
and its status must not change. Where they do it runs as it is once more: what varies by itself is no fit entry, and is told apart from
what tierprof changed. Exit status 1 if any entry changed, varies or could not be run.
"""

import argparse
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import corpus
import entries
from entries import Entry
from runs import HUNG, Outcome, Places, run

from tierprof import console
from tierprof.base.units import format_bytes

SAME, UNPLACED, CHANGED, VARIES, BROKEN = "same", "same, nothing placed", "CHANGED", "VARIES BY ITSELF", "CANNOT RUN"
_GOOD = (SAME, UNPLACED)

#: A tier in memory needs some, and a container's /dev/shm often has 64 MiB.
_LEAST_MEMORY_BYTES = 1 << 30
_SHOWN_LINES = 20


@dataclass(frozen=True)
class Result:
    """What was found of one entry."""

    entry: Entry
    verdict: str
    plain: Outcome | None = None
    tiered: Outcome | None = None
    why: str = ""

    def row(self) -> list[str]:
        """The entry's line of the table."""
        if self.plain is None or self.tiered is None:
            return [self.entry.name, "", "", "", "", "", "", self.verdict]
        shown = [self.entry.name, _status(self.plain), _status(self.tiered), str(self.tiered.allocations)]
        seconds = [f"{outcome.seconds:.1f}" for outcome in (self.plain, self.tiered)]
        return [*shown, format_bytes(self.tiered.placed_bytes), *seconds, self.verdict]

    def exact(self) -> dict[str, object]:
        """The same, and all of it, for JSON."""
        outcomes = {name: asdict(outcome) if outcome else None for name, outcome in (("plain", self.plain), ("tiered", self.tiered))}
        return {"name": self.entry.name, "command": self.entry.run, "verdict": self.verdict, "why": self.why, **outcomes}


def _status(outcome: Outcome) -> str:
    return "hung" if outcome.status == HUNG else str(outcome.status)


def _difference(name: str, plain: str, tiered: str) -> Iterator[str]:
    lines = difflib.unified_diff(plain.splitlines(), tiered.splitlines(), f"{name} without", f"{name} with", lineterm="", n=1)
    for number, line in enumerate(lines):
        if number == _SHOWN_LINES:
            yield "..."
            return
        yield line[:200]


def _explain(plain: Outcome, other: Outcome) -> str:
    """What is different, as far as a person wants to read it at once."""
    lines = [] if plain.status == other.status else [f"status {_status(plain)}, then {_status(other)}"]
    lines += _difference("output", plain.output, other.output)
    lines += _difference("errors", plain.errors, other.errors)
    return "\n".join(lines)


def judge(entry: Entry, places: Places) -> Result:
    """Run an entry without and with tierprof; where that makes a difference, once more without."""
    try:
        plain = run(entry, places, tiered=False)
        tiered = run(entry, places, tiered=True)
        if tiered.same_as(plain):
            return Result(entry, SAME if tiered.allocations else UNPLACED, plain, tiered)
        again = run(entry, places, tiered=False)
    except (RuntimeError, OSError) as error:
        return Result(entry, BROKEN, why=str(error))
    if not again.same_as(plain):
        return Result(entry, VARIES, plain, tiered, _explain(plain, again))
    return Result(entry, CHANGED, plain, tiered, _explain(plain, tiered))


def _judge_all(chosen: Sequence[Entry], places: Places, jobs: int) -> list[Result]:
    """Results in the entries' order. Each is told when it is there, for whoever reads a log."""
    found: dict[str, Result] = {}
    with console.progress() as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("commands", total=len(chosen))
        running = [pool.submit(judge, entry, places) for entry in chosen]
        for done in as_completed(running):
            result = done.result()
            found[result.entry.name] = result
            progress.advance(task)
            if result.verdict not in _GOOD:
                console.note(f"{result.entry.name}: {result.verdict}\n{result.why}")
    return [found[entry.name] for entry in chosen]


def _memory_folder() -> Path:
    shared = Path("/dev/shm")
    usable = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= _LEAST_MEMORY_BYTES
    return shared if usable else Path(tempfile.gettempdir())


def _show(results: Sequence[Result], places: Places) -> None:
    columns = ("command", "status without", "with", "placed", "bytes placed", "seconds without", "with", "verdict")
    console.table("", columns, [result.row() for result in results])
    good = [result for result in results if result.verdict in _GOOD]
    failing = sum(1 for result in good if result.plain and result.plain.status != 0)
    placed = sum(1 for result in good if result.verdict == SAME)
    where = f"{places.memory.parent.parent} (or on a disk)"
    console.say(f"{len(good)} of {len(results)} commands are the same with everything from 4 KiB on in {where};")
    console.say(f"in {placed} of them something was placed; {failing} have a status other than 0, without tierprof too.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-k", metavar="WORD", action="append", default=[], help="run those with this in their name; may be given more than once")
    add("--commands", type=Path, default=entries.COMMANDS, metavar="FOLDER", help="where the entries are")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="commands that run at once (default: one a processor)")
    add("--json", action="store_true", help="print everything that was compared, as JSON")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for, print the table."""
    args = _arguments()
    chosen = [entry for entry in entries.load(args.commands) if not args.k or any(word in entry.name for word in args.k)]
    if not chosen:
        console.note(f"no command has {' or '.join(args.k)} in its name")
        return 2
    with tempfile.TemporaryDirectory(prefix="sweep-") as scratch, tempfile.TemporaryDirectory(dir=_memory_folder()) as memory:
        places = Places(Path(scratch) / "s", Path(scratch) / "corpus", Path(memory) / "pmem", Path(scratch) / "pmem")
        for folder in (places.scratch, places.corpus, places.memory, places.disk):
            folder.mkdir()
        for shared in (Path(scratch), Path(memory), places.memory, places.disk):
            shared.chmod(0o777)  # servers that refuse to be root run as nobody
        corpus.make(places.corpus)
        results = _judge_all(chosen, places, args.jobs)
        if args.json:
            console.emit_json([result.exact() for result in results])
        else:
            _show(results, places)
    return 0 if all(result.verdict in _GOOD for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
