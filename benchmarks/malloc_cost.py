"""What one malloc+free costs under the shim, beside nothing, heaptrack and memkind's libmemtier: 64 bytes (not tracked), 4 KiB (tracked).

Run `python benchmarks/malloc_cost.py`. A C loop, 15 frames deep, is timed from inside (CPU time), in interleaved rounds. "of plain" is the
ratio of the medians with its 95 % bootstrap interval over rounds. A peer that is not installed has a row that says so.
"""

import argparse
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import Timing, format_interval, paired_interval, run_rounds, timed

from tierprof.base.native import native_path
from tierprof.console import emit_json, say, table

SIZES = ("64 B", "4 KiB")
PLAIN, SHIM = "plain", "tierprof"
TARGETS = "target: 64 B at most 1.25 of plain, 4 KiB at most 3000 ns"


class Contender(NamedTuple):
    """A way to run the loop; `missing` says why it cannot be run."""

    name: str
    command: list[str]
    env: dict[str, str]
    missing: str | None


def contenders(loop: Path, folder: Path) -> list[Contender]:
    """The loop by itself, under the shim, and under what else does such a thing."""
    plain = [str(loop)]
    raw = folder / "raw"
    raw.mkdir()
    shim = {"LD_PRELOAD": str(native_path("libtierprof.so")), "TIERPROF_DIR": str(raw)}
    heaptrack = shutil.which("heaptrack")
    memtier = ctypes.util.find_library("memtier")
    tiers = {"LD_PRELOAD": memtier or "", "MEMKIND_MEM_TIERS": "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"}
    return [
        Contender(PLAIN, plain, {}, None),
        Contender(SHIM, plain, shim, None),
        # Raw: as the shim does, record only; its interpreter would take the other core.
        Contender(
            "heaptrack",
            ["heaptrack", "--raw", "-o", str(folder / "heaptrack"), *plain],
            {},
            None if heaptrack else "not installed (Debian: heaptrack)",
        ),
        Contender("libmemtier", plain, tiers, None if memtier else "not installed (Debian: libmemkind0)"),
    ]


def build(folder: Path) -> Path:
    """Compile the loop."""
    loop = folder / "malloc_cost"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(loop), str(source)], check=True)
    return loop


def pair_costs(timing: Timing) -> list[float]:
    """The two figures in what a run printed, ns; not a number if it failed."""
    for line in timing.output.splitlines():
        words = line.split()
        if len(words) == len(SIZES) and all(word.replace(".", "", 1).isdigit() for word in words):
            return [float(word) for word in words]
    return [float("nan")] * len(SIZES)


def rows_of(names: list[str], costs: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """One row a contender and size: median, spread (quartiles) and the ratio to plain, of the rounds in which both ran."""
    rows: list[dict[str, object]] = []
    for name in names:
        for number, size in enumerate(SIZES):
            mine, plain = costs[name][:, number], costs[PLAIN][:, number]
            both = np.isfinite(mine) & np.isfinite(plain)
            if not both.any():
                rows.append({"preload": name, "size": size, "missing": "every run failed"})
                continue
            low, median, high = np.quantile(mine[both], [0.25, 0.5, 0.75])
            ratio = paired_interval(lambda a, b: a / b, mine[both], plain[both])
            row = {"preload": name, "size": size, "median_ns": median, "quartile_low_ns": low, "quartile_high_ns": high}
            rows.append({**row, "of_plain": ratio.value, "of_plain_low": ratio.low, "of_plain_high": ratio.high, "shown": ratio})
    return rows


def cells_of(row: dict) -> list[str]:
    """A row as it is printed."""
    if "missing" in row:
        return [row["preload"], row["size"], row["missing"], "", ""]
    spread = f"{row['quartile_low_ns']:.1f} - {row['quartile_high_ns']:.1f}"
    return [row["preload"], row["size"], f"{row['median_ns']:.1f}", spread, format_interval(row["shown"])]


def main() -> int:
    """Time all contenders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        every = contenders(build(folder), folder)
        present = {one.name: one for one in every if one.missing is None}

        def run(contender: str, number: int) -> Timing:
            return timed(present[contender].command, present[contender].env)

        timings = run_rounds(list(present), args.rounds, run, "malloc+free")
    costs = {name: np.array([pair_costs(timing) for timing in runs]) for name, runs in timings.items()}
    rows = rows_of(list(present), costs)
    rows += [{"preload": one.name, "size": size, "missing": one.missing} for one in every if one.missing for size in SIZES]
    if args.json:
        emit_json([{key: value for key, value in row.items() if key != "shown"} for row in rows])
        return 0
    heads = ["preload", "size", "median ns a pair", "quartiles ns", "of plain"]
    table(f"one malloc + free, 15 frames deep, {args.rounds} interleaved rounds", heads, [cells_of(row) for row in rows])
    say(TARGETS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
