"""What does it cost to move live objects? Freezes chunk by chunk, and seconds for each GiB, by pair of tiers, beside a plain memcpy.

Run `python benchmarks/migration.py`: the array of a program moves to and fro as by `tierprof move`, in pieces of 2 MiB and of 16 MiB, at
rest and while a thread writes to all of it. `freeze` is how long a writer may have waited for one chunk, `in all` the time from the first
request to the last answer, and `memcpy` what it takes to copy as much into fresh pages.

`--increments N` counts instead: four threads add N in all to counters strewn over an object that moves without a pause; every addition must
be there in the end. Then once more without protection (in a build with -DTIERPROF_CHECKS=ON), where some must be lost.
"""

import argparse
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from tierprof.base.native import native_path
from tierprof.base.units import format_bytes, format_seconds
from tierprof.console import emit_json, note, progress, table
from tierprof.placer.binary import plan_bytes
from tierprof.placer.checks import machine_line
from tierprof.placer.control import SIGNALS, ControlledProcess
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_meta

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "programs" / "move_writers.c"
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
DRAM = TierSpec("dram")
MIB, GIB = 1 << 20, 1 << 30
THREADS = 4
_ALLOC = 1


def tiers(folder: Path, memory: Path, with_pool: bool) -> list[TierSpec]:
    """The tiers that this machine can stand in for, beside DRAM."""
    found = [
        TierSpec("tmpfs", "pmem", folder=memory),
        TierSpec("disk", "pmem", folder=folder),
        TierSpec("node:0", "node", node=0),
        TierSpec("emulated", "emulated", factor=2.0),
        TierSpec("huge", "huge"),
    ]
    return [*found, TierSpec("hugetlb", "hugetlb", page_bytes=2 * MIB)] if with_pool else found


