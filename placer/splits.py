"""Ways to split objects of a trace between fast and slow memory, from their heat; choosing among them is pack_split.py's."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.units import format_share
from tierprof.placer.heat_ranges import Heat, Ranges
from tierprof.placer.pack import live_demand
from tierprof.placer.planned_parts import PART_BYTES
from tierprof.profiler.heat import heat_of
from tierprof.profiler.trace import Trace

#: Smaller objects are one item: to split them gains nothing that could be seen.
LEAST_BYTES = 1 << 20

#: Objects that are split at most, those of greatest value first, and ranges of each in fast memory: a plan stays readable.
MOST_OBJECTS = 8
MOST_PARTS = 16

#: Sizes that the allocations of an object may have: what each of many takes would not be known moment by moment.
MOST_SIZES = 4

#: With more samples than this it makes no difference by which of them ranges are chosen and judged.
MANY_SAMPLES = 1e6

#: What counts as heat, in this order, and what it is called.
_COUNTED = {"stall_s": "waiting", "misses": "lines from memory", "samples": "accesses"}

#: Of an object's samples, which tell where its heat is: so many, and this share of all of them.
LEAST_SAMPLES = 64
LEAST_LOCATED = 0.25

_SEED = 0


class Splittable(NamedTuple):
    """An object that may be split."""

    place: int  # of the object in the trace's table
    heat: Heat


class Splits(NamedTuple):
    """What may be split, and what may not."""

    objects: list[Splittable]
    why_not: dict[int, str]  # by place, in words


def offsets(ranges: Ranges, heat: Heat) -> list[tuple[int, int]]:
    """The ranges in bytes, whole pages; the last may end behind the object's last byte."""
    whole = -(-heat.size_bytes // PART_BYTES) * PART_BYTES
    return [(first * heat.block_bytes, min(end * heat.block_bytes, whole)) for first, end in ranges]


def splittable(trace: Trace, objects: pd.DataFrame, values: NDArray[np.float64]) -> Splits:
    """The objects of a trace that have heat by block.

    Parameters
    ----------
    trace
        The trace: its tables heat, or samples, and allocations.
    objects
        Its objects.
    values
        (n,) what each is worth in fast memory; one worth nothing is not split.
    """
    kinds, peaks = objects["kind"].to_numpy(), objects["peak_bytes"].to_numpy(dtype=np.int64)
    large = [int(place) for place in np.argsort(-values, kind="stable") if values[place] > 0 and peaks[place] >= LEAST_BYTES]
    tables = _Tables(trace) if large else None
    found: list[Splittable] = []
    why_not: dict[int, str] = {}
    for place in large:
        if tables is None or len(found) == MOST_OBJECTS:
            break
        problem = "its objects are small ones that share memory" if kinds[place] == "slab" else None
        heat = tables.heat(int(objects["site"].iloc[place])) if problem is None else problem
        if isinstance(heat, str):
            why_not[place] = heat
        else:
            found.append(Splittable(place, heat))
    return Splits(found, why_not)


class _Tables:
    """A trace's allocations and heat, site by site."""

    def __init__(self, trace: Trace) -> None:
        allocations = trace.frame("allocations", ["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
        known = len(allocations) > 0 and (trace.has("heat") or trace.has("samples"))
        self._heat = dict(list(heat_of(trace).groupby("site"))) if known else {}
        self._own = dict(list(allocations[~allocations["inherited"].to_numpy(dtype=bool)].groupby("site")))

    def heat(self, site: int) -> Heat | str:
        """An object's heat, or why it is of no use."""
        if site not in self._heat:
            return "its heat by block is not known"
        if site not in self._own:
            return "the trace lists none of its allocations"
        own = self._own[site]
        sizes = sorted(int(size) for size in own["size_bytes"].unique())
        if len(sizes) > MOST_SIZES:
            return f"its allocations are of {len(sizes)} sizes"
        heat = heat_by_block(self._heat[site], sizes[-1])
        if isinstance(heat, str) or len(sizes) == 1:
            return heat
        return heat._replace(sizes=sizes_of(own))


def sizes_of(allocations: pd.DataFrame) -> tuple[tuple[int, int], ...]:
    """Each size of an object's allocations, and how many of it live at once at most."""
    by_size = allocations.assign(size_bytes=1).groupby(allocations["size_bytes"])
    return tuple((int(size), int(live_demand(own).live_bytes.max())) for size, own in by_size)


def heat_by_block(rows: pd.DataFrame, size_bytes: int) -> Heat | str:
    """An object's heat, over all of its allocations; or, in words, why nothing is known.

    Parameters
    ----------
    rows
        Of `tierprof.base.schema.HEAT`, of one site. What was waited for counts; where nothing was timed, lines from memory, or accesses.
    size_bytes
        Of its largest allocation.
    """
    block_bytes = int(rows["block_bytes"].max())
    block = (rows["block"].to_numpy(dtype=np.int64) * rows["block_bytes"].to_numpy(dtype=np.int64)) // block_bytes
    count = -(-size_bytes // block_bytes)
    inside = block < count
    known = [(name, rows[name].fillna(0.0).to_numpy(dtype=np.float64)) for name in _COUNTED if name in rows]
    counted = next(((name, own) for name, own in known if own[inside].sum() > 0), None)
    if counted is None or block_bytes >= size_bytes:
        return "its heat by block is not known" if counted is None else "its samples are too few to tell its parts apart"
    name, weight = counted
    if rows["samples"].sum() < LEAST_SAMPLES:
        return "its samples are too few to tell its parts apart"
    located = float(np.average(rows["located_share"].fillna(1.0), weights=rows["samples"])) if "located_share" in rows else 1.0
    if located < LEAST_LOCATED:
        return f"only {format_share(located)} of its samples tell where in it they fell"
    sums, samples = np.zeros(count), np.zeros(count)
    np.add.at(sums, block[inside], weight[inside])
    np.add.at(samples, block[inside], rows["samples"].to_numpy(dtype=np.float64)[inside])
    chosen_by, judged_by = _halves(sums, samples)
    return Heat(size_bytes, block_bytes, chosen_by, judged_by, _COUNTED[name])


def _halves(sums: NDArray[np.float64], samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(blocks,) shares of the heat by one half of the samples, drawn at random, and by the other; both by all of them where they are many.

    What was chosen for being hot in some samples looks hotter in them than it is: so others tell what the choice is worth.
    """
    whole = np.round(samples).astype(np.int64)
    if whole.sum() >= MANY_SAMPLES:
        return sums / sums.sum(), sums / sums.sum()
    one = np.random.default_rng(_SEED).binomial(whole, 0.5) / np.maximum(whole, 1)
    halves = [half / half.sum() if half.sum() > 0 else sums / sums.sum() for half in (sums * one, sums * (1 - one))]
    return halves[0], halves[1]
