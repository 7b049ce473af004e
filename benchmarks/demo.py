"""The whole loop on a real graph program, as a user would type it: profile, measure, train, plan, run under the plan, report.

Run `make demo`. PageRank on python-graphblas runs on an R-MAT graph whose footprint is at least 8 times the last-level cache. The program
is profiled, its objects are measured, a ranker is trained on the traces of the *other* programs in traces/, and what the resulting plan is
worth with a quarter of the peak in DRAM is measured against the simple ways to fill that quarter, in interleaved runs. Every value that a
stage reads was made by a stage before it, in this run. All but the choice of the graph and the last table is the `tierprof` command line.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from common import ROOT, TIERPROF, make_graph, result_of
from demo_rounds import LEARNED, WAYS, Rounds, conclusions, result_rows

from tierprof.base.units import format_bytes
from tierprof.placer.checks import machine_line
from tierprof.profiler.machine import last_level_cache_bytes
from tierprof.workloads.catalog import workload

PROGRAM = "pagerank_graphblas"
SLOW = "emulated:2.5"
BUDGET = "25%"

# Resident bytes of the program per vertex of its graph: some 15.5 stored edges of 8 bytes, one row pointer, four vectors of doubles.
BYTES_PER_VERTEX = 15.5 * 8 + 8 + 4 * 8
CACHES = 8
# Where the machine does not tell its last-level cache: what today's servers have per core complex.
UNKNOWN_CACHE_BYTES = 2**25
LEAST_SCALE, MOST_SCALE = 20, 26
# Loading needs the edges twice, and generating the graph its edge list several times over.
MEMORY_PER_FOOTPRINT = 6
# Edges that PageRank passes over in one run, whatever the graph: it decides how long a run takes.
EDGE_VISITS = 1.7e9


class Log:
    """Prints to the terminal and into demo.txt; knows how long the stages took."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._start = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print some lines."""
        print(text, flush=True)
        self._file.write(text.rstrip("\n") + "\n")
        self._file.flush()

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Head a stage, and tell at its end how long it took."""
        self.say(f"\n== {title}")
        start = time.monotonic()
        yield
        now = time.monotonic()
        self.say(f"   [{now - start:.0f}s; {now - self._start:.0f}s since the start]")


def choose_scale() -> tuple[int, str]:
    """The scale of the graph, and why it is that one, in words."""
    cache = last_level_cache_bytes() or UNKNOWN_CACHE_BYTES
    wanted = CACHES * cache
    scale = next((s for s in range(LEAST_SCALE, MOST_SCALE) if BYTES_PER_VERTEX * 2**s >= wanted), MOST_SCALE)
    available = psutil.virtual_memory().available
    while scale > LEAST_SCALE and MEMORY_PER_FOOTPRINT * BYTES_PER_VERTEX * 2**scale > available:
        scale -= 1
    footprint = BYTES_PER_VERTEX * 2**scale
    times = f"{footprint / cache:.1f} times the {format_bytes(cache)} last-level cache"
    words = f"scale {scale}: PageRank needs some {format_bytes(footprint)}, {times}"
    if footprint < wanted:
        words += f"; {CACHES} times would need more than the {format_bytes(available)} of memory that are free"
    return scale, words


def shown(path: Path) -> Path:
    """The path as a user in the repository's root would type it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


