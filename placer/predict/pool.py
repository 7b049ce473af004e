"""Plans that were tried, each once: what they need and how long the run takes under them."""

import numpy as np
from numpy.typing import NDArray

from tierprof.placer.predict.forecast import Forecast, Times
from tierprof.placer.predict.movable import Movable


class Pool:
    """Tried plans, in the order of their trial; the first keeps everything in the slow tier."""

    def __init__(self, forecast: Forecast, movable: Movable) -> None:
        self._forecast, self._movable = forecast, movable
        self._rows: dict[bytes, int] = {}
        self.fast_share = np.zeros((0, len(movable)))
        self.needed_bytes = np.zeros(0, dtype=np.int64)
        self.times = Times(np.zeros(0), np.zeros(0), np.zeros(0))
        self.add(np.zeros((1, len(movable))))

    def add(self, fast_share: NDArray[np.float64], needed_bytes: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Try plans (plans, m); the places in the pool at which they are, or were already.

        Parameters
        ----------
        fast_share
            (plans, m) share of each object in fast memory.
        needed_bytes
            (plans,) what each needs, where it is known better than from the shares and the moments of the demand.
        """
        keys = [np.ascontiguousarray(row).tobytes() for row in fast_share]
        new = {key: place for place, key in reversed(list(enumerate(keys))) if key not in self._rows}
        fresh = sorted(new.values())
        if fresh:
            shares = fast_share[fresh]
            needed = self._movable.needed_bytes(shares) if needed_bytes is None else needed_bytes[fresh]
            times = self._forecast.run(self._movable.slow_share(shares))
            self._rows.update({keys[place]: len(self.needed_bytes) + number for number, place in enumerate(fresh)})
            self.fast_share = np.concatenate([self.fast_share, shares])
            self.needed_bytes = np.concatenate([self.needed_bytes, needed])
            self.times = Times(*(np.concatenate(pair) for pair in zip(self.times, times, strict=True)))
        return np.array([self._rows[key] for key in keys], dtype=np.int64)

    def best(self, budgets_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
        """(budgets,) place of the fastest plan that fits each budget; of equally fast ones the one that needs least.

        What fits a budget fits a larger one, so that the times never rise with the budget.
        """
        order = np.lexsort((self.needed_bytes, self.times.seconds))
        fits = self.needed_bytes[order][None, :] <= budgets_bytes[:, None]
        return order[fits.argmax(axis=1)]
