"""DLRM on torch: categorical features looked up in embedding bags, crossed with each other and with dense ones, to foretell clicks.

Naumov et al., Deep Learning Recommendation Model (arXiv 1906.00091, section 2): dense features go through a bottom MLP to the width of an
embedding, the dot products of all pairs of vectors through a top MLP, the loss is binary cross-entropy. Clicks are synthetic: each row of
each table and each dense feature has a hidden weight; a click is drawn from the logistic function of their sum.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tierprof.workloads import tensor_facts
from tierprof.workloads.interactions import Zipf
from tierprof.workloads.memory import require_bytes
from tierprof.workloads.program import Phases, fraction, libraries, parser_of, positive, run, whole
from tierprof.workloads.tensor_facts import keep

with libraries(__name__, "dlrm", "torch"):
    import torch
    from torch import Tensor, nn

    from tierprof.workloads.training import checksum_of, optimizers_of, prepare

DENSE = 13  # as in the click logs that the paper uses


class Batch(NamedTuple):
    """Impressions and whether they were clicked."""

    dense: Tensor  # float32, batch x DENSE
    indices: list[Tensor]  # of each table: int64, batch x lookups
    click: Tensor  # float32, batch


class Clicks:
    """Batches of synthetic clicks: the n-th is the same in every run, whoever asks for it."""

    def __init__(self, tables: int, rows: int, lookups: int, exponent: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._zipf, self._tables, self._lookups, self._seed = Zipf(rows, exponent), tables, lookups, seed
        # As ids that were hashed, rows of like popularity lie scattered.
        self._row_of_rank = [rng.permutation(rows).astype(np.int32) for _ in range(tables)]
        self._weight = [rng.normal(scale=1.5 / np.sqrt(tables), size=rows).astype(np.float32) for _ in range(tables)]
        self._dense_weight = rng.normal(scale=0.5 / np.sqrt(DENSE), size=DENSE)

    def batch(self, number: int, size: int) -> Batch:
        """The batch of that number."""
        rng = np.random.default_rng((self._seed, number))
        dense = rng.normal(size=(size, DENSE))
        logit = dense @ self._dense_weight - 1.0
        indices = []
        for row_of_rank, weight in zip(self._row_of_rank, self._weight, strict=True):
            rows = row_of_rank[self._zipf.draw(rng, size * self._lookups)].reshape(size, self._lookups).astype(np.int64)
            logit += weight[rows].mean(axis=1)
            indices.append(torch.from_numpy(rows))
        click = rng.random(size) < 1 / (1 + np.exp(-logit))
        return Batch(torch.from_numpy(dense.astype(np.float32)), indices, torch.from_numpy(click.astype(np.float32)))


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths, ReLU between them."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class DLRM(nn.Module):
    """Embedding bags, a bottom and a top MLP."""

    def __init__(self, tables: int, rows: int, dim: int, sparse: bool) -> None:
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(rows, dim, mode="sum", sparse=sparse) for _ in range(tables))
        for bag in self.bags:
            nn.init.uniform_(bag.weight, -(rows**-0.5), rows**-0.5)
        self.bottom = mlp([DENSE, 64, dim])
        self.top = mlp([dim + (tables + 1) * tables // 2, 64, 1])
        self.register_buffer("pairs", torch.tril_indices(tables + 1, tables + 1, offset=-1))

    def forward(self, dense: Tensor, indices: list[Tensor]) -> Tensor:
        """The logit of a click, one a row of the batch."""
        bottom = self.bottom(dense)
        looked_up = [bag(rows) for bag, rows in zip(self.bags, indices, strict=True)]
        vectors = keep("vectors", torch.stack([bottom, *looked_up], dim=1))
        products = keep("products", torch.bmm(vectors, vectors.transpose(1, 2)))
        crossed = products[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([bottom, crossed], dim=1)).squeeze(1)


def auc(score: np.ndarray, click: np.ndarray) -> float:
    """Area under the ROC curve, by the ranks of the clicked (Mann and Whitney 1947); equal scores share their rank.

    Parameters
    ----------
    score
        Higher is surer.
    click
        1 or 0 each; both occur.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    clicked = int(click.sum())
    return float((rank[click > 0].sum() - clicked * (clicked + 1) / 2) / (clicked * (len(click) - clicked)))


