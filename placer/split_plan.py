"""What a plan says of the objects that it splits: their parts, what these are worth, and why others are not split."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.base.units import format_bytes, format_share
from tierprof.placer.heat_ranges import share_of
from tierprof.placer.pack_split import SplitPacking, Way
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.splits import Splits, Splittable, offsets


class SplitSummary(NamedTuple):
    """What splitting changed; shares are of what all objects in fast memory would be worth."""

    objects: int  # that are split
    whole_share: float  # of the best packing of whole objects
    share: float  # of the packing with splits
    bound_share: float  # that no packing exceeds, by the fractional relaxation over blocks

    def line(self) -> str:
        """In words."""
        bound = f"no plan for this budget is worth more than {format_share(self.bound_share)} (fractional relaxation, block by block)"
        if self.objects == 0:
            return f"no object is split: whole objects are worth {format_share(self.whole_share)} of all in fast memory; {bound}"
        what = "1 object is split" if self.objects == 1 else f"{self.objects} objects are split"
        return f"{what}: worth {format_share(self.share)} of all in fast memory, {format_share(self.whole_share)} without splits; {bound}"


def summary_of(values: NDArray[np.float64], packing: SplitPacking) -> SplitSummary | None:
    """What splitting changed; None if nothing is worth anything."""
    total = float(values[values > 0].sum())
    if total <= 0:
        return None
    return SplitSummary(len(packing.ways), packing.whole_value / total, packing.value / total, packing.bound / total)


def parts_of(own: Splittable, way: Way, fast: str, effect_s: float | None) -> tuple[PlannedPart, ...]:
    """The parts of an object that go to fast memory, each with its share of the object's effect."""
    shares = [share_of((blocks,), own.heat.judged_by) for blocks in way.ranges]
    return tuple(
        PlannedPart(start, end, fast, None if effect_s is None else round(effect_s * share, 6))
        for (start, end), share in zip(offsets(way.ranges, own.heat), shares, strict=True)
    )


def split_reason(own: Splittable, way: Way) -> str:
    """Why an object is split so: what its parts take, and what the hottest blocks would that are not so few and long."""
    sizes = f"{format_bytes(way.fast_bytes)} of {format_bytes(own.heat.whole_bytes)}"
    parts = "" if len(way.ranges) == 1 else f" in {len(way.ranges)} parts"
    told = f"split: {sizes}{parts} take {format_share(way.share)} of its {own.heat.of}"
    if way.blocks_share - way.share >= 0.01:
        told += f"; so many single blocks of {format_bytes(own.heat.block_bytes)} would take {format_share(way.blocks_share)}"
    return told


def whole_reason(splits: Splits | None, place: int) -> str:
    """What is added to the reason of an object that is larger than the budget and stays whole."""
    why = splits.why_not.get(place) if splits is not None else None
    return f"; not split: {why}" if why else ""
