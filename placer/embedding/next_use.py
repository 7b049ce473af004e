"""When a row is next used, as far as the coming batches are known, and what to keep by that: the furthest next use leaves first.

The rule is Belady's ("A study of replacement algorithms for virtual-storage computer", IBM Systems Journal 5(2), 1966), which is
optimal when the whole future is known. All bookkeeping is by arrays; the cost of a batch grows with its rows, not with the table's.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

#: The next use of a row that no known batch uses.
NEVER = int(np.iinfo(np.int32).max)

# So many more entries than twice the kept rows the queue of idle rows may have before it is tidied.
_IDLE_ENTRIES = 1 << 12


class NextUses:
    """A window of coming batches.

    Parameters
    ----------
    num_rows
        Of the table.

    Attributes
    ----------
    next_use : numpy.ndarray
        By row, the number of the first batch in the window that uses it, int32; NEVER if none does. Batches are numbered from 0.
    """

    def __init__(self, num_rows: int) -> None:
        self.next_use = np.full(num_rows, NEVER, np.int32)
        self._last = np.full(num_rows, -1, np.int64)  # by row, the position of its latest use in the row of all uses
        self._following = np.empty(1 << 12, np.int32)  # by use in the window, the batch that uses the row next
        self._base = self._end = 0  # positions of the first use that `_following` holds, and of the next one to come
        self._starts: deque[int] = deque()
        self._batches: deque[np.ndarray] = deque()
        self.first = 0

    def __len__(self) -> int:
        """Batches in the window."""
        return len(self._batches)

    @property
    def end(self) -> int:
        """Number of the batch that comes next into the window."""
        return self.first + len(self._batches)

    def batch(self, number: int) -> np.ndarray:
        """The distinct rows of a batch in the window."""
        return self._batches[number - self.first]

    def push(self, rows: np.ndarray) -> np.ndarray:
        """A batch comes into the window.

        Parameters
        ----------
        rows
            Those that it uses, one-dimensional, in range, with repetitions.

        Returns
        -------
        numpy.ndarray
            The rows that no earlier batch of the window uses.
        """
        last = self._last[rows]
        self._last[rows] = np.arange(len(rows))
        distinct = self._last[rows] == np.arange(len(rows))  # of equal indices the last one's value stays
        rows, last = rows[distinct], last[distinct]
        self._make_room(len(rows))
        inside = last >= (self._starts[0] if self._starts else self._end)
        self._following[last[inside] - self._base] = self.end
        new = rows[~inside]
        self.next_use[new] = self.end
        self._last[rows] = self._end + np.arange(len(rows))
        self._following[self._end - self._base :][: len(rows)] = NEVER
        self._starts.append(self._end)
        self._batches.append(rows)
        self._end += len(rows)
        return new

    def pop(self) -> tuple[np.ndarray, np.ndarray]:
        """The oldest batch leaves the window: its rows, and the batch that uses each next."""
        rows, start = self._batches.popleft(), self._starts.popleft()
        following = self._following[start - self._base :][: len(rows)].copy()
        self.next_use[rows] = following
        self.first += 1
        return rows, following

    def _make_room(self, uses: int) -> None:
        if self._end + uses - self._base <= len(self._following):
            return
        start = self._starts[0] if self._starts else self._end
        held = self._following[start - self._base : self._end - self._base]
        self._following = np.empty(2 * (len(held) + uses), np.int32)
        self._following[: len(held)] = held
        self._base = start


class Step(NamedTuple):
    """What one batch does to the rows that are kept."""

    rows: np.ndarray  # that the batch uses, distinct
    hit: np.ndarray  # which of them were kept, bool
    coming: np.ndarray  # rows that are kept from now on
    going: np.ndarray  # rows that are not any longer; shorter than `coming` as long as there is free room


class FurthestNextUse:
    """Keeps the rows whose next use is nearest. A row that is used later than all kept ones is not taken in.

    Parameters
    ----------
    num_rows
        Of the table.
    capacity_rows
        How many are kept.
    kept
        Those that are from the start, those to give up first in front.
    spare_current
        Keep the rows of a batch until it is over. Without this the choice is the optimum.
    """

    def __init__(self, num_rows: int, capacity_rows: int, kept: np.ndarray, spare_current: bool) -> None:
        self.uses = NextUses(num_rows)
        self._capacity, self._spare_current = capacity_rows, spare_current
        self._current = np.zeros(num_rows, bool)
        self._due = np.zeros(1 << 10, np.int64)  # by batch, how many kept rows are used next in it
        self.reset(kept)

    def reset(self, kept: np.ndarray) -> None:
        """Begin anew with these rows kept; the window stays."""
        self.kept = np.zeros(len(self._current), bool)
        self.kept[kept] = True
        self._count = len(kept)
        due = self.uses.next_use[kept]
        self._idle: deque[np.ndarray] = deque([kept[due == NEVER]])  # kept rows that may have no next use, oldest first
        self._idle_entries = len(self._idle[0])
        self._due[:] = 0
        np.add.at(self._due, due[due < NEVER], 1)

    def push(self, rows: np.ndarray) -> None:
        """A batch comes into the window."""
        number = self.uses.end
        if number == len(self._due):
            self._due = np.concatenate([self._due, np.zeros_like(self._due)])
        new = self.uses.push(rows)
        self._due[number] += np.count_nonzero(self.kept[new])

    def advance(self) -> Step:
        """Take the oldest batch of the window: what is kept while it is used, and after."""
        number = self.uses.first
        rows, following = self.uses.pop()
        hit = self.kept[rows]
        self._due[number] = 0
        if not self._spare_current:
            self._remember(rows[hit], following[hit])
        wanted = ~hit & (following < NEVER)
        order = np.argsort(following[wanted], kind="stable")
        coming, due = rows[wanted][order], following[wanted][order]
        free = min(self._capacity - self._count, len(coming))
        self._current[rows] = self._spare_current
        going = self._make_room(due[free:])
        self._current[rows] = False
        if self._spare_current:
            self._remember(rows[hit], following[hit])
        coming, due = coming[: free + len(going)], due[: free + len(going)]
        self.kept[coming] = True
        self._count += free
        self._remember(coming, due)
        return Step(rows, hit, coming, going)

    def _remember(self, rows: np.ndarray, due: np.ndarray) -> None:
        np.add.at(self._due, due[due < NEVER], 1)
        idle = rows[due == NEVER]
        if len(idle):
            self._idle.append(idle)
            self._idle_entries += len(idle)
        if self._idle_entries > 4 * self._capacity + _IDLE_ENTRIES:
            self._tidy()

    def _tidy(self) -> None:
        """Rows that found a next use and lost it again stand in the queue more than once; keep the latest entry of each."""
        latest_first = np.concatenate(self._idle)[::-1]
        latest_first = latest_first[self._is_idle(latest_first)]
        _, at = np.unique(latest_first, return_index=True)
        self._idle = deque([latest_first[np.sort(at)][::-1]])
        self._idle_entries = len(at)

    def _is_idle(self, rows: np.ndarray) -> np.ndarray:
        return self.kept[rows] & (self.uses.next_use[rows] == NEVER) & ~self._current[rows]

    def _victims(self) -> Iterator[tuple[np.ndarray, int, int | None]]:
        """Kept rows, those used furthest away first: each with its next use, and the batch of that.

        Whoever asks for more has given up all of what came before.
        """
        while self._idle:
            idle = self._idle[0]
            # Of the current batch nothing is lost here: its rows are remembered after.
            self._idle[0] = idle[self._is_idle(idle)]
            if len(self._idle[0]):
                yield self._idle[0], NEVER, None
            self._idle_entries -= len(idle)
            self._idle.popleft()
        first = self.uses.first
        for number in first + np.flatnonzero(self._due[first : self.uses.end])[::-1]:
            rows = self.uses.batch(number)
            yield rows[self.kept[rows] & (self.uses.next_use[rows] == number) & ~self._current[rows]], int(number), int(number)

    def _make_room(self, due: np.ndarray) -> np.ndarray:
        """Give up kept rows for others, used next at `due` (ascending), as long as each is used later than what it makes room for."""
        going: list[np.ndarray] = []
        found = 0
        for victims, next_use, number in self._victims() if len(due) else ():
            room = int(np.searchsorted(due, next_use)) - found
            if room <= 0:
                break
            going.append(victims[:room])
            self.kept[going[-1]] = False
            if number is not None:
                self._due[number] -= len(going[-1])
            found += len(going[-1])
            if found == len(due):
                break
        return np.concatenate(going) if going else np.empty(0, np.int64)
