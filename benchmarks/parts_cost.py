"""What an allocation of 64 MiB costs whose site's plan splits it by address range: without parts, with one, and with sixteen.

Run `python benchmarks/parts_cost.py`. A C loop allocates and frees, once without touching the memory and once writing to each page, and
times itself (CPU time), in interleaved rounds. The tiers are DRAM and an emulated one without delay, which differ in nothing but whose
they are.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import Timing, format_interval, paired_interval, run_rounds, timed

from tierprof.base.native import native_path
from tierprof.console import emit_json, say, table
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_meta

MIB = 1 << 20
PARTS = (0, 1, 16)
WHOLE = "0 parts"
COUNTS = {0: "200", 1: "10"}  # allocations a run, without and with touching them


def build(folder: Path) -> Path:
    """Compile the loop."""
    loop = folder / "parts_cost"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(loop), str(Path(__file__).with_suffix(".c"))], check=True)
    return loop


def site_of(loop: Path, folder: Path) -> str:
    """Key of the loop's one site of large objects."""
    raw = folder / "raw"
    raw.mkdir()
    env = {**os.environ, "LD_PRELOAD": str(native_path("libtierprof.so")), "TIERPROF_DIR": str(raw)}
    subprocess.run([loop, "1", "0"], env=env, check=True, stdout=subprocess.DEVNULL)
    records = read_allocations(next(raw.glob("alloc.*.bin")))
    sites = read_meta(next(raw.glob("meta.*.bin"))).sites
    return sites[int(records["site"][records["size"] == 64 * MIB][0])].key


def environment(site: str, parts: int, folder: Path) -> dict[str, str]:
    """Of a run under a plan that has so many parts of 1 MiB in DRAM, and the rest in the other tier."""
    planned = tuple(PlannedPart((4 * number + 1) * MIB, (4 * number + 2) * MIB, "dram") for number in range(parts))
    tiers = (TierSpec("dram"), TierSpec("slow", "emulated", factor=1.0))
    path = folder / f"{parts}.plan.bin"
    path.write_bytes(plan_bytes(Plan(tiers, "dram", (PlannedObject(site, "slow", parts=planned),)), {"slow": 0.0}))
    return {"LD_PRELOAD": str(native_path("libtierprof.so")), "TIERPROF_PLAN": str(path)}


def row_of(name: str, touch: int, mine: np.ndarray, whole: np.ndarray) -> dict[str, Any]:
    """Median and quartiles, and the ratio to an allocation without parts."""
    low, median, high = np.quantile(mine, [0.25, 0.5, 0.75])
    ratio = paired_interval(lambda a, b: a / b, mine.tolist(), whole.tolist())
    shown = {"of_whole": ratio.value, "of_whole_low": ratio.low, "of_whole_high": ratio.high, "shown": ratio}
    return {"plan": name, "touched": bool(touch), "median_us": median, "quartile_low_us": low, "quartile_high_us": high, **shown}


def main() -> int:
    """Time all plans and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loop = build(folder)
        site = site_of(loop, folder)
        plans = {f"{parts} parts": environment(site, parts, folder) for parts in PARTS}
        for touch, count in COUNTS.items():

            def run(plan: str, _number: int, words: tuple[str, str] = (count, str(touch))) -> Timing:
                return timed([str(loop), *words], plans[plan])

            timings = run_rounds(list(plans), args.rounds, run, "touched" if touch else "untouched")
            costs = {plan: np.array([float(timing.output) for timing in own]) for plan, own in timings.items()}
            rows += [row_of(plan, touch, mine, costs[WHOLE]) for plan, mine in costs.items()]
    if args.json:
        emit_json([{key: value for key, value in row.items() if key != "shown"} for row in rows])
        return 0
    heads = ["plan", "pages", "median us", "quartiles us", "of 0 parts"]
    cells = [
        [
            row["plan"],
            "written" if row["touched"] else "untouched",
            f"{row['median_us']:.0f}",
            f"{row['quartile_low_us']:.0f} - {row['quartile_high_us']:.0f}",
            format_interval(row["shown"]),
        ]
        for row in rows
    ]
    table(f"one malloc + free of 64 MiB, {args.rounds} interleaved rounds", heads, cells)
    say("sixteen parts are 33 ranges")
    return 0


if __name__ == "__main__":
    sys.exit(main())
