"""The exact solver beneath pack.py: 0/1 packing where every moment of the run is a constraint, and only a few of them ever bind.

A packing is sought under the moments that are known to matter, then held against all; those that it overfills join the ones that matter,
and it is sought again. What fits all moments in the end is the best under fewer constraints, so the best under all of them. The moments
that mattered for one budget are tried first for the next.
"""

import ctypes
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

# Values are scaled so that the greatest is this: HiGHS stops at an absolute gap of 1e-6, which then is 1e-10 of it.
_OBJECTIVE_SCALE = 1e4

_NEW_MOMENTS = 8  # that join at once, the most overfilled first

_OUT_OF_TIME = 1  # status of `milp`


class Knapsack:
    """Objects to be packed under one budget or many.

    Parameters
    ----------
    values
        (n,) all above zero.
    live_bytes
        (moments, n).
    moments
        Those that are known to matter, if any.
    """

    def __init__(self, values: NDArray[np.float64], live_bytes: NDArray[np.int64], moments: Sequence[int] = ()) -> None:
        self._values = values
        self._rows = live_bytes
        self._matter = list(moments)
        self._scaled = -values * (_OBJECTIVE_SCALE / values.max(initial=1e-300))

    @property
    def moments(self) -> tuple[int, ...]:
        """Those that have mattered so far."""
        return tuple(self._matter)

    def solve(self, budget_bytes: int, time_limit_s: float, gap: float = 0.0) -> tuple[NDArray[np.bool_], bool]:
        """The best packing (n,), and whether it is known to be the best.

        Parameters
        ----------
        budget_bytes
            At most so many bytes at every moment.
        time_limit_s
            After which the best known packing serves.
        gap
            Share of the greatest value that may be missed.
        """
        fits = self._rows.max(axis=0, initial=0) <= budget_bytes
        if (self._rows @ fits <= budget_bytes).all():
            return fits, True
        self._matter = self._matter or [int(self._rows.sum(axis=1).argmax())]
        forbidden: list[LinearConstraint] = []
        deadline = time.monotonic() + time_limit_s
        while True:
            left_s = deadline - time.monotonic()
            chosen, status = self._ask(budget_bytes, fits, forbidden, gap, left_s) if left_s > 0 else (None, _OUT_OF_TIME)
            if chosen is None:
                return self._in_order(fits, fits, budget_bytes), False
            used = self._rows @ chosen
            over = np.flatnonzero(used > budget_bytes)
            if len(over) == 0:
                return chosen, status == 0
            if status == _OUT_OF_TIME:
                return self._in_order(chosen, fits, budget_bytes), False
            worst = over[np.argsort(-used[over], kind="stable")]
            new = [int(row) for row in worst if int(row) not in self._matter][:_NEW_MOMENTS]
            self._matter += new
            if not new:
                # The solver's tolerance let a few bytes too many through: forbid this very set in integers, and ask again.
                own = chosen & (self._rows[over[0]] > 0)
                forbidden.append(LinearConstraint(own.astype(np.float64), ub=own.sum() - 1))

    def _ask(
        self, budget_bytes: int, fits: NDArray[np.bool_], forbidden: list[LinearConstraint], gap: float, time_limit_s: float
    ) -> tuple[NDArray[np.bool_] | None, int]:
        """The best packing under the moments that matter; None if there was no time for any."""
        rows = self._rows[self._matter] * fits
        with _silent_stdout():
            # Presolving costs more than it saves: the moments that matter are few, and nothing in them is redundant.
            answer = milp(
                self._scaled,
                integrality=np.ones(len(fits), dtype=np.int64),
                bounds=Bounds(0, fits.astype(np.float64)),
                constraints=[LinearConstraint(rows / budget_bytes, ub=1.0), *forbidden],
                options={"mip_rel_gap": gap, "time_limit": time_limit_s, "presolve": False},
            )
        return (None if answer.x is None else np.rint(answer.x).astype(bool)), int(answer.status)

    def _in_order(self, first: NDArray[np.bool_], fits: NDArray[np.bool_], budget_bytes: int) -> NDArray[np.bool_]:
        """Greedily: these first, then the others, each by value per byte."""
        density = self._values / self._rows.max(axis=0).clip(1)
        return fill(np.where(first, density + density.max(), density), self._rows, budget_bytes) & fits


def fill(keys: NDArray[np.float64], live_bytes: NDArray[np.int64], budget_bytes: int) -> NDArray[np.bool_]:
    """Fill the budget greedily, greatest key first, passing over what no longer fits: (n,) chosen."""
    used = np.zeros(len(live_bytes), dtype=np.int64)
    chosen = np.zeros(len(keys), dtype=bool)
    for column in np.argsort(-keys, kind="stable"):
        after = used + live_bytes[:, column]
        if (after <= budget_bytes).all():
            chosen[column], used = True, after
    return chosen


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Send what native code prints to nowhere: HiGHS has a line that it prints whatever its options say, amid the verbs' JSON."""
    sys.stdout.flush()
    flush = ctypes.CDLL(None).fflush
    flush(None)
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)
