"""What the recommenders share before they learn: the options of their graph, and the graph itself, split and checked to fit."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tierprof.workloads import edge_list
from tierprof.workloads.graph import WorkloadError
from tierprof.workloads.interactions import Interactions, Recipe, generate, split
from tierprof.workloads.memory import require_bytes
from tierprof.workloads.program import Phases, fraction, positive, whole

# Bytes of splitting and sorting for each interaction: rows, pairs of 64 bits, and what sorting them takes.
_SPLIT_BYTES = 64

#: The size of the synthetic graph if nobody says otherwise: option and default.
SIZES = {"users": 10_000, "items": 4_000, "interactions": 200_000}


class Pairs(NamedTuple):
    """Pairs of a user and an item, each once, sorted by user, then item."""

    user: np.ndarray  # int64
    item: np.ndarray  # int64
    start: np.ndarray  # int64, users + 1: where each user's pairs start


class Data(NamedTuple):
    """What a recommender learns from and is tested on."""

    users: int
    items: int
    train: Pairs
    test: Pairs

    @property
    def nodes(self) -> int:
        """Users and items together: in the bipartite graph items follow the users."""
        return self.users + self.items

    def edges(self) -> np.ndarray:
        """The training graph's edges, both directions: int64, 2 x edges, source above target."""
        item = self.train.item + self.users
        return np.stack((np.concatenate((self.train.user, item)), np.concatenate((item, self.train.user))))


#: Estimates a program's peak from users, items and pairs to learn from, in bytes.
Estimate = Callable[[int, int, int], float]


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what decides the graph."""
    add = parser.add_argument
    for name, default in SIZES.items():
        add(f"--{name}", type=positive, metavar="N", help=f"of the synthetic graph (default {default})")
    add("--item-zipf", type=fraction, default=1.05, metavar="S", help="exponent of the items' popularity (default 1.05)")
    add("--user-zipf", type=fraction, default=0.6, metavar="S", help="exponent of the users' activity (default 0.6)")
    add("--affinity", type=fraction, default=0.7, metavar="P", help="share of interactions that follow a user's taste (default 0.7)")
    add("--seed", type=whole, default=1, metavar="N", help="decides the graph and what is learnt (default 1)")
    add("--edges", type=Path, metavar="FILE", help="your own interactions instead: CSV or Parquet")
    add("--columns", type=_three_names, metavar="USER,ITEM,TIME", help="what its columns are called (default user,item,time)")
    add("--test-share", type=fraction, metavar="P", help="hold out this last share of interactions (default: each user's last one)")


def _three_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) != 3 or not all(names):
        raise argparse.ArgumentTypeError(f"'{text}' is not three different names, like user,item,time")
    return names


def _interactions(args: argparse.Namespace, phases: Phases) -> Interactions:
    """Read or generate; `args` then says the sizes."""
    given = [name for name in SIZES if getattr(args, name) is not None]
    if args.edges is None and args.columns is not None:
        raise WorkloadError("--columns cannot be used", "there is no --edges whose columns it names", "give both or none")
    if args.edges is not None and given:
        raise WorkloadError(f"--{given[0]} cannot be used with --edges", "the file says the size", "give one or the other")
    if args.edges is not None:
        found = edge_list.read(args.edges, args.columns or edge_list.COLUMNS)
    else:
        sizes = {name: getattr(args, name) or default for name, default in SIZES.items()}
        recipe = Recipe(**sizes, item_exponent=args.item_zipf, user_exponent=args.user_zipf, affinity=args.affinity, seed=args.seed)
        recipe.check()
        mend = "give fewer --interactions, --users or --items"
        require_bytes(f"the graph of {recipe.interactions} interactions", recipe.needed_bytes, mend)
        found = generate(recipe, lambda drawn: phases.tell(f"{drawn} of {recipe.interactions} interactions"))
    args.users, args.items, args.interactions = found.users, found.items, len(found)
    return found


def pairs_of(interactions: Interactions, rows: np.ndarray) -> Pairs:
    """The pairs of some interactions, each once."""
    key = np.unique(interactions.user[rows].astype(np.int64) * interactions.items + interactions.item[rows])
    user = key // interactions.items
    start = np.zeros(interactions.users + 1, dtype=np.int64)
    np.cumsum(np.bincount(user, minlength=interactions.users), out=start[1:])
    return Pairs(user, key % interactions.items, start)


def load(args: argparse.Namespace, phases: Phases, estimate: Estimate) -> Data:
    """Generate or read the interactions, split them, and see whether the program will fit before it builds anything.

    Parameters
    ----------
    args
        With the options of `add_data_arguments`; afterwards `users`, `items` and `interactions` say the sizes.
    phases
        Where the progress goes.
    estimate
        Of the program's own peak.

    Raises
    ------
    WorkloadError
        In one line, if the input is wrong or does not fit.
    """
    with phases.phase("load"):
        found = _interactions(args, phases)
        fewer = "a lower --dim or a smaller --fanout" if getattr(args, "fanout", None) else "or a lower --dim"
        what, mend = f"the graph of {len(found)} interactions", f"take a smaller graph, {fewer}"
        require_bytes(what, len(found) * _SPLIT_BYTES, mend)
        parts = split(found, args.test_share)
        data = Data(found.users, found.items, pairs_of(found, parts.train), pairs_of(found, parts.test))
        require_bytes(what, estimate(data.users, data.items, len(data.train.user)), mend)
    return data
