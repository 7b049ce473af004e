"""How sure a run time is that was measured in intervals."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tierprof.models.timing.lanes import Lanes

Floats = NDArray[np.float64]

CONFIDENCE = 0.95


def half_width_s(times_s: Floats, lanes: Lanes) -> Floats:
    """Half of the 95 % confidence interval of the whole run's time.

    The ratio estimator (W. Cochran, Sampling Techniques, 1977, chapter 6): how much the slices' times differ from what their instructions
    would have taken at the run's mean pace, scaled by what each stands for, with the finite population's correction.

    Parameters
    ----------
    times_s
        Of each slice under P plans (S, P).
    lanes
        Weights and instructions of the slices.

    Returns
    -------
    ndarray
        (P,), in seconds; 0 where everything was measured, infinite if one slice stands for all.
    """
    return _half_width(times_s, lanes.instructions[:, None].astype(np.float64), lanes)


def ratio_half_width(times_s: Floats, reference_s: Floats, lanes: Lanes) -> Floats:
    """Half of the 95 % confidence interval of a run's time over another plan's, of the same intervals.

    The same estimator, with the other plan's time in the place of the instructions: what both plans share falls out, so that a slowdown is
    known better than either of its run times.

    Parameters
    ----------
    times_s
        Of each slice under P plans (S, P).
    reference_s
        Of each slice under the plan that they are compared with (S, 1).
    lanes
        Weights and instructions of the slices.

    Returns
    -------
    ndarray
        (P,), of the ratio; 0 where everything was measured, infinite if one slice stands for all.
    """
    whole = float((lanes.weight[:, None] * reference_s).sum())
    return _half_width(times_s, reference_s, lanes) / max(whole, 1e-300)


def _half_width(times_s: Floats, size: Floats, lanes: Lanes) -> Floats:
    """Of the sum of times, estimated by its ratio to the slices' `size` (S, 1)."""
    weight, instructions = lanes.weight[:, None], lanes.instructions[:, None]
    sampled = lanes.weight > 1
    slices = int(np.count_nonzero(sampled))
    if slices == 0:
        return np.zeros(times_s.shape[1])
    if slices == 1:
        return np.full(times_s.shape[1], np.inf)
    stands_for = weight[sampled] * size[sampled]
    pace = (weight[sampled] * times_s[sampled]).sum(axis=0) / max(stands_for.sum(), 1e-300)
    residual = weight[sampled] * times_s[sampled] - pace * stands_for
    unseen = 1 - instructions[sampled].sum() / max((weight[sampled] * instructions[sampled]).sum(), 1.0)
    error = np.sqrt(max(unseen, 0.0) * slices / (slices - 1) * (residual**2).sum(axis=0))
    return np.asarray(stats.t.ppf((1 + CONFIDENCE) / 2, slices - 1) * error)
