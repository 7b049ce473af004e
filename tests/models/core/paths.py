"""Chains of an episode, plainly: all paths through its loads, and a pairing of loads for each question of containment."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_CHAINS = MOST_ELEMENTS = 4


class Miss(NamedTuple):
    """A load that missed L2: whose, how far, and the earlier ones of its episode that it waits for."""

    number: int
    node_class: int
    waits: frozenset[int]


Chain = tuple[tuple[int, int, int], ...]  # (object, class, count), sorted


def _can_be(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Does `one` cost no more than `other` in any plan?"""
    return one[1] == 0 or (one[0] == other[0] and one[1] <= other[1])


def contains(longer: Sequence[tuple[int, int]], shorter: Sequence[tuple[int, int]]) -> bool:
    """Can each load of `shorter` be paired with one of `longer` that costs no less? A maximum matching by augmenting paths."""
    partner: dict[int, int] = {}

    def place(load: int, tried: set[int]) -> bool:
        for other in range(len(longer)):
            if other not in tried and _can_be(shorter[load], longer[other]):
                tried.add(other)
                if other not in partner or place(partner[other], tried):
                    partner[other] = load
                    return True
        return False

    return all(place(load, set()) for load in range(len(shorter)))


def paths(misses: Sequence[Miss]) -> set[tuple[tuple[int, int], ...]]:
    """All paths along direct waits, as sorted loads (object, class); those which no other one contains."""
    direct = [{j for j in miss.waits if not any(j in misses[k].waits for k in miss.waits)} for miss in misses]

    def ending(i: int) -> list[tuple[tuple[int, int], ...]]:
        miss = misses[i]
        load = (0, 0) if miss.node_class == 0 else (miss.number, miss.node_class)
        return [(*path, load) for j in direct[i] for path in ending(j)] or [(load,)]

    found = {tuple(sorted(path)) for i in range(len(misses)) for path in ending(i)}
    return {path for path in found if not any(other != path and contains(other, path) for other in found)}


def chains(misses: Sequence[Miss]) -> tuple[tuple[Chain, ...], bool]:
    """The chains of an episode as they are written, and whether something was folded."""
    folded = False
    made = []
    for path in paths(misses):
        counts = Counter(path)
        fetches = sum(count for (_, node_class), count in counts.items() if node_class)
        while len(counts) > MOST_ELEMENTS:
            by_rank = sorted(counts, key=lambda element: (-counts[element], element))
            counts[by_rank[0]] += counts.pop(by_rank[-1])
            folded = True
        made.append((-fetches, -len(path), tuple(sorted((*element, count) for element, count in counts.items()))))
    made.sort()
    folded |= len(made) > MOST_CHAINS
    return tuple(sorted(chain for _, _, chain in made[:MOST_CHAINS])), folded


def sorted_chains(nodes: Iterable[tuple[int, int, int, int]]) -> tuple[Chain, ...]:
    """Nodes (chain, object, class, count) of one written episode, as `chains` has them."""
    rows = sorted(nodes)
    made: list[list[tuple[int, int, int]]] = [[] for _ in {row[0] for row in rows}]
    for chain, *element in rows:
        made[chain].append((element[0], element[1], element[2]))
    assert made == sorted(made), "chains are not in order"
    return tuple(tuple(chain) for chain in made)
