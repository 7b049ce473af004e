"""PinSage on torch: items embedded by what random walks meet around them, sampled anew for each mini-batch, trained with BPR.

Ying et al., Graph Convolutional Neural Networks for Web-Scale Recommender Systems (arXiv 1806.01973), algorithms 1 and 2: a layer adds up
``ReLU(Q h + q)`` of an item's most visited neighbours by importance, joins it with the item's own, and gives
``ReLU(W [own, neighbours] + w)``, normalised. Pairs are two items of the same user; the loss here is BPR (arXiv 1205.2618) in place of
the paper's hinge.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tierprof.workloads import tensor_facts
from tierprof.workloads.graph import WorkloadError
from tierprof.workloads.program import Phases, libraries, parser_of, positive, run, share
from tierprof.workloads.ranking import evaluate
from tierprof.workloads.recommender import Data, add_data_arguments, load
from tierprof.workloads.tensor_facts import keep

with libraries(__name__, "pinsage", "torch"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from tierprof.workloads.random_walks import Neighbours, Walker
    from tierprof.workloads.training import Triples, add_training_arguments, bpr_loss, checksum_of, optimizers_of, prepare, steps_of

_EMBEDDED_AT_ONCE = 4096


class Convolution(nn.Module):
    """One layer, from the items around to the item."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.neighbour = nn.Linear(dim, dim)
        self.joined = nn.Linear(2 * dim, dim)

    def forward(self, own: Tensor, around: Tensor, weight: Tensor) -> Tensor:
        """`own` is n x dim, `around` n x count x dim, `weight` n x count."""
        gathered = (functional.relu(self.neighbour(around)) * weight.unsqueeze(2)).sum(dim=1)
        return functional.normalize(functional.relu(self.joined(torch.cat([own, gathered], dim=1))))


class PinSage(nn.Module):
    """An embedding for each item, convolved over the items around it."""

    def __init__(self, items: int, dim: int, layers: int, sparse: bool) -> None:
        super().__init__()
        self.item_embedding = nn.Embedding(items, dim, sparse=sparse)
        self.convs = nn.ModuleList(Convolution(dim) for _ in range(layers))
        self.out = nn.Linear(dim, dim)
        nn.init.normal_(self.item_embedding.weight, std=0.1)

    def forward(self, items: Tensor, walker: Walker, count: int) -> Tensor:
        """Embeddings of some items, each once in `items`; only what their neighbourhoods need is read."""
        wanted = [items]
        sampled: list[Neighbours] = []
        for _ in self.convs:
            sampled.append(walker.sample(wanted[-1], count))
            wanted.append(torch.unique(torch.cat([wanted[-1], sampled[-1].index.flatten()])))
        hidden = keep("hidden.0", self.item_embedding(wanted[-1]))
        for number, conv in enumerate(self.convs, 1):
            have, want, neighbours = wanted[-number], wanted[-number - 1], sampled[-number]
            around = keep(f"around.{number}", hidden[torch.searchsorted(have, neighbours.index)])
            hidden = keep(f"hidden.{number}", conv(hidden[torch.searchsorted(have, want)], around, neighbours.weight))
        return self.out(hidden)


class ItemBatches:
    """Training triples: an item, the next one of the same user, and one drawn from all items; in a new order each epoch."""

    def __init__(self, data: Data, size: int, steps: int | None, generator: torch.Generator) -> None:
        user, item = torch.from_numpy(data.train.user), torch.from_numpy(data.train.item)
        same = torch.nonzero(user[1:] == user[:-1]).flatten()
        if not len(same):
            raise WorkloadError("the graph", "no user has two items to learn from", "give more interactions")
        self._first, self._second = keep("batches.first", item[same]), keep("batches.second", item[same + 1])
        self._items, self._size, self._steps, self._generator = data.items, size, steps, generator

    def __len__(self) -> int:
        """Steps of an epoch."""
        return steps_of(len(self._first), self._size, self._steps)

    def __iter__(self) -> Iterator[Triples]:
        """The triples of one epoch."""
        order = keep("batches.order", torch.randperm(len(self._first), generator=self._generator))
        for chosen in order.split(self._size)[: len(self)]:
            yield self._first[chosen], self._second[chosen], torch.randint(self._items, chosen.shape, generator=self._generator)


def embed_all(model: PinSage, walker: Walker, count: int, items: int) -> Tensor:
    """Embeddings of all items, some thousands at a time."""
    return torch.cat([model(part, walker, count) for part in torch.arange(items).split(_EMBEDDED_AT_ONCE)])


def score_by_history(data: Data, vectors: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Scores of all items: a user is the mean of the items that they took."""
    mean = np.zeros((len(users), vectors.shape[1]), dtype=np.float32)
    for place, user in enumerate(users):
        taken = data.train.item[data.train.start[user] : data.train.start[user + 1]]
        if len(taken):
            mean[place] = vectors[taken].mean(axis=0)
    return mean @ vectors.T


def train(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""

    def needed_bytes(users: int, items: int, pairs: int) -> float:
        # The table with gradient and Adam's two moments; for each item that a batch reaches its neighbours' rows, and its walks.
        reached = min(items, 3 * args.batch * (args.neighbours + 1) ** args.layers)
        a_reached = 4 * args.dim * 8 * (args.neighbours + 1) + args.walks * args.length * 64
        return items * args.dim * 4 * 4 + pairs * 64 + users * 8 + reached * a_reached

    data = load(args, phases, needed_bytes)
    generator = prepare(args)
    with phases.phase("build"):
        walker = Walker(data, args.walks, args.length, args.restart, generator)
        model = PinSage(data.items, args.dim, args.layers, args.sparse)
        optimizers = optimizers_of(model, args.rate)
        batches = ItemBatches(data, args.batch, args.steps, generator)
    losses = []
    with phases.phase("compute"):
        for epoch in range(args.epochs):
            epoch_loss = 0.0
            for step, triple in enumerate(batches):
                items, places = torch.unique(torch.stack(triple), return_inverse=True)
                vectors = model(items, walker, args.neighbours)
                loss = bpr_loss(*vectors[places])
                model.zero_grad()
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
                epoch_loss += loss.item()
                phases.tell(f"epoch {epoch + 1} of {args.epochs}, step {step + 1} of {len(batches)}, loss {loss.item():.4f}")
            losses.append(epoch_loss / len(batches))
    tensor_facts.write(args.tensors, model, *optimizers)
    with phases.phase("evaluate"), torch.no_grad():
        vectors = embed_all(model, walker, args.neighbours, data.items).numpy()
        metric = evaluate(data, lambda users: score_by_history(data, vectors, users), args.eval_users)
    return {"loss": losses, "metric": metric, "checksum": checksum_of(model, losses)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("pinsage", __doc__)
    add_data_arguments(parser)
    add_training_arguments(parser, batch=512, layers=2, rate=0.003)
    add = parser.add_argument
    add("--neighbours", type=positive, default=10, metavar="N", help="most visited items that a layer adds up (default 10)")
    add("--walks", type=positive, default=16, metavar="N", help="walks from an item (default 16)")
    add("--length", type=positive, default=3, metavar="N", help="steps of a walk, from item to item (default 3)")
    add("--restart", type=share, default=0.5, metavar="P", help="share of steps after which a walk goes home (default 0.5)")
    add("--sparse", action="store_true", help="sparse gradients of the embedding, and SparseAdam")
    return run("pinsage", parser, train, "torch", argv)


if __name__ == "__main__":
    sys.exit(main())
