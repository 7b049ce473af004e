"""How well a recommender ranks what was held out: recall and NDCG of the first 20 items, all items ranked, in batches of users."""

from collections.abc import Callable

import numpy as np

from tierprof.workloads.recommender import Data, Pairs

CUTOFF = 20
_BATCH_BYTES = 4 << 20

#: Scores of all items for some users: float32, users x items. The array may be written to.
Score = Callable[[np.ndarray], np.ndarray]


def _rows_of(pairs: Pairs, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row (place in `users`) and item of every pair of these users."""
    counts = pairs.start[users + 1] - pairs.start[users]
    rows = np.repeat(np.arange(len(users)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(pairs.start[users], counts)
    return rows, pairs.item[places]


def _best(scores: np.ndarray, count: int) -> np.ndarray:
    """The items of the highest scores of each row, highest first; of equal ones the first."""
    found = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def evaluate(data: Data, score: Score, users_limit: int) -> dict[str, float]:
    """Mean recall@20 and NDCG@20 of the users with something held out, as Wang et al. (arXiv 1905.08108, section 4.2) use them.

    recall@K is the share of a user's held-out items among their K best; NDCG@K is the sum of ``1 / log2(1 + rank)`` over those found,
    relative to the sum if they stood first (Järvelin, Kekäläinen 2002). Items that were learnt from are not ranked.

    Parameters
    ----------
    data
        The split graph.
    score
        The model.
    users_limit
        At most so many users, evenly spread over all with something held out.
    """
    tested = np.flatnonzero(np.diff(data.test.start))
    tested = tested[np.linspace(0, len(tested) - 1, min(users_limit, len(tested))).astype(np.int64)]
    cutoff = min(CUTOFF, data.items)
    discount = 1.0 / np.log2(np.arange(2, cutoff + 2))
    recall = gain = 0.0
    batch = max(_BATCH_BYTES // (4 * data.items), 1)
    for start in range(0, len(tested), batch):
        users = tested[start : start + batch]
        scores = score(users)
        scores[_rows_of(data.train, users)] = -np.inf
        best = _best(scores, cutoff)
        held = np.zeros(scores.shape, dtype=bool)
        held[_rows_of(data.test, users)] = True
        hit = np.take_along_axis(held, best, axis=1)
        count = held.sum(axis=1)
        recall += float((hit.sum(axis=1) / count).sum())
        gain += float(((hit * discount).sum(axis=1) / np.cumsum(discount)[np.minimum(count, cutoff) - 1]).sum())
    return {f"recall@{CUTOFF}": recall / len(tested), f"ndcg@{CUTOFF}": gain / len(tested)}
