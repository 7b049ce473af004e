"""Modules and tensors that are hard to name, each of which a recorder could trip over; prints what it computed and what it knows."""

import copy
import json
import os
import sys
import weakref

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

torch.manual_seed(1)
indices = torch.randint(0, 4000, (64,))


def known(name: str, role: str, tensor: torch.Tensor) -> None:
    print(json.dumps({"name": name, "role": role, "pid": os.getpid(), "address": tensor.data_ptr(), "bytes": tensor.nbytes}))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 2) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(indices).square().mean()
        loss.backward()
        optimizer.step()
        print(json.dumps({"loss": loss.item()}))


# Uninitialised and without memory, until and unless they are used; and only said to have some.
lazy, nowhere = nn.LazyLinear(64), nn.Linear(64, 64, device="meta")
with FakeTensorMode():
    fake = nn.Linear(64, 64)
lazy(torch.ones(1, 64))

# Sparse gradients, whose parts are storages of their own; behind a wrapper.
bag = nn.Embedding(4000, 16, sparse=True)
wrapped = nn.DataParallel(bag)
train(wrapped, torch.optim.SparseAdam(list(wrapped.parameters())))
known("wrapped.module.weight", "parameter", bag.weight)
known("wrapped.module.weight.grad.values", "gradient", bag.weight.grad._values())

# Tied weights; a copy, of which no registration ever told; another type.
tied = nn.Sequential(nn.Embedding(4000, 16), nn.Linear(16, 4000, bias=False))
tied[1].weight = tied[0].weight
twin = copy.deepcopy(tied).to(torch.float64)
heavy = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
train(twin, heavy)
known("twin.0.weight", "parameter", twin[0].weight)
known("twin.0.weight.momentum_buffer", "optimizer", heavy.state[twin[0].weight]["momentum_buffer"])

# A tensor that no module has.
table = torch.randn(4000, 16, requires_grad=True)
loose = torch.optim.Adagrad([table])
table[indices].sum().backward()
loose.step()
known("table", "parameter", table)
known("table.sum", "optimizer", loose.state[table]["sum"])

# Inference: nothing is ever optimised, and the type changes after registration.
still = nn.Linear(64, 64).double()
known("still.weight", "parameter", still.weight)
known("lazy.weight", "parameter", lazy.weight)


def short_lived() -> list[bool]:
    model = nn.Linear(64, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 64)).sum().backward()
    optimizer.step()
    parts = weakref.ref(model), weakref.ref(model.weight), weakref.ref(optimizer)
    del model, optimizer
    return [part() is None for part in parts]


# What the program lets go of is gone at once.
assert short_lived() == [True, True, True]

# A child that trains its own copy, and ends without goodbye.
sys.stdout.flush()
child = os.fork()
if child == 0:
    torch.set_num_threads(1)
    train(tied, torch.optim.SGD(tied.parameters(), lr=0.1, momentum=0.9), 1)
    known("tied.0.weight.grad", "gradient", tied[0].weight.grad)
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(json.dumps({"random": torch.rand(4).tolist()}))
