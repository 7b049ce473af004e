"""Does the emulated tier do what it is asked for? Factors of latency on random reads and caps on bandwidth on sweeps, with 1 and 2 threads.

Run `python benchmarks/emulated_factor.py`; it takes under three minutes, with fewer rounds where the machine is busy. Runs of all settings
are interleaved.

Factors: `achieved` is what a clock of CPU time sees, against reads of the same pages moments later without delay, with a 95 % bootstrap
interval over rounds; `injected` is the delay's own part of it (while a thread is held up, its caches cool); `fast array` is the factor of
the array beside it that is not slow. The delay for each factor is found here as `tierprof run` finds it.

Caps: `reached` counts what the loop reads and writes, as the STREAM benchmark does; `estimated` is what the emulation took it for, over
what it was. `no cap` is the same loop without one: a cap above it holds nothing up.

`core` is the part of a core that each thread had. Much below 1, others used the machine, and the figures say little: what a delay does
changes with the load, and a thread that has no core moves nothing meanwhile. `--realtime` (for root) keeps others off the cores while a
probe runs.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tierprof.base.errors import TierError
from tierprof.base.native import native_path
from tierprof.console import emit_json, note, table
from tierprof.placer.achieved import counters_of, total
from tierprof.placer.binary import write_plan, write_recipes
from tierprof.placer.checks import machine_line
from tierprof.placer.emulation import QUIET_SHARE, Calibration, Probe, ProbeRun, compare, find, prepared_probe
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions, launch
from tierprof.profiler.trace import Trace

FACTORS = (1.2, 1.5, 2.0, 2.5, 3.0)
TOLERANCE = 0.15  # that the factor is to be within
CAPS_GIB = (1.0, 2.0, 4.0)
KINDS = ("read", "write", "copy")

_GIB = 2.0**30
_MIB = 96  # of each thread's array
_PROFILE_SECONDS, _SWEEP_SECONDS = 0.3, 0.5
_REALTIME_PRIORITY = 10
_FACTORS_UNTIL_S, _CAPS_UNTIL_S = 110.0, 140.0  # after the start; a round that has begun is finished


class Sweep(NamedTuple):
    """What one run of the stream probe told."""

    bytes_per_s: float
    estimated: float  # over what was moved
    core_share: float


class SweepProbe:
    """The stream probe of one kind, profiled once, with its arrays in an emulated tier whose cap can be chosen."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder / kind, kind
        self._folder.mkdir()
        write_recipes(self._folder / "recipes.bin", self._recipes())

    def _command(self, seconds: float, threads: int) -> list[str]:
        options = {"--kind": self._kind, "--mib": _MIB, "--seconds": seconds, "--threads": threads}
        return [str(native_path("tierprof-probe")), "stream", *(str(word) for pair in options.items() for word in pair)]

    def _recipes(self) -> pa.Table:
        trace = self._folder / "sweep.trace"
        result = session.run(self._command(_PROFILE_SECONDS, 1), trace, LaunchOptions(source="clock", discard_stdout=True))
        if result.trace is None:
            raise TierError("the stream probe has no trace", result.failure or "perf is forbidden", "see `tierprof doctor`")
        return Trace.open(trace).table("recipes")

    def run(self, threads: int, cap_gib: float | None) -> Sweep:
        """One run under a cap; None: without."""
        slow = TierSpec("slow", "emulated", factor=2.0, bandwidth_bytes_per_s=None if cap_gib is None else cap_gib * _GIB)
        write_plan(self._folder / "plan.bin", Plan((TierSpec("dram"), slow), "slow"), {"slow": 0.0})
        env = {"TIERPROF_PLAN": str(self._folder / "plan.bin"), "TIERPROF_RECIPES": str(self._folder / "recipes.bin")}
        output = self._folder / "output.json"
        with output.open("wb") as stream, tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            options = LaunchOptions(source="none", env=env, small_period_bytes=0)
            launch(self._command(_SWEEP_SECONDS, threads), Path(scratch) / "raw", options, stdout=stream.fileno())
            moved = total(counters_of(Path(scratch) / "raw"), "emul_bytes")
        told = json.loads(output.read_text(encoding="ascii"))
        return Sweep(told["bytes"] / told["seconds"], moved / told["bytes"], told["cpu_seconds"] / (told["seconds"] * threads))


def rounds(at_most: int, until_s: float) -> Iterator[int]:
    """Numbers of rounds: one at least, then more as long as there is time."""
    for number in range(at_most):
        if number == 0 or time.monotonic() < until_s:
            yield number


def measure_factors(
    probe: Probe, found: Sequence[Calibration], threads: Sequence[int], repeats: int, until_s: float
) -> list[dict[str, float]]:
    """One row for each factor and number of threads."""
    runs: dict[tuple[int, int], list[ProbeRun]] = defaultdict(list)
    for _ in rounds(repeats, until_s):
        for at, calibration in enumerate(found):
            for n in threads:
                runs[at, n].append(probe.run(calibration.delay_ratio, threads=n))
    rows = []
    for n in threads:
        for at, calibration in enumerate(found):
            own = runs[at, n]
            reached = compare(own)
            rows.append(
                {
                    "factor": calibration.factor,
                    "threads": n,
                    "delay_ratio": calibration.delay_ratio,
                    "achieved": reached.slow,
                    "low": reached.low,
                    "high": reached.high,
                    "injected": float(np.mean([run.injected for run in own])),
                    "fast_factor": reached.fast,
                    "core_share": float(np.mean([run.core_share for run in own])),
                }
            )
    return rows


