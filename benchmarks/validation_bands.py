"""Bands of published whole-program slowdowns, and where the model's kernels lie in them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from validation_kernels import SLOWDOWN_BAND, Outcome


class Band(NamedTuple):
    """A published band and the model's value for it."""

    study: str
    setting: str
    low: float
    high: float
    model: float

    @property
    def inside(self) -> bool:
        """Whether the model's value lies in it."""
        return self.low <= self.model <= self.high


# A mean of published programs and one of other graphs on another host: take a quarter either way as the same.
_TOLERANCE = 0.25
_GNR_CXL = 2.44


def bands(outcomes: Sequence[Outcome]) -> list[Band]:
    """The bands of whole_programs.csv that graph kernels fall under."""
    each = [
        Band("hardware, graph kernels", f"{one.kernel} on {one.graph}, all on Optane", *SLOWDOWN_BAND, one.slowdown) for one in outcomes
    ]
    mean = float(np.mean([one.cxl_slowdown for one in outcomes]))
    low, high = _GNR_CXL * (1 - _TOLERANCE), _GNR_CXL * (1 + _TOLERANCE)
    gnr = "mean of GAP kernels, all of it on CXL; published 2.44 on Granite Rapids, here with Cascade Lake's caches"
    return [*each, Band("GNR-CXL", gnr, low, high, mean)]