@contextmanager
def huge_pool(size_bytes: int) -> Iterator[bool]:
    """A pool of huge pages for as long as it is needed; False: it cannot be had."""
    before = ""
    with suppress(OSError):
        before = POOL.read_text()
        POOL.write_text(str(int(before) + size_bytes // (2 * MIB) + 1))
    try:
        yield before != "" and int(POOL.read_text()) * 2 * MIB >= size_bytes
    finally:
        if before:
            with suppress(OSError):
                POOL.write_text(before)


class Writers:
    """tests/programs/move_writers.c under the shim."""

    def __init__(self, program: Path, folder: Path, tier: TierSpec, *words: object, env: dict[str, str] | None = None) -> None:
        raw = Path(tempfile.mkdtemp(dir=folder))
        (raw / "plan.bin").write_bytes(plan_bytes(Plan((DRAM, tier), "dram"), {}))
        own = {"LD_PRELOAD": str(native_path("libtierprof.so")), "TIERPROF_DIR": str(raw), "TIERPROF_PLAN": str(raw / "plan.bin")}
        command = [str(program), *map(str, words)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env={**os.environ, **own, **(env or {})}, **pipes)
        assert self.process.stdout is not None
        self._counted = False
        self.process.stdout.readline()
        records = read_allocations(next(raw.glob("alloc.*.bin")))
        born = records[records["type"] == _ALLOC]
        self.site = read_meta(next(raw.glob("meta.*.bin"))).sites[int(born["site"][born["size"].argmax()])].key

    def has_counted(self) -> bool:
        """Whether its threads have made the increments that they were to make."""
        assert self.process.stdout is not None
        self._counted = self._counted or bool(select.select([self.process.stdout], [], [], 0)[0])
        return self._counted

    def finish(self) -> tuple[int, int]:
        """Increments made, and lost."""
        output, _ = self.process.communicate()
        words = output.decode().splitlines()[-1].split()
        return int(words[1]), int(words[3])


def move(process: ControlledProcess, site: str, tier: str, chunk_bytes: int) -> list[tuple[float, float]]:
    """Move all; of each answer the mean and the worst freeze of its chunks, in seconds."""
    answers = []
    while True:
        answer = process.ask(site, tier, chunk_bytes)
        if SIGNALS in answer.stay_bytes:
            continue
        if answer.stay_bytes:
            raise RuntimeError(f"{tier}: {answer.stay_bytes} stay ({os.strerror(answer.error)})")
        if answer.chunks:
            answers.append((answer.frozen_s / answer.chunks, answer.worst_s))
        if answer.left_bytes == 0:
            return answers


def measure(writers: Writers, tier: TierSpec, chunk_bytes: int, size_bytes: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each direction."""
    names = {"dram": ("dram", tier.name), tier.name: (tier.name, "dram")}
    freezes: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    process = ControlledProcess(writers.process.pid)
    with process:
        for _ in range(rounds):
            for name, (_, target) in names.items():
                began = time.perf_counter()
                freezes[name] += move(process, writers.site, target, chunk_bytes)
                seconds[name].append(time.perf_counter() - began)
    process.close()
    return [
        {
            "from": source,
            "to": target,
            "chunk_bytes": chunk_bytes,
            "freeze_median_s": float(np.median([mean for mean, _ in freezes[name]])),
            "freeze_worst_s": max(worst for _, worst in freezes[name]),
            "seconds_per_gib": float(np.median(seconds[name])) * GIB / size_bytes,
        }
        for name, (source, target) in names.items()
    ]


def memcpy_seconds_per_gib(size_bytes: int, rounds: int) -> float:
    """Of a plain copy into fresh pages."""
    source = np.ones(size_bytes, np.uint8)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        copy = source.copy()
        times.append(time.perf_counter() - began)
        del copy
    return float(np.median(times)) * GIB / size_bytes


def compile_program(folder: Path) -> Path:
    """The counting program."""
    output = folder / "writers"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-D_GNU_SOURCE", "-o", output, PROGRAM], check=True)
    return output


def count(program: Path, folder: Path, tier: TierSpec, increments: int, moves: int, *, protected: bool) -> dict[str, Any]:
    """Move a small object to and fro at least so often, and for as long as the threads count."""
    env = {} if protected else {"TIERPROF_TEST_NO_FREEZE": "1"}
    began = time.perf_counter()
    writers = Writers(program, folder, tier, THREADS, 1, increments // THREADS, env=env)
    process = ControlledProcess(writers.process.pid)
    done = 0
    with process, progress() as bar:
        task = bar.add_task(f"moves, {tier.name}", total=moves)
        while done < moves or not writers.has_counted():
            move(process, writers.site, "dram" if done % 2 else tier.name, 1 << 40)
            done += 1
            bar.advance(task)
    process.close()
    made, lost = writers.finish()
    return {
        "tier": tier.name,
        "protected": protected,
        "threads": THREADS,
        "moves": done,
        "increments": made,
        "lost": lost,
        "seconds": time.perf_counter() - began,
    }


def run_counts(program: Path, folder: Path, memory: Path, increments: int, moves: int) -> list[dict[str, Any]]:
    """On tmpfs and on a disk, which freeze in different ways; and without protection."""
    kinds = tiers(folder, memory, with_pool=False)[:2]
    rows = [count(program, folder, tier, increments // len(kinds), moves // len(kinds), protected=True) for tier in kinds]
    if b"TIERPROF_TEST_NO_FREEZE" in native_path("libtierprof.so").read_bytes():
        rows.append(count(program, folder, kinds[0], increments // 50, moves // 10, protected=False))
    else:
        note("no run without protection: the shim was built without -DTIERPROF_CHECKS=ON")
    return rows


def run_costs(program: Path, folder: Path, memory: Path, size_bytes: int, rounds: int) -> dict[str, Any]:
    """Every pair with DRAM, every size of chunks, at rest and under a writer."""
    rows = []
    with huge_pool(2 * size_bytes) as with_pool, progress() as bar:
        kinds = tiers(folder, memory, with_pool)
        task = bar.add_task("moves", total=2 * 2 * len(kinds))
        for tier in kinds:
            for threads in (0, 1):
                writers = Writers(program, folder, tier, threads, size_bytes // MIB, 0)
                for chunk_bytes in (2 * MIB, 16 * MIB):
                    rows += [{**row, "writers": threads} for row in measure(writers, tier, chunk_bytes, size_bytes, rounds)]
                    bar.advance(task)
                writers.finish()
    return {"size_bytes": size_bytes, "memcpy_seconds_per_gib": memcpy_seconds_per_gib(size_bytes, 2 * rounds + 1), "moves": rows}


def print_costs(found: dict[str, Any]) -> None:
    """The table."""
    memcpy = found["memcpy_seconds_per_gib"]
    cells = [
        (
            f"{row['from']} -> {row['to']}",
            format_bytes(row["chunk_bytes"]),
            "writing" if row["writers"] else "at rest",
            format_seconds(row["freeze_median_s"]),
            format_seconds(row["freeze_worst_s"]),
            f"{row['seconds_per_gib']:.2f}s",
            f"{row['seconds_per_gib'] / memcpy:.1f}",
        )
        for row in found["moves"]
    ]
    titles = ["tiers", "asked for", "program", "freeze, median", "worst", "in all, a GiB", "memcpys"]
    table(f"moving {format_bytes(found['size_bytes'])}", titles, cells)
    note(f"memcpy into fresh pages: {memcpy:.2f} s a GiB. {machine_line()}")


def print_counts(rows: list[dict[str, Any]]) -> None:
    """The table."""
    cells = [
        (
            row["tier"],
            "yes" if row["protected"] else "no",
            f"{row['increments']:,}",
            row["moves"],
            f"{row['lost']:,}",
            format_seconds(row["seconds"]),
        )
        for row in rows
    ]
    table(f"{THREADS} threads count while their object moves", ["tier", "protected", "increments", "moves", "lost", "took"], cells)


def main() -> int:
    """Measure and print; with --increments the status is 1 if any was lost under protection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, metavar="MIB", help="of the array that moves")
    parser.add_argument("--rounds", type=int, default=3, help="to and fro")
    parser.add_argument("--folder", type=Path, default=None, help="on a disk, where userfaultfd does not protect (default: TMPDIR)")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="on tmpfs, where it does")
    parser.add_argument("--increments", type=float, default=0, metavar="N", help="count instead, N in all")
    parser.add_argument("--moves", type=int, default=1000, help="with --increments: at least so many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as disk, tempfile.TemporaryDirectory(dir=args.memory) as memory:
        folder = Path(disk)
        program = compile_program(folder)
        if args.increments:
            rows = run_counts(program, folder, Path(memory), int(args.increments), args.moves)
            emit_json(rows) if args.json else print_counts(rows)
            return int(any(row["lost"] for row in rows if row["protected"]))
        found = run_costs(program, folder, Path(memory), args.size * MIB, args.rounds)
        emit_json(found) if args.json else print_costs(found)
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
