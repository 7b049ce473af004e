"""Piecewise-linear curves, as machine files give them: bandwidth by threads, latency by utilisation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """Straight lines between points, level outside of them.

    Attributes
    ----------
    at : tuple of float
        Where the points are, rising.
    value : tuple of float
        What the curve is there.
    """

    at: tuple[float, ...]
    value: tuple[float, ...]

    def __call__(self, x: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """The curve at `x`, any shape."""
        return np.asarray(np.interp(x, self.at, self.value), dtype=np.float64)

    @property
    def highest(self) -> float:
        """The largest value of any point."""
        return max(self.value)


def level(value: float) -> Curve:
    """The same everywhere."""
    return Curve((0.0,), (value,))


@dataclass(frozen=True)
class LoadedLatency:
    """Latency as a multiple of the idle one, by utilisation and by the share of reads in the traffic.

    Attributes
    ----------
    read_share : tuple of float
        Of each curve, rising. In between they are blended; outside the nearest holds.
    curves : tuple of Curve
        Multiple by utilisation (0 to 1); each starts at 1.
    """

    read_share: tuple[float, ...]
    curves: tuple[Curve, ...]

    @classmethod
    def of(cls, points: Sequence[tuple[float, Curve]]) -> "LoadedLatency":
        """From (read share, curve) in any order; each curve is given its start, a multiple of 1 at no load."""
        ordered = sorted(points, key=lambda point: point[0])
        started = (Curve((0.0, *curve.at), (1.0, *curve.value)) if curve.at[0] > 0 else curve for _, curve in ordered)
        return cls(tuple(share for share, _ in ordered), tuple(started))

    def __call__(self, utilisation: NDArray[np.float64], read_share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The multiple; both arguments of one shape."""
        place = np.interp(read_share, self.read_share, np.arange(len(self.curves)))
        # How near the read share is to each curve's own: 1 on it, 0 from the next one on.
        weights = (np.clip(1 - np.abs(place - at), 0, 1) for at in range(len(self.curves)))
        blended = np.zeros_like(utilisation)
        for weight, curve in zip(weights, self.curves, strict=True):
            blended += weight * curve(utilisation)
        return blended

    @property
    def highest(self) -> float:
        """The largest multiple of any curve."""
        return max(curve.highest for curve in self.curves)
