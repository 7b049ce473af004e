"""What a reader has to know to take a prediction for what it is, one sentence each."""

from collections.abc import Iterator

import numpy as np

from tierprof.base.units import format_bytes, format_seconds
from tierprof.models.timing.machine import Machine
from tierprof.placer.predict.rates import MEASURES, Rate, Rates
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

_NOT_SOLD = "optane"


def trust_notes(trace: Trace, machine: Machine, profile: ExactProfile | None, page_cache_bytes: int | None) -> Iterator[str]:
    """What the run times rest on."""
    yield (
        "What no plan can move (stack, static data, small allocations) stays in DRAM at every budget; only the line `everything"
        f" in {machine.slow}` moves it too."
    )
    if page_cache_bytes is not None:
        yield f"Beside every budget, {format_bytes(page_cache_bytes)} of DRAM caches pages of {machine.slow}."
    if profile is None:
        yield from _sampled_notes(trace)
        return
    facts = trace.meta["exact"]
    yield "Run times are a model's; docs/validation.md holds it against published measurements of real hardware."
    if facts.get("machine") != machine.name:
        differing = sorted(name for name, value in machine.config().items() if name in _SHAPE and profile.config.get(name, value) != value)
        if differing:
            yield (
                f"The run was traced behind the caches and core of {facts.get('machine')}; {machine.name} has other ones"
                f" ({', '.join(differing)}). Record it again with --machine {machine.name} to have those."
            )
    if facts.get("interval"):
        yield "Only intervals of the run were measured: the bounds of run times are that sampling's error, not the model's own."
    if facts.get("cut"):
        yield "The run was cut: this is the part that was recorded."


#: Fields of the simulated machine that change what an exact run counts.
_SHAPE = ("l1_bytes", "l2_bytes", "l3_bytes", "l1_ways", "l2_ways", "l3_ways", "window_instructions", "miss_buffers", "issue_width")


def _sampled_notes(trace: Trace) -> Iterator[str]:
    yield (
        f"The trace was sampled ({trace.meta.get('source')}, {trace.meta.get('samples')} samples): this is an estimate from stall shares."
        " Low ends let the cache hold what fits, high ends expose what prefetchers hide."
    )
    yield (
        "Bandwidth is unknown from samples: a slow tier that runs full costs more than this says."
        " `tierprof run --source exact` counts what moves."
    )
    yield f"Everything in DRAM is the measured run: {format_seconds(trace.meta['duration_s'])} on the machine that was traced."


def money_notes(machine: Machine, fast: Rates, slow: Rates) -> Iterator[str]:
    """Where prices, watts and carbon come from, and which are missing."""
    for name, rates in ((machine.fast, fast), (machine.slow, slow)):
        known = [f"{_figure(own, MEASURES[measure][1], machine.fast)} ({own.source})" for measure, own in rates.items()]
        missing = [measure for measure in MEASURES if measure not in rates]
        if known:
            yield f"A GB of {name}: {'; '.join(known)}."
        if missing:
            options = ", ".join(f"--{measure} {name}=LOW:HIGH" for measure in missing)
            yield f"A GB of {name}: nobody has published its {' and '.join(missing)}, so what it saves of that is not told; give {options}."
    if machine.slow.startswith(_NOT_SOLD) and "2019" in slow["price"].source:
        yield f"{machine.slow} is no longer sold: its price is of 2019, and DRAM's is of 2025, so what the two save together says little."


def _figure(rate: Rate, unit: str, fast: str) -> str:
    low, high = rate.per_gb
    span = f"{low:g}" if np.isclose(low, high) else f"{low:g} to {high:g}"
    return f"{span} times that of {fast}" if rate.of_fast else f"{span} {unit}"
