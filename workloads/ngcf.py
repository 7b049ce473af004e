"""NGCF on torch-geometric: messages along the edges of the interaction graph, two matrices a layer, trained with BPR.

Wang et al., Neural Graph Collaborative Filtering (arXiv 1905.08108, section 2). With L the normalised adjacency, a layer is
``LeakyReLU((L + I) E W1 + (L E * E) W2)``, with dropout on what comes out; the layers stand side by side in the final embedding;
the loss is BPR with an L2 term. A step takes the whole graph, or with `--fanout` the part around its batch.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from tierprof.workloads import tensor_facts
from tierprof.workloads.program import Phases, libraries, parser_of, run, share
from tierprof.workloads.ranking import evaluate
from tierprof.workloads.recommender import add_data_arguments, load
from tierprof.workloads.tensor_facts import keep

with libraries(__name__, "ngcf", "torch"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
    from torch_geometric.nn import MessagePassing
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    from tierprof.workloads.neighbourhoods import Neighbourhoods, Part, WholeGraph
    from tierprof.workloads.training import (
        Batches,
        add_sampling_arguments,
        add_training_arguments,
        bpr_loss,
        checksum_of,
        optimizers_of,
        prepare,
        rows_of,
        sampled_bytes,
        squared_norm,
    )


class NGCFConv(MessagePassing):
    """One layer: what the neighbours send, and how it goes with what a node is."""

    def __init__(self, inner: int, outer: int, dropout: float) -> None:
        super().__init__(aggr="add")
        self.both = nn.Linear(inner, outer)
        self.common = nn.Linear(inner, outer)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edge_index: Tensor, norm: Tensor) -> Tensor:
        """The next layer's embeddings of all nodes."""
        neighbours = keep("neighbours", self.propagate(edge_index, x=x, norm=norm))
        mixed = self.both(x + neighbours) + self.common(x * neighbours)
        return self.dropout(functional.leaky_relu(mixed, negative_slope=0.2))

    def message(self, x_j: Tensor, norm: Tensor) -> Tensor:
        """What goes along each edge: one row an edge."""
        return norm.view(-1, 1) * x_j


class NGCF(nn.Module):
    """Two embedding tables and a stack of layers."""

    def __init__(self, users: int, items: int, dim: int, layers: int, dropout: float, sparse: bool = False) -> None:  # noqa: PLR0917
        super().__init__()
        self.user_embedding = nn.Embedding(users, dim, sparse=sparse)
        self.item_embedding = nn.Embedding(items, dim, sparse=sparse)
        self.convs = nn.ModuleList(NGCFConv(dim, dim, dropout) for _ in range(layers))
        nn.init.xavier_uniform_(self.user_embedding.weight)
        nn.init.xavier_uniform_(self.item_embedding.weight)

    def forward(self, norm: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Final embeddings of the part's users and items: dim * (layers + 1) wide."""
        own = rows_of(self.user_embedding, part.users), rows_of(self.item_embedding, part.items)
        layer = keep("layer.0", torch.cat(own))
        layers = [layer]
        for number, conv in enumerate(self.convs, 1):
            layer = keep(f"layer.{number}", conv(layer, part.edge_index, norm))
            layers.append(functional.normalize(layer))
        final = keep("final", torch.cat(layers, dim=1))
        users, items = final.split([len(own[0]), len(own[1])])
        return users, items


def norm_of(part: Part) -> Tensor:
    """``1 / sqrt(degree * degree)`` of each edge."""
    norm: Tensor = keep("norm", gcn_norm(part.edge_index, None, part.nodes, add_self_loops=False)[1])
    return norm


def train(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""

    def needed_bytes(users: int, items: int, pairs: int) -> float:
        # Tables with gradient and Adam's two moments, some eight arrays a layer kept for the way back; a batch's rows, as wide as all
        # layers; messages of all edges twice.
        nodes, rows = (users + items) * (4 + 8 * args.layers), min(args.batch, pairs) * 8 * (args.layers + 1)
        if args.fanout:
            messages = 2 * args.fanout * 4 * min(users + items, 3 * args.batch * (args.fanout + 1) ** args.layers)
            return sampled_bytes(args, users + items, pairs) + 4 * args.dim * (messages + 2 * pairs) + 2 * pairs * 48
        return 4 * args.dim * (nodes + rows + 4 * pairs) + 2 * pairs * 48

    data = load(args, phases, needed_bytes)
    generator = prepare(args)
    with phases.phase("build"):
        model = NGCF(data.users, data.items, args.dim, args.layers, args.dropout, sparse=args.fanout is not None)
        optimizers = optimizers_of(model, args.rate)
        batches = Batches(data, args.batch, args.steps, generator)
        parts = Neighbourhoods(data, args.fanout, args.layers, generator) if args.fanout else WholeGraph(data)
    losses, before = [], None
    with phases.phase("compute"):
        for epoch in range(args.epochs):
            epoch_loss = 0.0
            for step, triples in enumerate(batches):
                part, (user, taken, other) = parts.around(triples)
                if part is not before:
                    before, norm = part, norm_of(part)
                users, items = model(norm, part)
                rows = users[user], items[taken], items[other]
                loss = bpr_loss(*rows)
                model.zero_grad()
                (loss + args.decay * squared_norm(*rows)).backward()
                for optimizer in optimizers:
                    optimizer.step()
                epoch_loss += loss.item()
                phases.tell(f"epoch {epoch + 1} of {args.epochs}, step {step + 1} of {len(batches)}, loss {loss.item():.4f}")
            losses.append(epoch_loss / len(batches))
    tensor_facts.write(args.tensors, model, *optimizers)
    model.eval()
    with phases.phase("evaluate"), torch.no_grad():
        if args.fanout:
            part = WholeGraph(data).part
            norm = norm_of(part)
        users, items = model(norm, part)
        metric = evaluate(data, lambda rows: np.asarray(users[torch.from_numpy(rows)] @ items.T), args.eval_users)
    return {"loss": losses, "metric": metric, "checksum": checksum_of(model, losses)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("ngcf", __doc__)
    add_data_arguments(parser)
    add_training_arguments(parser, batch=16384, layers=3)
    add_sampling_arguments(parser)
    parser.add_argument("--dropout", type=share, default=0.1, metavar="P", help="share of a layer's output that is dropped (default 0.1)")
    return run("ngcf", parser, train, "torch", argv)


if __name__ == "__main__":
    sys.exit(main())
