"""`LookAhead`: the coming batches are known, so the rows that they use are brought into the fast tier, and the right ones leave it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.next_use import FurthestNextUse
from tierprof.placer.embedding.policies import PolicyComparison, compare_policies
from tierprof.placer.embedding.table import TieredTable


@dataclass(frozen=True)
class LookAheadReport:
    """What the look-ahead has done so far.

    Attributes
    ----------
    batches : int
        That were handed out.
    uses, hits : int
        Distinct rows by batches, and those of them that were in the fast tier before they were asked for.
    lookups, fast_lookups : int
        Rows by batches with repetitions, and those that found their row in the fast tier, brought there in time or before.
    rows_moved : int
        That came into the fast tier; as many left it.
    moved_bytes : int
        Read and written again for that, of the weight and of all that has rows like it.
    """

    batches: int = 0
    uses: int = 0
    hits: int = 0
    lookups: int = 0
    fast_lookups: int = 0
    rows_moved: int = 0
    moved_bytes: int = 0

    @property
    def hit_rate(self) -> float:
        """Hits over uses; nan before the first batch."""
        return self.hits / self.uses if self.uses else float("nan")

    @property
    def fast_share(self) -> float:
        """Lookups served by the fast tier over all lookups; nan before the first batch."""
        return self.fast_lookups / self.lookups if self.lookups else float("nan")


class LookAhead:
    """Hands out batches, each after its rows have been brought into the table's fast tier, as far as that pays.

    Rows come in by changing places with rows that are used later, or not at all, within the window: in the weight and in the state of
    the optimizer. So there is one copy of each row, training writes to it where it is, and results stay those of torch.

    Parameters
    ----------
    table
        A `TieredEmbedding` or `TieredEmbeddingBag`. While it is trained, `attach_optimizer` must have been called.
    batches
        What is handed out, once. A batch may be anything that `rows_of` understands.
    rows_of
        The rows that a batch will look up in the table: an integer tensor or array in any shape. None: the batch itself.
    lookahead_batches
        How many coming batches are held to know the future.
    record
        Keep the stream for `compare`: 8 bytes a distinct row and batch.

    Examples
    --------
    >>> for users, items in LookAhead(table, loader, rows_of=lambda batch: batch[1]):  # doctest: +SKIP
    ...     train_on(users, items)
    """

    def __init__(
        self,
        table: TieredTable,
        batches: Iterable[Any],
        rows_of: Callable[[Any], torch.Tensor | np.ndarray] | None = None,
        lookahead_batches: int = 200,
        record: bool = False,
    ) -> None:
        if lookahead_batches < 1:
            raise EmbeddingError("LookAhead", f"a window of {lookahead_batches} batches shows nothing", "give 1 batch or more")
        self._table, self._batches, self._rows_of = table, iter(batches), rows_of or (lambda batch: batch)
        self._lookahead = lookahead_batches
        self._held: deque[tuple[Any, np.ndarray]] = deque()
        self._kept_at_start = self._in_fast()
        self._policy = FurthestNextUse(table.num_embeddings, len(self._kept_at_start), self._kept_at_start, spare_current=True)
        self._moves = table.moves
        self._stream: list[np.ndarray] | None = [] if record else None
        self.report = LookAheadReport()

    def __iter__(self) -> Iterator[Any]:
        """Itself: the batches go by once."""
        return self

    def __next__(self) -> Any:
        """The next batch, with its rows in place."""
        while len(self._held) <= self._lookahead and self._take():
            pass
        if not self._held:
            raise StopIteration
        self._table.moving_tensors()  # raises before anything has happened if rows cannot move
        if self._table.moves != self._moves:  # others have moved rows
            self._policy.reset(self._in_fast())
        batch, rows = self._held.popleft()
        step = self._policy.advance()
        moved = self._table.swap_rows(step.coming, step.going)
        self._moves = self._table.moves
        if self._stream is not None:
            self._stream.append(step.rows)
        so_far = self.report
        self.report = LookAheadReport(
            so_far.batches + 1,
            so_far.uses + len(step.rows),
            so_far.hits + int(np.count_nonzero(step.hit)),
            so_far.lookups + len(rows),
            so_far.fast_lookups + int(np.count_nonzero(self._policy.kept[rows])),
            so_far.rows_moved + len(step.coming),
            so_far.moved_bytes + moved,
        )
        return batch

    def compare(self) -> PolicyComparison:
        """What LRU, LFU and the optimum would have reached on the batches so far.

        Raises
        ------
        EmbeddingError
            If they were not recorded.
        """
        if self._stream is None:
            raise EmbeddingError("LookAhead.compare", "the batches were not recorded", "make it with record=True")
        table = self._table
        return compare_policies(self._stream, len(self._kept_at_start), self._lookahead, table.num_embeddings, self._kept_at_start)

    def _take(self) -> bool:
        """Hold one more batch; False: there is none."""
        for batch in self._batches:
            rows = np.asarray(self._rows_of(batch)).reshape(-1)
            size = self._table.num_embeddings
            if len(rows) and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= size):
                why = f"it asks for rows outside 0 to {size - 1}, or they are no integers"
                raise EmbeddingError(f"batch {self._policy.uses.end} of the look-ahead", why, "let rows_of give rows of the table")
            self._held.append((batch, rows))
            self._policy.push(rows)
            return True
        return False

    def _in_fast(self) -> np.ndarray:
        """The rows in the fast tier, the one that lies last in front: of a ranked table the coldest."""
        rows = np.flatnonzero(self._table.in_fast())
        return rows[::-1] if self._table.place is None else rows[np.argsort(-self._table.place.numpy()[rows], kind="stable")]