class Demo:
    """One run of the loop; each method is a stage and leaves its files in `folder`."""

    def __init__(self, folder: Path, repeats: int) -> None:
        self.folder = shown(folder)
        self.repeats = repeats
        self.log = Log(folder / "demo.txt")
        self.trace, self.model, self.report = (self.folder / name for name in ("pagerank.trace", "ranker.ubj", "report.html"))
        self.command: list[str] = []

    def tierprof(self, *arguments: str | Path, wrapped: bool = False, show: bool = True) -> str:
        """Call the command line from the repository's root, and print what it prints; a failure ends the demo."""
        words = [*map(str, arguments), *(["--", *self.command] if wrapped else [])]
        self.log.say(f"$ tierprof {shlex.join(words)}")
        done = subprocess.run(
            [*TIERPROF, *words], stdout=subprocess.PIPE, stderr=None if show else subprocess.PIPE, text=True, cwd=ROOT, check=False
        )
        if done.returncode:
            told = "" if show else f": {done.stderr.strip()}"
            raise SystemExit(f"demo: tierprof {words[0]} ended with status {done.returncode}{told}")
        for line in done.stdout.strip("\n").splitlines() if show else ():
            if not line.startswith('{"program"'):
                self.log.say(f"  {line}".rstrip())
        return done.stdout

    def make_graph(self) -> None:
        """An R-MAT graph too large for the caches; the same one is used again by the next demo."""
        scale, why = choose_scale()
        self.log.say(f"  {machine_line()}")
        self.log.say(f"  R-MAT graph of {why}")
        iterations = max(5, round(EDGE_VISITS / (15.5 * 2**scale)))
        self.command = workload(PROGRAM).command(shown(make_graph(scale)), str(shown(Path(sys.executable))), {"iterations": iterations})

    def profile(self) -> None:
        """Wrap the unmodified program."""
        out = self.tierprof("run", "-o", self.trace, wrapped=True)
        result = result_of(out)
        self.log.say(f"  the program's own word: {sum(result['seconds'].values()):.1f}s, checksum {result['checksum']}")
        self.tierprof("objects", self.trace, "--top", "8")

    def measure(self) -> None:
        """What each of the most interesting objects costs in the slow tier."""
        self.tierprof("measure", self.trace, "--objects", "5", "--repeat", "3", "--fast", "dram", "--slow", SLOW, wrapped=True)

    def train(self) -> None:
        """A ranker that has never seen this program."""
        self.tierprof("train", "traces", "--leave-out", PROGRAM, "-o", self.model)

    def place(self) -> None:
        """The learned plan and the plans it is compared with."""
        budget = ("--budget", f"dram={BUDGET}", "--tier", f"slow={SLOW}")
        self.tierprof("place", self.trace, "--model", self.model, *budget, "-o", self.folder / f"{LEARNED.plan}.plan", "--top", "8")
        for way in WAYS:
            if way != LEARNED:
                self.tierprof("place", self.trace, "--by", way.by, *budget, "-o", self.folder / f"{way.plan}.plan", show=False)

    def compare(self) -> None:
        """All ways to fill the quarter, in interleaved rounds."""
        rounds = Rounds(self.command, ROOT / self.folder)
        rounds.run(self.repeats)
        heads, rows = result_rows(rounds)
        widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
        for cells in (heads, ["-" * width for width in widths], *rows):
            self.log.say("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        self.log.say()
        for sentence in conclusions(rounds, SLOW):
            self.log.say(sentence)

    def write_report(self) -> None:
        """The report that explains the plan."""
        plan = self.folder / f"{LEARNED.plan}.plan"
        self.tierprof("report", self.trace, "--plan", plan, "--model", self.model, "-o", self.report, show=False)
        self.log.say(f"  open {self.report}")
        self.log.say(f"  this output: {self.folder / 'demo.txt'}")


def main() -> int:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, metavar="R", help="rounds of the last comparison (default 5)")
    args = parser.parse_args()
    folder = ROOT / "build" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    demo = Demo(folder, args.repeat)
    for title, stage in (
        ("1. A graph", demo.make_graph),
        ("2. Profile: what does the program allocate, and what does it wait for?", demo.profile),
        ("3. Measure: what does each object cost in the slow tier?", demo.measure),
        ("4. Train a ranker on other programs", demo.train),
        ("5. Plan: a quarter of the peak in DRAM", demo.place),
        (f"6. Prove: {args.repeat} interleaved rounds", demo.compare),
        ("7. Report", demo.write_report),
    ):
        with demo.log.stage(title):
            stage()
    return 0


if __name__ == "__main__":
    sys.exit(main())
