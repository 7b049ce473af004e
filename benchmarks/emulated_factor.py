"""Does the emulated tier slow by the factor that it is asked for? The built-in random-read benchmark, with one and more threads.

Run `python benchmarks/emulated_factor.py`. `injected` is the factor in CPU time within the same run; `achieved` the one that a clock sees
against interleaved runs without delay, relative to the array beside it that is not slow; `fast array` what happened to that one. A busy
machine makes `achieved` larger than `injected`: a thread that takes longer is preempted more often, and finds its caches cold.
"""

import argparse

from tierprof.console import emit_json, note, table
from tierprof.placer.checks import machine_line
from tierprof.placer.emulation import Probe, compare, prepared_probe, search

FACTORS = (1.5, 2.0, 2.5, 3.0)


def measure(probe: Probe, factor: float, ratio: float, threads: int, pairs: int) -> dict[str, float]:
    """One line of the table."""
    runs = [(probe.run(0.0, threads=threads), probe.run(ratio, threads=threads)) for _ in range(pairs)]
    found = compare([plain for plain, _ in runs], [slowed for _, slowed in runs])
    injected = sum(slowed.injected for _, slowed in runs) / pairs
    numbers = {"injected": injected, "achieved": found.slow, "low": found.low, "high": found.high, "fast_factor": found.fast}
    return {"factor": factor, "threads": threads, "delay_ratio": ratio, **numbers}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many readers at once")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs without and with delay")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with prepared_probe() as probe:
        ratios = {factor: search(factor, lambda ratio: probe.run(ratio).injected)[0] for factor in FACTORS}
        rows = [measure(probe, factor, ratios[factor], threads, args.pairs) for threads in args.threads for factor in FACTORS]
    if args.json:
        emit_json(rows)
        return
    cells = [
        (
            f"{row['factor']:g}x",
            int(row["threads"]),
            f"{row['delay_ratio']:.2f}",
            f"{row['injected']:.2f}x",
            f"{row['achieved']:.2f}x",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{row['fast_factor']:.2f}x",
        )
        for row in rows
    ]
    table("emulated tier", ["asked", "threads", "delay a second", "injected", "achieved", "95 % interval", "fast array"], cells)
    note(machine_line())


if __name__ == "__main__":
    main()
