"""The policies that keep rows: against brute force on tiny streams, and the look-ahead against the optimum on a long one."""

from collections import Counter, OrderedDict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.next_use import NEVER, FurthestNextUse, NextUses
from tierprof.placer.embedding.policies import compare_policies, lfu_hits, look_ahead_hits, lru_hits, optimum_hits

ROWS = 5

batches = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=ROWS, unique=True).map(lambda rows: np.array(rows, np.int64)), max_size=8)
kept_rows = st.lists(st.integers(0, ROWS - 1), max_size=3, unique=True).map(lambda rows: np.array(rows, np.int64))
capacities = st.integers(0, 2)


def best_by_trying(stream: list[np.ndarray], capacity: int, kept: np.ndarray) -> int:
    """The most hits that any choice of rows to keep after each batch can have."""
    best = {frozenset(kept.tolist()): 0}
    for rows in map(frozenset, (batch.tolist() for batch in stream)):
        after: dict[frozenset[int], int] = {}
        for inside, hits in best.items():
            for size in range(capacity + 1):
                for choice in map(frozenset, combinations(sorted(inside | rows), size)):
                    after[choice] = max(after.get(choice, 0), hits + len(inside & rows))
        best = after
    return max(best.values())


def lru_one_by_one(stream: list[np.ndarray], capacity: int, kept: np.ndarray) -> int:
    inside, hits = OrderedDict.fromkeys(kept.tolist()), 0
    for batch in stream:
        hits += sum(row in inside for row in batch.tolist())
        for row in batch.tolist():
            inside[row] = None
            inside.move_to_end(row)
        while len(inside) > capacity:
            inside.popitem(last=False)
    return hits


def lfu_one_by_one(stream: list[np.ndarray], capacity: int, kept: np.ndarray) -> int:
    inside, hits, used, last = set(kept.tolist()), 0, Counter[int](), dict.fromkeys(range(ROWS), 0)
    for number, batch in enumerate(stream):
        hits += len(inside & set(batch.tolist()))
        used.update(batch.tolist())
        last.update(dict.fromkeys(batch.tolist(), number))
        order = sorted(inside | set(batch.tolist()), key=lambda row: (-used[row], -last[row], row))
        inside = set(order[:capacity])
    return hits


def kept_one_by_one(inside: set[int], rows: set[int], capacity: int, window: list[np.ndarray]) -> set[int]:
    """The rows that the look-ahead keeps while it uses `rows`, chosen one at a time."""
    for row in sorted(rows - inside, key=lambda row: due(row, window)):
        leaving = max(inside - rows, key=lambda row: due(row, window), default=None)
        if due(row, window) < NEVER and len(inside) < capacity:
            inside = inside | {row}
        elif leaving is not None and due(row, window) < due(leaving, window):
            inside = inside - {leaving} | {row}
    return inside


def due(row: int, window: list[np.ndarray]) -> int:
    return next((at for at, batch in enumerate(window) if row in batch), NEVER)


@given(stream=batches, capacity=capacities, kept=kept_rows)
def test_the_optimum_is_what_trying_all_choices_finds(stream: list[np.ndarray], capacity: int, kept: np.ndarray) -> None:
    kept = kept[:capacity]
    assert optimum_hits(stream, ROWS, capacity, kept) == best_by_trying(stream, capacity, kept)


@given(stream=batches, capacity=capacities, kept=kept_rows)
def test_lru_and_lfu_are_what_they_are_row_by_row(stream: list[np.ndarray], capacity: int, kept: np.ndarray) -> None:
    kept = kept[:capacity]
    assert lru_hits(stream, ROWS, capacity, kept) == lru_one_by_one(stream, capacity, kept)
    assert lfu_hits(stream, ROWS, capacity, kept) == lfu_one_by_one(stream, capacity, kept)


@given(stream=batches, capacity=capacities, kept=kept_rows, lookahead=st.integers(1, 9))
def test_the_look_ahead_keeps_what_is_used_soonest(stream: list[np.ndarray], capacity: int, kept: np.ndarray, lookahead: int) -> None:
    # GIVEN a stream, of which a few coming batches are known at a time
    kept = kept[:capacity]
    policy, hits, inside = FurthestNextUse(ROWS, capacity, kept, spare_current=True), 0, kept
    for number in range(len(stream)):
        while policy.uses.end < min(len(stream), number + 1 + lookahead):
            policy.push(stream[policy.uses.end])
        step = policy.advance()
        hits += int(step.hit.sum())
        # THEN what comes was used by the batch and not kept, what goes was kept and not used
        assert set(step.coming) <= set(stream[number]) - set(inside)
        assert set(step.going) <= set(inside) - set(stream[number])
        # AND the kept rows are used as soon as those chosen one at a time
        window = stream[number + 1 : number + 1 + lookahead]
        expected = kept_one_by_one(set(inside), set(stream[number]), capacity, window)
        inside = np.flatnonzero(policy.kept)
        assert sorted(due(row, window) for row in inside) == sorted(due(row, window) for row in expected)
    assert hits == look_ahead_hits(stream, ROWS, capacity, kept, lookahead)


@given(stream=batches)
def test_next_uses_are_those_of_the_window(stream: list[np.ndarray]) -> None:
    # GIVEN a window over the stream that grows by two batches and shrinks by one, in turn
    uses = NextUses(ROWS)
    for batch in stream:
        uses.push(np.concatenate([batch, batch[:1]]))
        while len(uses) > 2:
            rows, following = uses.pop()
            window = stream[uses.first : uses.end]
            # THEN each row of the batch that leaves is told the next batch that has it
            for row, number in zip(rows, following, strict=True):
                expected = next((uses.first + at for at, other in enumerate(window) if row in other), NEVER)
                assert number == expected == uses.next_use[row]


def test_rows_out_of_range_are_told() -> None:
    with pytest.raises(EmbeddingError, match="rows 0 to 7 of a table of 5; give rows of the table"):
        compare_policies([np.array([0, 7])], 2, 3, num_rows=5)
