"""Which rows should cross the border between the tiers, by their counts of lookups."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RerankReport:
    """What a re-ranking did.

    Attributes
    ----------
    rows_in : int
        Rows that came into the fast tier; as many left it.
    rows_left : int
        Pairs of rows that should change places still, for want of bytes.
    moved_bytes : int
        Read and written again, of the weight and of all that has rows like it.
    fast_share_before, fast_share_after : float
        Share of the counted lookups that go to rows in the fast tier.
    """

    rows_in: int
    rows_left: int
    moved_bytes: int
    fast_share_before: float
    fast_share_after: float


def crossing_rows(counts: np.ndarray, in_fast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to bring in, and those that make room for them, the most rewarding pair first.

    Parameters
    ----------
    counts
        Lookups by row, (rows,).
    in_fast
        Which rows lie in the fast tier, bool (rows,).

    Returns
    -------
    tuple of numpy.ndarray
        Rows coming in and rows going out, of the same length. After all pairs no row in the slow tier has more lookups than one in
        the fast tier; rows with equal counts stay where they are.
    """
    inside, outside = np.flatnonzero(in_fast), np.flatnonzero(~in_fast)
    # Only a row of the slow tier that beats the fast tier's coldest can come in; that leaves few to sort.
    floor = counts[inside].min(initial=np.inf)
    outside = outside[counts[outside] > floor]
    coming = outside[np.argsort(-counts[outside], kind="stable")]
    going = inside[np.argsort(counts[inside], kind="stable")][: len(coming)]
    coming = coming[: len(going)]
    pairs = int(np.count_nonzero(counts[coming] > counts[going]))
    return coming[:pairs], going[:pairs]
