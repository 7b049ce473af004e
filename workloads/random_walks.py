"""Neighbours by random walks with restart over the interaction graph: PinSage's importance sampling, for a batch of items at a time."""

from typing import NamedTuple

import torch
from torch import Tensor

from tierprof.workloads.recommender import Data
from tierprof.workloads.tensor_facts import keep


class Neighbours(NamedTuple):
    """For each of some items those that its walks met most often."""

    index: Tensor  # int64, items x count; where an item has fewer, itself
    weight: Tensor  # float32, items x count: share of the visits; 0 where an item has fewer


class Walker:
    """Walks from item to user to item; both directions of the graph in compressed sparse rows."""

    def __init__(self, data: Data, walks: int, length: int, restart: float, generator: torch.Generator) -> None:
        self.walks, self.length, self.restart, self.items = walks, length, restart, data.items
        self._generator = generator
        self._user_start = keep("walker.user_start", torch.from_numpy(data.train.start))
        self._user_items = keep("walker.user_items", torch.from_numpy(data.train.item))
        item, order = torch.sort(self._user_items, stable=True)
        self._item_users = keep("walker.item_users", torch.from_numpy(data.train.user)[order])
        counts = torch.bincount(item, minlength=data.items)
        self._item_start = keep("walker.item_start", torch.cat([counts.new_zeros(1), counts.cumsum(0)]))

    def _step(self, start: Tensor, ends: Tensor, nodes: Tensor) -> Tensor:
        """One step from each node to a neighbour of its, all alike; -1 from where there is none."""
        first, degree = start[nodes], start[nodes + 1] - start[nodes]
        chosen = (torch.rand(len(nodes), generator=self._generator) * degree).long().clamp_(max=degree - 1)
        return torch.where(degree > 0, ends[(first + chosen).clamp_(max=len(ends) - 1)], -1)

    def visits(self, items: Tensor) -> Tensor:
        """The items that the walks met: int64, items x (walks * length); -1 where a walk could not go on."""
        home = items.repeat_interleave(self.walks)
        here, met = home, []
        for _ in range(self.length):
            users = self._step(self._item_start, self._item_users, here)
            ends = self._step(self._user_start, self._user_items, users.clamp(min=0))
            arrived = torch.where(users < 0, -1, ends)
            met.append(arrived)
            back = (torch.rand(len(home), generator=self._generator) < self.restart) | (arrived < 0)
            here = torch.where(back, home, arrived)
        return torch.stack(met, dim=1).view(len(items), -1)

    def sample(self, items: Tensor, count: int) -> Neighbours:
        """The `count` items that walks from each item meet most often, itself left out, weighted by how often.

        A neighbour's importance is its share of visits (Ying et al., arXiv 1806.01973, section 3.1); of equal ones the lower id is first.
        """
        met = self.visits(items)
        row = torch.arange(len(items)).unsqueeze(1).expand_as(met)
        useful = (met >= 0) & (met != items.unsqueeze(1))
        key, visits = torch.unique(row[useful] * self.items + met[useful], return_counts=True)
        row, item = key // self.items, key % self.items
        order = torch.argsort(row * (met.shape[1] + 1) + met.shape[1] - visits, stable=True)
        row, item, visits = row[order], item[order], visits[order]
        first = torch.searchsorted(row, torch.arange(len(items)))
        place = torch.arange(len(row)) - first[row]
        kept = place < count
        index = items.unsqueeze(1).repeat(1, count)
        weight = torch.zeros(len(items), count)
        index[row[kept], place[kept]] = item[kept]
        weight[row[kept], place[kept]] = visits[kept].float()
        return Neighbours(index, weight / weight.sum(dim=1, keepdim=True).clamp(min=1.0))
