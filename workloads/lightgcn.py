"""LightGCN on torch-geometric: embeddings of users and items, averaged over their neighbours layer by layer, trained with BPR.

A step takes the whole graph, or with `--fanout` the part around its batch.

He et al., LightGCN (arXiv 2002.02126, section 3): layer k + 1 is ``D^-1/2 A D^-1/2`` times layer k, the final embedding is the mean of all
layers, the loss is BPR with an L2 term on the embeddings themselves.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from tierprof.workloads import tensor_facts
from tierprof.workloads.program import Phases, libraries, parser_of, run
from tierprof.workloads.ranking import evaluate
from tierprof.workloads.recommender import add_data_arguments, load
from tierprof.workloads.tensor_facts import keep

with libraries(__name__, "lightgcn", "torch"):
    import torch
    from torch import Tensor, nn
    from torch_geometric.nn import LGConv
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.utils import to_torch_csr_tensor

    from tierprof.workloads.neighbourhoods import Neighbourhoods, Part, WholeGraph
    from tierprof.workloads.training import (
        Batches,
        Triples,
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


class LightGCN(nn.Module):
    """Two embedding tables and nothing else to learn."""

    def __init__(self, users: int, items: int, dim: int, layers: int, sparse: bool = False) -> None:
        super().__init__()
        self.user_embedding = nn.Embedding(users, dim, sparse=sparse)
        self.item_embedding = nn.Embedding(items, dim, sparse=sparse)
        self.convs = nn.ModuleList(LGConv(normalize=False) for _ in range(layers))
        nn.init.normal_(self.user_embedding.weight, std=0.1)
        nn.init.normal_(self.item_embedding.weight, std=0.1)

    def forward(self, adjacency: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Final embeddings of the part's users and items."""
        own = rows_of(self.user_embedding, part.users), rows_of(self.item_embedding, part.items)
        layer = keep("layer.0", torch.cat(own))
        total = layer
        for number, conv in enumerate(self.convs, 1):
            layer = keep(f"layer.{number}", conv(layer, adjacency))
            total = total + layer
        final = keep("final", total / (len(self.convs) + 1))
        users, items = final.split([len(own[0]), len(own[1])])
        return users, items

    def squared_norm(self, triples: Triples) -> Tensor:
        """The L2 term: of the embeddings themselves, before any layer."""
        user, taken, other = triples
        return squared_norm(self.user_embedding(user), self.item_embedding(taken), self.item_embedding(other))


def adjacency_of(part: Part) -> Tensor:
    """The normalised bipartite adjacency, symmetric, in compressed sparse rows."""
    edge_index, weight = gcn_norm(part.edge_index, None, part.nodes, add_self_loops=False)
    adjacency = to_torch_csr_tensor(edge_index, weight, size=(part.nodes, part.nodes))
    keep("adjacency.crow_indices", adjacency.crow_indices())
    keep("adjacency.col_indices", adjacency.col_indices())
    keep("adjacency.values", adjacency.values())
    return adjacency


def train(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""

    def needed_bytes(users: int, items: int, pairs: int) -> float:
        # Tables with gradient and Adam's two moments, and the layers there and back; a batch's rows; edges, their sorting and the matrix.
        if args.fanout:
            return sampled_bytes(args, users + items, pairs) + 2 * pairs * 96
        return 4 * args.dim * (12 * (users + items) + 14 * min(args.batch, pairs)) + 2 * pairs * 96

    data = load(args, phases, needed_bytes)
    generator = prepare(args)
    with phases.phase("build"):
        model = LightGCN(data.users, data.items, args.dim, args.layers, sparse=args.fanout is not None)
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
                    before, adjacency = part, adjacency_of(part)
                users, items = model(adjacency, part)
                loss, norm = bpr_loss(users[user], items[taken], items[other]), model.squared_norm(triples)
                model.zero_grad()
                (loss + args.decay * norm).backward()
                for optimizer in optimizers:
                    optimizer.step()
                epoch_loss += loss.item()
                phases.tell(f"epoch {epoch + 1} of {args.epochs}, step {step + 1} of {len(batches)}, loss {loss.item():.4f}")
            losses.append(epoch_loss / len(batches))
    tensor_facts.write(args.tensors, model, *optimizers)
    with phases.phase("evaluate"), torch.no_grad():
        if args.fanout:
            part = WholeGraph(data).part
            adjacency = adjacency_of(part)
        users, items = model(adjacency, part)
        metric = evaluate(data, lambda rows: np.asarray(users[torch.from_numpy(rows)] @ items.T), args.eval_users)
    return {"loss": losses, "metric": metric, "checksum": checksum_of(model, losses)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("lightgcn", __doc__)
    add_data_arguments(parser)
    add_training_arguments(parser, batch=65536, layers=3)
    add_sampling_arguments(parser)
    return run("lightgcn", parser, train, "torch", argv)


if __name__ == "__main__":
    sys.exit(main())
