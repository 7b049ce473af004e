"""Tables and their twins of torch's own kind, and comparison by bits."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tierprof.placer.embedding import TieredEmbedding, attach_optimizer

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's bits as integers; of a sparse one those of what it stands for."""
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    return dense.contiguous().view(_INTEGERS[dense.element_size()])


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether both have the same type, shape and bits; of sparse ones each entry in its order."""
    if first.is_sparse != second.is_sparse or first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.is_sparse:
        return torch.equal(first._indices(), second._indices()) and torch.equal(bits(first._values()), bits(second._values()))
    return torch.equal(bits(first), bits(second))


def gradient_of(table: Any) -> torch.Tensor:
    """The gradient of a tiered table in the caller's order."""
    return table.weight.grad if table.weight.grad.is_sparse else table.in_caller_order(table.weight.grad)


def twins(
    num_rows: int, dim: int, folder: Path | str, seed: int = 0, count_every: int = 1, **options: Any
) -> tuple[nn.Embedding, TieredEmbedding]:
    """torch's own table and a tiered one with the same rows, scattered; a third of them fast, the rest in a file."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    plain = nn.Embedding(num_rows, dim, **options)
    tiered = TieredEmbedding.from_embedding(
        plain, fast_rows=num_rows // 3, slow=f"pmem:{folder}", frequencies=random.permutation(num_rows), count_every=count_every
    )
    return plain, tiered


class Trainer:
    """One step after the other of a small model on a table."""

    def __init__(self, table: Any, make: Any, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.table = table
        self.optimizer = make([table.weight])
        if not isinstance(table, nn.Embedding | nn.EmbeddingBag):
            attach_optimizer(self.optimizer, table)

    def step(self, *batch: torch.Tensor) -> torch.Tensor:
        """The batch's loss."""
        self.optimizer.zero_grad()
        out = self.table(*batch)
        loss = (out * torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view(out.shape)).sum() + (out**2).sum()
        loss.backward()
        self.optimizer.step()
        return loss.detach()
