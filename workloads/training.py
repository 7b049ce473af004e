"""What the recommenders on torch share while they learn: reproducible torch, BPR batches and loss, the options of training."""

import argparse
import math
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tierprof.workloads import tensor_facts
from tierprof.workloads.program import fraction, positive
from tierprof.workloads.recommender import Data
from tierprof.workloads.tensor_facts import keep

Triples = tuple[Tensor, Tensor, Tensor]


def add_training_arguments(parser: argparse.ArgumentParser, batch: int, layers: int, epochs: int = 3, rate: float = 0.01) -> None:
    """Declare what decides the training, with the program's own defaults."""
    add = parser.add_argument
    add("--dim", type=positive, default=64, metavar="N", help="width of an embedding (default 64)")
    add("--layers", type=positive, default=layers, metavar="N", help=f"layers of the network (default {layers})")
    add("--epochs", type=positive, default=epochs, metavar="N", help=f"times through the training pairs (default {epochs})")
    add("--batch", type=positive, default=batch, metavar="N", help=f"training pairs a step (default {batch})")
    add("--steps", type=positive, metavar="N", help="steps of an epoch at most (default: all of its pairs)")
    add("--rate", type=fraction, default=rate, metavar="X", help=f"learning rate (default {rate})")
    add("--decay", type=fraction, default=1e-4, metavar="X", help="weight of the L2 term (default 1e-4)")
    add("--eval-users", type=positive, default=2000, metavar="N", help="users on which the metric is taken, at most (default 2000)")
    add("--tensors", type=Path, metavar="FILE", help="write what the program knows of its tensors, as JSON lines")


def prepare(args: argparse.Namespace) -> torch.Generator:
    """Make torch give the same digits in every run; returns the generator that batches are drawn with."""
    tensor_facts.start(args.tensors)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    # Else every new tensor is filled first, which costs time and touches memory that nobody asked for.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.sparse.check_sparse_tensor_invariants.disable()
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    torch.manual_seed(args.seed)
    return torch.Generator().manual_seed(args.seed)


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how to train on parts of the graph."""
    what = "train each step on the part around the batch, N neighbours of a node, with sparse gradients (default: on the whole graph)"
    parser.add_argument("--fanout", type=positive, metavar="N", help=what)


def sampled_bytes(args: argparse.Namespace, nodes: int, pairs: int) -> float:
    """Peak of training with `--fanout`: tables with two moments, the graph, what a batch reaches, and all layers once for the test."""
    reached = min(float(nodes), 3.0 * args.batch * (args.fanout + 1.0) ** args.layers)
    return 4 * args.dim * (nodes * (3 + args.layers + 3) + reached * 8 * args.layers) + pairs * 112 + reached * args.fanout * 64


def rows_of(embedding: nn.Embedding, rows: Tensor | None) -> Tensor:
    """Some rows of a table, or all of them."""
    return embedding.weight if rows is None else embedding(rows)


def optimizers_of(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Adam; its sparse form for the tables whose gradients are sparse."""
    sparse = [module.weight for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse]
    known = {id(weight) for weight in sparse}
    dense = [parameter for parameter in model.parameters() if id(parameter) not in known]
    found: list[torch.optim.Optimizer] = [torch.optim.SparseAdam(sparse, lr=rate)] if sparse else []
    return [*found, torch.optim.Adam(dense, lr=rate)] if dense else found


def steps_of(pairs: int, batch: int, most: int | None) -> int:
    """How many batches an epoch has, the last of which may be smaller."""
    steps = math.ceil(pairs / batch)
    return steps if most is None else min(steps, most)


class Batches:
    """Training triples: a user, an item that they took, and one drawn from all items; in a new order each epoch."""

    def __init__(self, data: Data, size: int, steps: int | None, generator: torch.Generator) -> None:
        self._user = keep("batches.user", torch.from_numpy(data.train.user))
        self._item = keep("batches.item", torch.from_numpy(data.train.item))
        self._items, self._size, self._steps, self._generator = data.items, size, steps, generator

    def __len__(self) -> int:
        """Steps of an epoch."""
        return steps_of(len(self._user), self._size, self._steps)

    def __iter__(self) -> Iterator[Triples]:
        """The triples of one epoch."""
        order = keep("batches.order", torch.randperm(len(self._user), generator=self._generator))
        for chosen in order.split(self._size)[: len(self)]:
            other = torch.randint(self._items, chosen.shape, generator=self._generator)
            yield self._user[chosen], self._item[chosen], other


def bpr_loss(user: Tensor, taken: Tensor, other: Tensor) -> Tensor:
    """Mean of ``-ln sigmoid(score of the item taken - score of the other)``: Rendle et al., arXiv 1205.2618, without its L2 term."""
    return -functional.logsigmoid((user * taken).sum(dim=1) - (user * other).sum(dim=1)).mean()


def squared_norm(*rows: Tensor) -> Tensor:
    """Half the sum of squares of some embedding rows, a batch row: the L2 term of BPR, before its weight."""
    return torch.stack([part.square().sum() for part in rows]).sum() / (2 * len(rows[0]))


def checksum_of(model: nn.Module, losses: Iterable[float]) -> str:
    """A checksum of every bit that was learnt."""
    value = zlib.crc32(repr(list(losses)).encode())
    for parameter in model.parameters():
        value = zlib.crc32(parameter.detach().numpy().tobytes(), value)
    return f"{value:08x}"
