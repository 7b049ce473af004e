"""Mini-batches of models that propagate along edges: a batch's nodes and some of their neighbours, hop by hop, as a small graph of its own.

Hamilton et al., Inductive Representation Learning on Large Graphs (arXiv 1706.02216, section 3.1): of each node that a hop reaches, as many
neighbours are drawn. All layers run over the graph that all hops have found.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tierprof.workloads.recommender import Data
from tierprof.workloads.tensor_facts import keep
from tierprof.workloads.training import Triples


class Part(NamedTuple):
    """Some users and items of the graph, and edges between them; its nodes are the users in their order, then the items."""

    users: Tensor | None  # int64, ascending; None: all of them
    items: Tensor | None
    nodes: int
    edge_index: Tensor  # int64, 2 x edges, in both directions


class WholeGraph:
    """The whole graph around every batch."""

    def __init__(self, data: Data) -> None:
        self.part = Part(None, None, data.nodes, keep("edge_index", torch.from_numpy(data.edges())))

    def around(self, triples: Triples) -> tuple[Part, Triples]:
        """The graph, and the triples as they are."""
        return self.part, triples


class Neighbourhoods:
    """Draws the part of the graph around each batch."""

    def __init__(self, data: Data, fanout: int, hops: int, generator: torch.Generator) -> None:
        self._users, self._items, self._fanout, self._hops, self._generator = data.users, data.items, fanout, hops, generator
        source, ends = torch.from_numpy(data.edges())
        self._ends = keep("neighbours.ends", ends[torch.argsort(source, stable=True)])
        counts = torch.bincount(source, minlength=data.nodes)
        self._start = keep("neighbours.start", torch.cat([counts.new_zeros(1), counts.cumsum(0)]))

    def around(self, triples: Triples) -> tuple[Part, Triples]:
        """The part around users, items that they took, and others; and the three again, by their numbers in the part."""
        user, taken, other = triples
        reached = frontier = torch.unique(torch.cat([user, taken + self._users, other + self._users]))
        pairs = []
        for _ in range(self._hops):
            found = self._drawn(frontier)
            pairs.append(found.amin(0) * self._items + found.amax(0) - self._users)  # items follow the users
            before, reached = reached, torch.unique(torch.cat([reached, found[1]]))
            frontier = reached[~torch.isin(reached, before, assume_unique=True)]
        users, items = reached[reached < self._users], reached[reached >= self._users] - self._users
        pair = torch.unique(torch.cat(pairs))
        ends = torch.searchsorted(users, pair // self._items), torch.searchsorted(items, pair % self._items) + len(users)
        part = Part(users, items, len(reached), torch.stack([torch.cat(ends), torch.cat(ends[::-1])]))
        return part, (torch.searchsorted(users, user), torch.searchsorted(items, taken), torch.searchsorted(items, other))

    def _drawn(self, nodes: Tensor) -> Tensor:
        """Edges from each node to at most `fanout` of its neighbours, drawn with replacement; to all where they are no more."""
        first, degree = self._start[nodes].unsqueeze(1), (self._start[nodes + 1] - self._start[nodes]).unsqueeze(1)
        number = torch.arange(self._fanout).expand(len(nodes), -1)
        chosen = (torch.rand(number.shape, generator=self._generator) * degree).long().clamp_(max=degree - 1)
        edges = first + torch.where(degree <= self._fanout, number, chosen)
        kept = number < degree
        return torch.stack([nodes.unsqueeze(1).expand_as(kept)[kept], self._ends[edges[kept]]])
