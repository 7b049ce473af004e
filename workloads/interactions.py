"""Who interacted with what, and when: the bipartite graph that recommenders learn from, generated here in bounded memory.

Users' own lists of interactions are read by edge_list.py.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tierprof.workloads.graph import WorkloadError

# Interactions drawn at a time. Part of the generator: it decides which draw makes which interaction.
_CHUNK = 1 << 20

#: Tastes: users mostly take items of their own taste.
TASTES = 32

# Bytes of the generator's arrays for each interaction, user and item: the result, and the tables that draws are looked up in.
_INTERACTION_BYTES = 16
_NODE_BYTES = 32
_CHUNK_BYTES = 96


class Interactions(NamedTuple):
    """Interactions in the order of their times; ids are numbers from 0 up, given in the order of their first appearance."""

    user: np.ndarray  # int32
    item: np.ndarray  # int32
    time: np.ndarray  # int64 or float64, ascending
    users: int
    items: int

    def __len__(self) -> int:
        """Number of interactions."""
        return len(self.user)


class Split(NamedTuple):
    """Which interactions are learnt from, and which are held out."""

    train: np.ndarray  # int64, rows of Interactions, ascending
    test: np.ndarray  # int64, rows of Interactions, ascending


class Recipe(NamedTuple):
    """A synthetic graph: its size, its skew, and how much there is to learn.

    The r-th most popular of n items is drawn with a probability proportional to ``r ** -item_exponent`` (Zipf's law), users likewise. The
    item and user of rank r have taste r modulo `TASTES`; a share `affinity` of interactions is with a user of the item's taste. One
    interaction of every user and every item is certain, so that there are exactly so many.
    """

    users: int
    items: int
    interactions: int
    item_exponent: float = 1.05
    user_exponent: float = 0.6
    affinity: float = 0.7
    seed: int = 1

    @property
    def needed_bytes(self) -> int:
        """Peak of `generate`."""
        return self.interactions * _INTERACTION_BYTES + (self.users + self.items) * _NODE_BYTES + _CHUNK * _CHUNK_BYTES

    def check(self) -> None:
        """Refuse what cannot be drawn.

        Raises
        ------
        WorkloadError
            In one line.
        """
        for name, least in (("users", 1), ("items", 2), ("interactions", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise WorkloadError(f"--{name} {getattr(self, name)}", f"it is {least} at least", "give more")
        if self.users + self.items > np.iinfo(np.int32).max:
            raise WorkloadError(f"{self.users} users and {self.items} items", "ids are numbers of 31 bits here", "give fewer")
        if self.interactions < max(self.users, self.items):
            why = f"each of {self.users} users and {self.items} items has one at least"
            raise WorkloadError(f"{self.interactions} interactions are too few", why, "give more of them, or fewer users and items")
        for name in ("item_exponent", "user_exponent"):
            if not 0 <= getattr(self, name) <= 8:
                raise WorkloadError(f"Zipf exponent {getattr(self, name)}", "it lies between 0 (all alike) and 8", "give another")
        if not 0 <= self.affinity <= 1:
            raise WorkloadError(f"affinity {self.affinity}", "it is a share, from 0 to 1", "give another")


class _Numbering:
    """Numbers for ranks in the order of their first appearance, as pandas.factorize gives them, but chunk by chunk."""

    def __init__(self, count: int) -> None:
        self._number = np.full(count, -1, dtype=np.int32)
        self.given = 0

    def number(self, ranks: np.ndarray) -> np.ndarray:
        """The numbers of the ranks, int32; those that are new here get the next ones."""
        new, first = np.unique(ranks[self._number[ranks] < 0], return_index=True)
        new = new[np.argsort(first)]
        self._number[new] = np.arange(self.given, self.given + len(new), dtype=np.int32)
        self.given += len(new)
        return self._number[ranks]


class Zipf:
    """Draws ranks 0 to n - 1 by inverting the distribution function, which is exact for every exponent."""

    def __init__(self, count: int, exponent: float) -> None:
        self._below = np.cumsum(np.arange(1, count + 1, dtype=np.float64) ** -exponent)
        self._below /= self._below[-1]

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` ranks, int64."""
        return np.minimum(np.searchsorted(self._below, rng.random(count), side="right"), len(self._below) - 1)


def _certain(rows: np.ndarray, recipe: Recipe, order: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a chunk whose user (or item) is certain, and which it is: spread evenly, each of `count` once."""
    slots = len(order)
    turn = rows * slots // recipe.interactions
    chosen = (rows + 1) * slots // recipe.interactions > turn
    ranks = order[turn[chosen]]
    inside = ranks < count
    return np.flatnonzero(chosen)[inside], ranks[inside]


def generate(recipe: Recipe, advance: Callable[[int], None] = lambda drawn: None) -> Interactions:
    """A synthetic graph: exactly so many users, items and interactions, the same for the same recipe.

    Parameters
    ----------
    recipe
        What to draw.
    advance
        Called now and then with the number of interactions drawn so far.

    Returns
    -------
    Interactions
        The time of an interaction is its row.

    Raises
    ------
    WorkloadError
        If the recipe asks for what cannot be.
    """
    recipe.check()
    total, users, items = recipe.interactions, recipe.users, recipe.items
    tastes = min(TASTES, users, items)
    item_zipf, user_zipf = Zipf(items, recipe.item_exponent), Zipf(users, recipe.user_exponent)
    starts = range(0, total, _CHUNK)
    orders, *seeds = np.random.SeedSequence(recipe.seed).spawn(1 + len(starts))
    shuffle = np.random.Generator(np.random.PCG64(orders))
    user_order, item_order = (shuffle.permutation(max(users, items)) for _ in range(2))
    numbers_users, numbers_items = _Numbering(users), _Numbering(items)
    result = Interactions(np.empty(total, np.int32), np.empty(total, np.int32), np.arange(total), users, items)
    for start, seed in zip(starts, seeds, strict=True):
        rows = np.arange(start, min(start + _CHUNK, total))
        rng = np.random.Generator(np.random.PCG64(seed))
        item = item_zipf.draw(rng, len(rows))
        certain, ranks = _certain(rows, recipe, item_order, items)
        item[certain] = ranks
        user = user_zipf.draw(rng, len(rows))
        # The user of the item's taste that is next to the one drawn.
        alike = user // tastes * tastes + item % tastes
        user = np.where((rng.random(len(rows)) < recipe.affinity) & (alike < users), alike, user)
        certain, ranks = _certain(rows, recipe, user_order, users)
        user[certain] = ranks
        result.user[rows[0] : rows[-1] + 1] = numbers_users.number(user)
        result.item[rows[0] : rows[-1] + 1] = numbers_items.number(item)
        advance(int(rows[-1]) + 1)
    return result


def split(interactions: Interactions, test_share: float | None = None) -> Split:
    """Hold out interactions by time.

    Parameters
    ----------
    interactions
        In the order of their times.
    test_share
        The share of all interactions, the latest ones, that is held out. None: of every user with two at least, the last one.

    Returns
    -------
    Split
        Test interactions whose pair of user and item is learnt from, too, are left out: they would test memory.

    Raises
    ------
    WorkloadError
        If nothing is left to learn from, or to test.
    """
    total = len(interactions)
    rows = np.arange(total)
    if test_share is None:
        last = np.full(interactions.users, -1)
        np.maximum.at(last, interactions.user, rows)
        held = np.zeros(total, dtype=bool)
        held[last[np.bincount(interactions.user, minlength=interactions.users) > 1]] = True
    else:
        held = rows >= total - round(test_share * total)
    train, test = rows[~held], rows[held]
    pair = interactions.user.astype(np.int64) * interactions.items + interactions.item
    test = test[~np.isin(pair[test], pair[train])]
    if not len(train) or not len(test):
        what = "to learn from" if not len(train) else "to test: every user has one, or had the same item before"
        raise WorkloadError(f"{total} interactions are too few", f"nothing is left {what}", "give more, or another --test-share")
    return Split(train, test)
