"""What share of the accesses the hottest units (rows, pages) of a thing take: estimated from few samples, with what they cannot tell.

The sorted counts themselves say too much: with fewer samples than units, the few that were met look like all that is hot. So there are
three curves. The sorted counts bound the truth from above: the units that happened to be met most hold at least the share of the samples
that the truly hottest hold. Leaving each sample out, ranking the units by all others, and looking where the left-out one falls (ties in
random order) bounds it from below: it is what a choice of units made from one sample less really catches, and no choice can catch more
than the best one. Both hold in expectation for any distribution. Between them lies the maximum-likelihood estimate of how many units have
which rate (a mixture of Poissons; Simar, Annals of Statistics 4, 1976), which needs no ranking.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

#: Samples a unit from which on an estimate is near the truth, see `_mixture`.
ENOUGH = 0.2

Floats = NDArray[np.float64]

_RATES = 160  # of the mixture
_STEPS = 400  # of its fit
_SPREAD = 1.5  # of the logarithm of the rates from which it starts
_GRID = np.concatenate((np.geomspace(1e-6, 1e-2, 41), np.linspace(0.01, 1.0, 100)))  # where curves that bend are told at least
_WIDTH = 1.96  # standard errors on either side: 95 %
_ERRORS = 101  # places at which the error is reckoned, besides those where the line bends


class Range(NamedTuple):
    """A share: estimated, and the interval in which it lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Share of the accesses that the hottest share of the units takes.

    Attributes
    ----------
    units : int
        All of them, met or not.
    samples : float
        Samples, or accesses where they were counted.
    shares : ndarray
        Shares of the units, rising from 0 to 1.
    low, value, high : ndarray
        Shares of the accesses that so many units take; of counted accesses all three are the same.
    """

    units: int
    samples: float
    shares: Floats
    low: Floats
    value: Floats
    high: Floats

    def caught(self, share: float) -> Range:
        """Share of the accesses that the hottest `share` of the units takes."""
        return Range(*(float(np.interp(share, self.shares, line)) for line in (self.value, self.low, self.high)))

    def needed(self, caught: float) -> Range:
        """Share of the units, the hottest first, that takes the share `caught` of the accesses."""
        value, most, least = (float(_first_at(line, self.shares, caught)) for line in (self.value, self.low, self.high))
        return Range(value, least, most)


def _first_at(line: Floats, shares: Floats, wanted: float) -> float:
    """Where a rising line reaches a value."""
    at = int(np.searchsorted(line, wanted - 1e-12))
    if at == 0 or at == len(line):
        return float(shares[min(at, len(line) - 1)])
    rise = line[at] - line[at - 1]
    return float(shares[at - 1] + (wanted - line[at - 1]) / rise * (shares[at] - shares[at - 1]))


def counted_curve(counts: ArrayLike, units: int) -> Curve:
    """The curve of accesses that were all counted.

    Parameters
    ----------
    counts
        Of the units that were met.
    units
        All units, at least as many.
    """
    hottest = np.sort(np.asarray(counts, np.float64))[::-1]
    taken = np.concatenate(([0.0], np.cumsum(hottest)))
    shares, line = np.arange(len(taken)) / max(units, len(hottest), 1), taken / max(taken[-1], 1e-300)
    if len(hottest) < units:
        shares, line = np.append(shares, 1.0), np.append(line, 1.0)
    return Curve(units, float(taken[-1]), shares, line, line, line)


def sampled_curve(counts: ArrayLike, units: int) -> Curve:
    """The curve of accesses that were sampled.

    Parameters
    ----------
    counts
        Samples in each of the units that were met: whole numbers from 1 on.
    units
        All units, at least as many.

    Notes
    -----
    `low` and `high` are the bounds that the module speaks of, each widened by 1.96 standard errors: `high` by those of a share of so many
    samples, `low` by those of a share of so many units, because the samples of one unit are caught together or not at all.
    """
    number, many = np.unique(np.asarray(counts, np.int64), return_counts=True)
    samples = int((number * many).sum())
    if samples == 0:
        line = np.array([0.0, 1.0])
        return Curve(units, 0.0, line, line, line, np.array([1.0, 1.0]))
    least = _left_out(number, many, units)
    most = counted_curve(counts, units)
    fitted = _mixture(number, many, units)
    shares = np.unique(np.concatenate((_GRID, least[0], most.shares, fitted[0])))
    low, high, value = (np.clip(np.interp(shares, *line), 0, 1) for line in (least, (most.shares, most.value), fitted))
    low = np.clip(low - _WIDTH * _left_out_error(number, many, units, shares, low), 0, 1)
    high = np.clip(high + _WIDTH * np.sqrt(high * (1 - high) / samples), 0, 1)
    # No choice of units takes less than its share of them; a margin must not let the lines fall.
    low, high = np.maximum(np.maximum.accumulate(low), shares), np.maximum.accumulate(high)
    high[0] = low[0] = 0.0
    return Curve(units, float(samples), shares, low, np.clip(value, low, high), high)


def with_neighbours(fine: Curve, coarse: Curve) -> Curve:
    """The curve of units of which neighbours may be alike, from few samples.

    Parameters
    ----------
    fine
        Of the units, from `sampled_curve`.
    coarse
        Of blocks of neighbouring units, of the same samples.

    Notes
    -----
    To take whole blocks is a choice of units, too: what it catches bounds theirs from below. Where the units have fewer samples than
    their own estimate needs, the estimate is that of the blocks, as if all units of a block were alike.
    """
    shares = np.unique(np.concatenate((fine.shares, coarse.shares)))
    low, high = np.interp(shares, fine.shares, fine.low), np.interp(shares, fine.shares, fine.high)
    low = np.minimum(np.maximum(low, np.interp(shares, coarse.shares, coarse.low)), high)
    told = fine if fine.samples >= ENOUGH * fine.units else coarse
    return Curve(fine.units, fine.samples, shares, low, np.clip(np.interp(shares, told.shares, told.value), low, high), high)


def _left_out(number: NDArray[np.int64], many: NDArray[np.int64], units: int) -> tuple[Floats, Floats]:
    """Share of the left-out samples that the best units by all other samples catch, at every share of units at which it bends.

    A sample of a unit with c samples leaves it c - 1. Before it come the other units with c and more; it is anywhere among those with
    c - 1, of which it is one now.
    """
    behind, ends = _ramps(number, many, units)
    share = number * many / (number * many).sum()
    # Each is a ramp from `behind` to `ends`: where it begins and ends the slope of the sum changes.
    places, where = np.unique(np.concatenate(([0, units], behind, ends)), return_inverse=True)
    slope = share / (ends - behind)
    slopes = np.cumsum(np.bincount(where, np.concatenate(([0, 0], slope, -slope))))
    return places / units, np.concatenate(([0.0], np.cumsum(slopes[:-1] * np.diff(places))))


def _ramps(number: NDArray[np.int64], many: NDArray[np.int64], units: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of a unit that lost one of `number` samples: how many come before it for certain, and how many do or may, itself included."""
    behind = np.cumsum(many[::-1])[::-1] - 1
    fewer = np.zeros(len(number), np.int64)
    fewer[1:] = np.where(number[1:] - 1 == number[:-1], many[:-1], 0)
    fewer[0] = max(units - many.sum(), 0) if number[0] == 1 else 0
    return behind, behind + fewer + 1


