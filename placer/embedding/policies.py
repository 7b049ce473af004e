"""What share of rows other policies would have found in the fast tier, on the same stream of batches: LRU, LFU, and the optimum.

A batch uses each of its distinct rows once. A use is a hit if the row was kept when the batch before was over. After a batch a policy
keeps what it likes of the rows it kept and those of the batch, so that a row comes in only when it is used.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.next_use import FurthestNextUse

#: Batches of distinct rows, how many rows there are, how many can be kept, and those kept from the start, to be given up in this order.
Policy = Callable[[Sequence[np.ndarray], int, int, np.ndarray], int]


@dataclass(frozen=True)
class PolicyComparison:
    """Hit rates on one stream.

    Attributes
    ----------
    uses : int
        Of distinct rows by batches, all that could be hits.
    look_ahead, lru, lfu, optimum : float
        Hit rates; nan where there was no use.
    """

    uses: int
    look_ahead: float
    lru: float
    lfu: float
    optimum: float

    @property
    def share_of_optimum(self) -> float:
        """The look-ahead's hit rate over the optimum's."""
        return self.look_ahead / self.optimum


def compare_policies(
    stream: Sequence[np.ndarray],
    capacity_rows: int,
    lookahead_batches: int,
    num_rows: int | None = None,
    kept: np.ndarray | None = None,
) -> PolicyComparison:
    """Hit rates of the look-ahead, of LRU, of LFU and of the optimum (Belady's rule with the whole future).

    Parameters
    ----------
    stream
        The rows of each batch, integers in any shape, with repetitions.
    capacity_rows
        How many rows the fast tier keeps.
    lookahead_batches
        How many coming batches are known while one is used.
    num_rows
        Of the table; None: as many as the stream needs.
    kept
        Rows that are in the fast tier from the start, those to give up first in front; None: none.

    Raises
    ------
    EmbeddingError
        If a row is out of range, or more rows are kept than can be.
    """
    batches = [_distinct(np.asarray(batch).reshape(-1)) for batch in stream]
    ends = [(int(batch.min()), int(batch.max())) for batch in batches if len(batch)]
    first, last = min((low for low, _ in ends), default=0), max((high for _, high in ends), default=-1)
    num_rows = last + 1 if num_rows is None else num_rows
    start = np.empty(0, np.int64) if kept is None else np.asarray(kept)
    if first < 0 or last >= num_rows:
        raise EmbeddingError("the stream", f"it uses rows {first} to {last} of a table of {num_rows}", "give rows of the table")
    if len(start) > capacity_rows:
        raise EmbeddingError("the stream", f"{len(start)} rows are kept where {capacity_rows} can be", "give a larger capacity")
    num_rows = max(num_rows, int(start.max(initial=-1)) + 1)
    uses = sum(map(len, batches))

    def rate(policy: Policy) -> float:
        return policy(batches, num_rows, capacity_rows, start) / uses if uses else float("nan")

    def look_ahead(batches: Sequence[np.ndarray], num_rows: int, capacity_rows: int, kept: np.ndarray) -> int:
        return look_ahead_hits(batches, num_rows, capacity_rows, kept, lookahead_batches)

    return PolicyComparison(uses, rate(look_ahead), rate(lru_hits), rate(lfu_hits), rate(optimum_hits))


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Each row once, in the order in which they come."""
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def look_ahead_hits(batches: Sequence[np.ndarray], num_rows: int, capacity_rows: int, kept: np.ndarray, lookahead_batches: int) -> int:
    """Hits of the policy that `LookAhead` follows."""
    return _furthest_next_use(batches, FurthestNextUse(num_rows, capacity_rows, kept, spare_current=True), lookahead_batches)


def optimum_hits(batches: Sequence[np.ndarray], num_rows: int, capacity_rows: int, kept: np.ndarray) -> int:
    """As many hits as any policy can have."""
    return _furthest_next_use(batches, FurthestNextUse(num_rows, capacity_rows, kept, spare_current=False), len(batches))


def _furthest_next_use(batches: Sequence[np.ndarray], policy: FurthestNextUse, lookahead_batches: int) -> int:
    hits = 0
    for number in range(len(batches) + lookahead_batches):
        if number < len(batches):
            policy.push(batches[number])
        if number >= lookahead_batches and len(policy.uses):
            hits += int(np.count_nonzero(policy.advance().hit))
    return hits


def lru_hits(batches: Sequence[np.ndarray], num_rows: int, capacity_rows: int, kept: np.ndarray) -> int:
    """Hits if the rows are kept that were used last; within a batch the later ones."""
    resident = np.zeros(num_rows, bool)
    resident[kept] = True
    last = np.full(num_rows, -1, np.int64)
    by_use: deque[tuple[int, np.ndarray]] = deque([(-1, kept)])
    count, hits = len(kept), 0
    for number, rows in enumerate(batches):
        hit = resident[rows]
        hits += int(np.count_nonzero(hit))
        resident[rows] = True
        last[rows] = number
        by_use.append((number, rows))
        count += len(rows) - int(np.count_nonzero(hit))
        while count > capacity_rows:
            use, oldest = by_use.popleft()
            oldest = oldest[resident[oldest] & (last[oldest] == use)]
            going = oldest[: count - capacity_rows]
            resident[going] = False
            count -= len(going)
            if len(going) < len(oldest):
                by_use.appendleft((use, oldest[len(going) :]))
    return hits


def lfu_hits(batches: Sequence[np.ndarray], num_rows: int, capacity_rows: int, kept: np.ndarray) -> int:
    """Hits if the rows are kept that were used most often so far, then those used last, then the lower ones; all counts are remembered."""
    resident = np.zeros(num_rows, bool)
    resident[kept] = True
    rank = np.zeros(num_rows, np.int64)  # uses so far, then the last one
    step = len(batches) + 1
    inside, hits = np.sort(kept), 0
    for number, rows in enumerate(batches):
        hit = resident[rows]
        hits += int(np.count_nonzero(hit))
        rank[rows] = (rank[rows] // step + 1) * step + number
        inside = np.concatenate([inside, rows[~hit]])
        resident[rows] = True
        if len(inside) > capacity_rows:
            going = _lowest(inside, rank, len(inside) - capacity_rows)
            resident[going] = False
            inside = inside[resident[inside]]
    return hits


def _lowest(rows: np.ndarray, rank: np.ndarray, how_many: int) -> np.ndarray:
    """The rows of the lowest rank; of equal ones the higher rows."""
    ranks = rank[rows]
    border = np.partition(ranks, how_many - 1)[how_many - 1]
    below, level = rows[ranks < border], rows[ranks == border]
    return np.concatenate([below, np.sort(level)[::-1][: how_many - len(below)]])
