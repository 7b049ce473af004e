"""Does the emulated tier slow by the factor that it is asked for? The built-in random-read benchmark, with one and more threads.

Run `python benchmarks/emulated_factor.py`. `achieved` is the factor that a clock sees, against reads of the same pages moments later
without delay; `injected` the delay's own part of it (while a thread is held up, its caches cool); `fast array` the factor of the array
beside it that is not slow. The delay is calibrated with one thread, as `tierprof run` does it.
"""

import argparse

from tierprof.console import emit_json, note, table
from tierprof.placer.checks import machine_line
from tierprof.placer.emulation import Probe, compare, prepared_probe, search

FACTORS = (1.5, 2.0, 2.5, 3.0)


def measure(probe: Probe, factor: float, ratio: float, threads: int, repeats: int) -> dict[str, float]:
    """One line of the table."""
    runs = probe.runs(ratio, count=repeats, threads=threads)
    found = compare(runs)
    injected = sum(run.injected for run in runs) / repeats
    numbers = {"injected": injected, "achieved": found.slow, "low": found.low, "high": found.high, "fast_factor": found.fast}
    return {"factor": factor, "threads": threads, "delay_ratio": ratio, **numbers}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many readers at once")
    parser.add_argument("--repeats", type=int, default=5, help="runs for each line")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with prepared_probe() as probe:
        ratios = {factor: search(factor, lambda ratio: compare(probe.runs(ratio)).slow) for factor in FACTORS}
        rows = [measure(probe, factor, ratios[factor], threads, args.repeats) for threads in args.threads for factor in FACTORS]
    if args.json:
        emit_json(rows)
        return
    cells = [
        (
            f"{row['factor']:g}x",
            int(row["threads"]),
            f"{row['delay_ratio']:.2f}",
            f"{row['achieved']:.2f}x",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{row['injected']:.2f}x",
            f"{row['fast_factor']:.2f}x",
        )
        for row in rows
    ]
    table("emulated tier", ["asked", "threads", "delay a second", "achieved", "95 % interval", "injected", "fast array"], cells)
    note(machine_line())


if __name__ == "__main__":
    main()
