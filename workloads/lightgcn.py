"""LightGCN on torch-geometric: embeddings of users and items, averaged over their neighbours layer by layer, trained full-graph with BPR.

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
from tierprof.workloads.recommender import Data, add_data_arguments, load
from tierprof.workloads.tensor_facts import keep

with libraries(__name__, "lightgcn", "torch"):
    import torch
    from torch import Tensor, nn
    from torch_geometric.nn import LGConv
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.utils import to_torch_csr_tensor

    from tierprof.workloads.training import Batches, add_training_arguments, bpr_loss, checksum_of, prepare, squared_norm


class LightGCN(nn.Module):
    """Two embedding tables and nothing else to learn."""

    def __init__(self, users: int, items: int, dim: int, layers: int) -> None:
        super().__init__()
        self.user_embedding = nn.Embedding(users, dim)
        self.item_embedding = nn.Embedding(items, dim)
        self.convs = nn.ModuleList(LGConv(normalize=False) for _ in range(layers))
        nn.init.normal_(self.user_embedding.weight, std=0.1)
        nn.init.normal_(self.item_embedding.weight, std=0.1)

    def forward(self, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """Final embeddings of all users and all items."""
        layer = keep("layer.0", torch.cat([self.user_embedding.weight, self.item_embedding.weight]))
        total = layer
        for number, conv in enumerate(self.convs, 1):
            layer = keep(f"layer.{number}", conv(layer, adjacency))
            total = total + layer
        final = keep("final", total / (len(self.convs) + 1))
        users, items = final.split([self.user_embedding.num_embeddings, self.item_embedding.num_embeddings])
        return users, items


def adjacency_of(data: Data) -> Tensor:
    """The normalised bipartite adjacency, symmetric, in compressed sparse rows."""
    edge_index = keep("edge_index", torch.from_numpy(data.edges()))
    edge_index, weight = gcn_norm(edge_index, None, data.nodes, add_self_loops=False)
    adjacency = to_torch_csr_tensor(edge_index, weight, size=(data.nodes, data.nodes))
    keep("adjacency.crow_indices", adjacency.crow_indices())
    keep("adjacency.col_indices", adjacency.col_indices())
    keep("adjacency.values", adjacency.values())
    return adjacency


def train(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""

    def needed_bytes(users: int, items: int, pairs: int) -> float:
        # Tables with gradient and Adam's two moments, and the layers there and back; a batch's rows; edges, their sorting and the matrix.
        return 4 * args.dim * (12 * (users + items) + 14 * min(args.batch, pairs)) + 2 * pairs * 96

    data = load(args, phases, needed_bytes)
    generator = prepare(args)
    with phases.phase("build"):
        adjacency = adjacency_of(data)
        model = LightGCN(data.users, data.items, args.dim, args.layers)
        optimizer = torch.optim.Adam(model.parameters(), lr=args.rate)
        batches = Batches(data, args.batch, generator)
    losses = []
    with phases.phase("compute"):
        for epoch in range(args.epochs):
            epoch_loss = 0.0
            for step, (user, taken, other) in enumerate(batches):
                users, items = model(adjacency)
                loss = bpr_loss(users[user], items[taken], items[other])
                ego = squared_norm(model.user_embedding(user), model.item_embedding(taken), model.item_embedding(other))
                optimizer.zero_grad()
                (loss + args.decay * ego).backward()
                optimizer.step()
                epoch_loss += loss.item()
                phases.tell(f"epoch {epoch + 1} of {args.epochs}, step {step + 1} of {len(batches)}, loss {loss.item():.4f}")
            losses.append(epoch_loss / len(batches))
    tensor_facts.write(args.tensors, model, optimizer)
    with phases.phase("evaluate"), torch.no_grad():
        users, items = model(adjacency)
        metric = evaluate(data, lambda rows: np.asarray(users[torch.from_numpy(rows)] @ items.T), args.eval_users)
    return {"loss": losses, "metric": metric, "checksum": checksum_of(model, losses)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("lightgcn", __doc__)
    add_data_arguments(parser)
    add_training_arguments(parser, batch=65536, layers=3)
    return run("lightgcn", parser, train, "torch", argv)


if __name__ == "__main__":
    sys.exit(main())
