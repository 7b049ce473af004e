"""How often each row is looked up."""

import numpy as np
import torch

# So many lookups wait before they are added up, each 8 bytes.
_PENDING = 1 << 18


class LookupCounts:
    """Counts of lookups by row, of every n-th batch.

    Parameters
    ----------
    num_rows
        Of the table.
    every
        1: all batches; 16: each sixteenth; 0: none.
    """

    def __init__(self, num_rows: int, every: int) -> None:
        self._num_rows, self.every = num_rows, every
        self._batch = 0
        self._waiting: list[np.ndarray] = []
        self._waiting_lookups = 0
        self._counts: np.ndarray | None = None

    def note(self, rows: torch.Tensor) -> None:
        """Take a batch's rows, all in range, in any shape; not called where none are counted."""
        self._batch += 1
        if self._batch % self.every == 0:
            self._waiting.append(rows.detach().reshape(-1).numpy().copy())
            self._waiting_lookups += rows.numel()
            if self._waiting_lookups >= _PENDING:
                self._add_up()

    def values(self) -> np.ndarray:
        """Lookups by row, float32 (num_rows,), older ones discounted by `forget`."""
        return self._add_up().copy()

    def forget(self, share: float) -> None:
        """Let all counts so far weigh less by this share, so that what comes into fashion is soon seen."""
        counts = self._add_up()
        counts *= np.float32(1 - share)

    def _add_up(self) -> np.ndarray:
        if self._counts is None:
            self._counts = np.zeros(self._num_rows, np.float32)
        if self._waiting:
            np.add.at(self._counts, np.concatenate(self._waiting), np.float32(1))
            self._waiting, self._waiting_lookups = [], 0
        return self._counts