def tested(model: DLRM, clicks: Clicks, args: argparse.Namespace) -> dict[str, float]:
    """AUC over batches that come after those learnt from."""
    with torch.no_grad():
        batches = [clicks.batch(args.steps + number, args.batch) for number in range(args.eval_batches)]
        scores = np.concatenate([model(batch.dense, batch.indices).numpy() for batch in batches])
    return {"auc": auc(scores, np.concatenate([batch.click.numpy() for batch in batches]))}


def train(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""
    copies = {"sgd": 2, "adam": 5}[args.optimizer] - (1 if args.sparse else 0)
    needed_bytes = args.tables * args.rows * (args.dim * 4 * copies + 16)
    require_bytes(f"a model of {args.tables} tables of {args.rows} rows", needed_bytes, "give fewer --rows or --tables, or a lower --dim")
    prepare(args)
    with phases.phase("build"):
        clicks = Clicks(args.tables, args.rows, args.lookups, args.zipf, args.seed)
        model = DLRM(args.tables, args.rows, args.dim, args.sparse)
        sgd = args.optimizer == "sgd"
        optimizers = [torch.optim.SGD(model.parameters(), lr=args.rate)] if sgd else optimizers_of(model, args.rate)
        criterion = nn.BCEWithLogitsLoss()
    losses, window = [], max(args.steps // args.points, 1)
    recent: list[float] = []
    with phases.phase("compute"):
        for step in phases.steps(args.steps):
            batch = clicks.batch(step, args.batch)
            loss = criterion(model(batch.dense, batch.indices), batch.click)
            model.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            recent.append(loss.item())
            if len(recent) == window or step == args.steps - 1:
                losses.append(sum(recent) / len(recent))
                recent = []
    for number, rows in enumerate(batch.indices):
        keep(f"indices.{number}", rows)
    tensor_facts.write(args.tensors, model, *optimizers)
    with phases.phase("evaluate"):
        metric = tested(model, clicks, args)
    return {"loss": losses, "metric": metric, "checksum": checksum_of(model, losses)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("dlrm", __doc__)
    add = parser.add_argument
    add("--tables", type=positive, default=8, metavar="N", help="categorical features, a table each (default 8)")
    add("--rows", type=positive, default=100_000, metavar="N", help="rows of a table (default 100000)")
    add("--dim", type=positive, default=32, metavar="N", help="width of an embedding (default 32)")
    add("--lookups", type=positive, default=4, metavar="N", help="rows that a feature looks up (default 4)")
    add("--batch", type=positive, default=2048, metavar="N", help="impressions a step (default 2048)")
    add("--steps", type=positive, default=100, metavar="N", help="training steps (default 100)")
    add("--zipf", type=fraction, default=1.05, metavar="S", help="exponent of the rows' popularity (default 1.05)")
    add("--optimizer", choices=("sgd", "adam"), default="adam", help="what learns (default adam)")
    add("--sparse", action="store_true", help="sparse gradients of the tables")
    add("--rate", type=fraction, default=0.005, metavar="X", help="learning rate (default 0.005)")
    add("--seed", type=whole, default=1, metavar="N", help="decides the clicks and what is learnt (default 1)")
    add("--points", type=positive, default=10, metavar="N", help="points of the loss curve, each the mean of its steps (default 10)")
    add("--eval-batches", type=positive, default=10, metavar="N", help="batches on which the metric is taken (default 10)")
    add("--tensors", type=Path, metavar="FILE", help="write what the program knows of its tensors, as JSON lines")
    return run("dlrm", parser, train, "torch", argv)


if __name__ == "__main__":
    sys.exit(main())
