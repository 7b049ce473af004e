"""Trains a model of embeddings and layers for a few steps, and prints what it knows of its own tensors, one JSON line each."""

import json
import os

import torch
from torch import nn

STEPS = 7
USERS, ITEMS, WIDTH = 3000, 5000, 32


class Recommender(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Embedding(USERS, WIDTH)
        self.items = nn.Embedding(ITEMS, WIDTH)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        pairs = torch.randint(0, USERS, (2, 4000))
        self.register_buffer("graph", torch.sparse_coo_tensor(pairs, torch.ones(4000), (USERS, USERS)).coalesce())

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        found = torch.sparse.mm(self.graph, self.users.weight)[users]
        for layer in self.layers:
            found = torch.relu(layer(found))
        return (found * self.items(items)).sum(1)


def known(name: str, role: str, tensor: torch.Tensor) -> None:
    print(json.dumps({"name": name, "role": role, "pid": os.getpid(), "address": tensor.data_ptr(), "bytes": tensor.nbytes}))


def main() -> None:
    torch.manual_seed(0)
    model = Recommender()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(STEPS):
        users, items = torch.randint(0, USERS, (512,)), torch.randint(0, ITEMS, (512,))
        loss = nn.functional.softplus(-model(users, items)).mean()
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            known(f"model.{name}.grad", "gradient", parameter.grad)
        optimizer.step()
        print(json.dumps({"step": step, "loss": loss.item()}))
    for name, parameter in model.named_parameters():
        known(f"model.{name}", "parameter", parameter)
        for kind in ("exp_avg", "exp_avg_sq"):
            known(f"model.{name}.{kind}", "optimizer", optimizer.state[parameter][kind])
    known("model.graph.indices", "buffer", model.graph.indices())
    known("model.graph.values", "buffer", model.graph.values())


main()
