"""What the model says to the published rows: each configuration simulated once a generation of hardware, timed on DRAM and on Optane."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from validation_rows import BYTES_PER_GB

from tierprof.console import progress
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.patterns import CASCADE_LAKE, ICE_LAKE, REGION, Core, Pattern, Run, custom, reads, simulate, writes
from tierprof.models.timing.solve import Timing

# One reading of the clock by way of the vDSO, which a timed operation has between its two readings: assumed, not measured.
CLOCK_NS = 20.0


class Generation(NamedTuple):
    """A generation of Optane with the processors it ran under."""

    core: Core
    dram: str  # name of the rows on its DRAM
    machines: Mapping[str, str | Path]  # of the rows on Optane; they differ in bandwidth alone, so one simulation does for all


MACHINES = Path(__file__).resolve().parent / "machines"
GENERATIONS = (
    Generation(
        CASCADE_LAKE,
        "dram-of-optane100",
        {
            "optane100-256": "optane100-x6",
            "optane100-128": MACHINES / "optane100-128.toml",
            "optane100-512": MACHINES / "optane100-512.toml",
        },
    ),
    Generation(ICE_LAKE, "dram-of-optane200", {"optane200-256": "optane200"}),
)


def pattern_of(benchmark: str, variant: str, threads: int, core: Core, unit: str) -> Pattern:
    """The pattern that a row of the table tells of."""
    if benchmark in ("hash_index_lookup", "operation_latency"):
        latency = unit == "ns"
        return custom(variant, threads, core, clocked=benchmark == "operation_latency", alone=latency)
    size = int(variant.split(maxsplit=1)[0])
    sequential = benchmark.startswith("sequential")
    if benchmark.endswith("reads"):
        return reads(size, threads, sequential=sequential)
    return writes(size, threads, temporal=variant.endswith("B store"), sequential=sequential)


def figure(run: Run, pattern: Pattern, unit: str, seconds: float) -> float:
    """A run's time in a row's unit."""
    if unit == "ns":
        return 1e9 * seconds / run.operations + CLOCK_NS
    rate = run.operations / seconds
    return rate / 1e6 if unit == "Mops" else rate * pattern.bytes / BYTES_PER_GB


def fill_model(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column ``model``: the model's figure for each."""
    filled = rows.assign(model=np.nan)
    with progress() as bar:
        task = bar.add_task("patterns", total=len(GENERATIONS) * len(rows.groupby(["benchmark", "variant", "threads", "unit"])))
        for index, values in _figures(rows):
            filled.loc[index, "model"] = values
            bar.advance(task)
    return filled


def _figures(rows: pd.DataFrame) -> Iterator[tuple[pd.Index, np.ndarray]]:
    for generation in GENERATIONS:
        machines = {memory: Machine.load(machine) for memory, machine in generation.machines.items()}
        simulated = next(iter(machines.values()))
        own = rows["memory"].isin([generation.dram, *machines])
        for key, group in rows[own].groupby(["benchmark", "variant", "threads", "unit"], sort=False):
            benchmark, variant, threads, unit = (str(part) for part in key)
            pattern = pattern_of(benchmark, variant, int(threads), generation.core, unit)
            run = simulate(pattern, simulated.config())
            values = {generation.dram: figure(run, pattern, unit, _seconds(run, simulated, 0.0))}
            values |= {memory: figure(run, pattern, unit, _seconds(run, machine, 1.0)) for memory, machine in machines.items()}
            yield group.index, group["memory"].map(values).to_numpy()


def _seconds(run: Run, machine: Machine, slow_share: float) -> float:
    """With so much of the region on the slow tier; the lists of addresses stay on the fast one."""
    timing = Timing(run.profile, machine)
    return float(timing.run(slow_share * (timing.objects == REGION)).seconds)