def measure_caps(threads: Sequence[int], repeats: int, until_s: float) -> list[dict[str, float | str]]:
    """One row for each kind of sweep, cap and number of threads."""
    runs: dict[tuple[str, int, float | None], list[Sweep]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="tierprof-") as name:
        probes = {kind: SweepProbe(Path(name), kind) for kind in KINDS}
        for _ in rounds(repeats, until_s):
            for cap in (None, *CAPS_GIB):
                for kind, probe in probes.items():
                    for n in threads:
                        runs[kind, n, cap].append(probe.run(n, cap))
    rows: list[dict[str, float | str]] = []
    for (kind, n, cap), own in runs.items():
        if cap is None:
            continue
        reached = np.array([run.bytes_per_s for run in own])
        rows.append(
            {
                "kind": kind,
                "threads": n,
                "cap_bytes_per_s": cap * _GIB,
                "reached_bytes_per_s": float(np.median(reached)),
                "lowest": float(reached.min()),
                "highest": float(reached.max()),
                "uncapped_bytes_per_s": float(np.median([run.bytes_per_s for run in runs[kind, n, None]])),
                "estimated": float(np.median([run.estimated for run in own])),
                "core_share": float(np.mean([run.core_share for run in own])),
            }
        )
    return sorted(rows, key=lambda row: (row["threads"], KINDS.index(str(row["kind"])), row["cap_bytes_per_s"]))


def print_factors(rows: Sequence[dict[str, float]]) -> None:
    """The first table, and how many of its lines are as near as they should be."""
    columns = ["asked", "threads", "delay a second", "achieved", "95 % interval", "off by", "injected", "fast array", "core"]
    off = [row["achieved"] / row["factor"] - 1 for row in rows]
    cells = [
        (
            f"{row['factor']:g}x",
            int(row["threads"]),
            f"{row['delay_ratio']:.2f}",
            f"{row['achieved']:.2f}x",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{error:+.0%}",
            f"{row['injected']:.2f}x",
            f"{row['fast_factor']:.2f}x",
            f"{row['core_share']:.2f}",
        )
        for row, error in zip(rows, off, strict=True)
    ]
    table("emulated tier: factors", columns, cells)
    note(f"{sum(abs(error) <= TOLERANCE for error in off)} of {len(off)} are within {TOLERANCE:.0%} of what was asked for")


def print_caps(rows: Sequence[dict[str, float | str]]) -> None:
    """The second table, and how far those caps are missed that hold anything up."""
    columns = ["sweep", "threads", "asked GiB/s", "reached", "lowest-highest", "off by", "estimated", "no cap", "core"]
    numbers = [{name: value for name, value in row.items() if not isinstance(value, str)} for row in rows]
    cells = [
        (
            row["kind"],
            int(own["threads"]),
            f"{own['cap_bytes_per_s'] / _GIB:g}",
            f"{own['reached_bytes_per_s'] / _GIB:.2f}",
            f"{own['lowest'] / _GIB:.2f}-{own['highest'] / _GIB:.2f}",
            f"{own['reached_bytes_per_s'] / own['cap_bytes_per_s'] - 1:+.0%}",
            f"{own['estimated']:.2f}",
            f"{own['uncapped_bytes_per_s'] / _GIB:.2f}",
            f"{own['core_share']:.2f}",
        )
        for row, own in zip(rows, numbers, strict=True)
    ]
    table("emulated tier: caps on bandwidth", columns, cells)
    binding = [own for own in numbers if own["uncapped_bytes_per_s"] > 1.25 * own["cap_bytes_per_s"]]
    if binding:
        off = max(abs(own["reached_bytes_per_s"] / own["cap_bytes_per_s"] - 1) for own in binding)
        note(f"{len(binding)} of {len(rows)} caps are below what the machine moves; the furthest off is off by {off:.0%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many readers at once")
    parser.add_argument("--repeats", type=int, default=4, help="runs for each line")
    parser.add_argument("--realtime", action="store_true", help="run at real-time priority, which needs root")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    start_s = time.monotonic()
    with prepared_probe() as probe:
        if args.realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_REALTIME_PRIORITY))
        found = [find(probe, factor, "here") for factor in FACTORS]
        factors = measure_factors(probe, found, args.threads, args.repeats, start_s + _FACTORS_UNTIL_S)
    caps = measure_caps(args.threads, args.repeats, start_s + _CAPS_UNTIL_S)
    if args.json:
        emit_json({"factors": factors, "caps": caps})
        return
    print_factors(factors)
    print_caps(caps)
    if min([row["core_share"] for row in factors] + [float(row["core_share"]) for row in caps]) < QUIET_SHARE:
        note("others used the machine: repeat it when it is quiet")
    note(machine_line())


if __name__ == "__main__":
    main()