def _left_out_error(number: NDArray[np.int64], many: NDArray[np.int64], units: int, shares: Floats, line: Floats) -> Floats:
    """Standard error of `_left_out` at `shares`, where it is `line`: units are drawn, each with all its samples (a sample of clusters)."""
    behind, ends = _ramps(number, many, units)
    places = np.unique(np.concatenate((np.linspace(0, 1, _ERRORS), behind / units, ends / units)))
    caught = np.interp(places, shares, line)
    square = np.zeros(len(places))
    for count, units_of_it, first, last in zip(number, many, behind, ends, strict=True):  # distinct counts: few
        chance = np.clip((places * units - first) / (last - first), 0, 1)
        square += units_of_it * float(count) ** 2 * (chance * (1 - caught) ** 2 + (1 - chance) * caught**2)
    return np.interp(shares, places, np.sqrt(square) / (number * many).sum())


def _mixture(number: NDArray[np.int64], many: NDArray[np.int64], units: int) -> tuple[Floats, Floats]:
    """Share of accesses by share of units, of the mixture of Poissons that makes the counts most likely, by expectation maximisation.

    It starts around the mean and takes as many steps, so that what the counts do not tell stays near to even. With rows by Zipf's law
    (exponents 0 to 1.3) or of two levels, the share that any number of rows takes came out within 0.1 of the truth with a sample on every
    fifth row, and within 0.06 with one a row.
    """
    seen = np.concatenate(([0], number)).astype(np.float64)
    share = np.concatenate(([max(units - many.sum(), 0)], many)) / units
    mean = float((seen * share).sum())
    rates = np.concatenate(([0.0], np.geomspace(min(mean, 1.0) * 1e-3, number[-1] + 3 * np.sqrt(number[-1]), _RATES)))
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(
            rates > 0, seen[:, None] * np.log(rates) - rates - gammaln(seen + 1)[:, None], np.where(seen[:, None] == 0, 0.0, -np.inf)
        )
    chance = np.exp(log)
    weight = np.exp(-0.5 * (np.log(np.maximum(rates, rates[1] * 1e-3) / mean) / _SPREAD) ** 2) + 1e-9
    weight /= weight.sum()
    for _ in range(_STEPS):
        weight *= (share / np.maximum(chance @ weight, 1e-300)) @ chance
    hottest = np.argsort(-rates)
    units_share = np.concatenate(([0.0], np.cumsum(weight[hottest])))
    taken = np.concatenate(([0.0], np.cumsum((weight * rates)[hottest])))
    return units_share / units_share[-1], taken / taken[-1]
