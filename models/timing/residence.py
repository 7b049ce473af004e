"""Which tier answers for an object's lines under a plan."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Residence:
    """Of n objects under P plans, each (n, P).

    Attributes
    ----------
    fast, slow : ndarray
        How often each tier is asked for one line of the object, on average. With a cache in front of the slow tier both are: they may sum
        to more than 1.
    fill : ndarray or None
        Lines that are written to the fast tier for one line asked for, to keep them there; None: none.
    """

    fast: Floats
    slow: Floats
    fill: Floats | None = None


class Reside(Protocol):
    """How a machine is used: turns the share of each object that a plan puts on the slow tier into who answers."""

    def __call__(self, slow_share: Floats) -> Residence:
        """The residence for `slow_share` (n, P), each in [0, 1]."""


def side_by_side(slow_share: Floats) -> Residence:
    """Both tiers are memory that the program addresses: App Direct, a NUMA node."""
    return Residence(fast=1 - slow_share, slow=slow_share)
