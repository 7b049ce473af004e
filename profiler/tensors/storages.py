"""Where a tensor's elements lie: one or several ranges of memory, found without disturbing the tensor. Inside the profiled program."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

# The parts of a sparse tensor, by layout: what each is called, and the method that gives it.
_SPARSE_PARTS = {
    torch.sparse_coo: (("indices", "_indices"), ("values", "_values")),
    torch.sparse_csr: (("crow_indices", "crow_indices"), ("col_indices", "col_indices"), ("values", "values")),
    torch.sparse_csc: (("ccol_indices", "ccol_indices"), ("row_indices", "row_indices"), ("values", "values")),
    torch.sparse_bsr: (("crow_indices", "crow_indices"), ("col_indices", "col_indices"), ("values", "values")),
    torch.sparse_bsc: (("ccol_indices", "ccol_indices"), ("row_indices", "row_indices"), ("values", "values")),
}
_PLAIN_DISPATCH = torch.Tensor.__torch_dispatch__


class Range(NamedTuple):
    """A tensor's memory, or that of one part of a sparse one."""

    part: str  # of a sparse tensor: `indices`, `values`; else empty
    address: int
    size_bytes: int
    tensor: torch.Tensor


def ranges(tensor: Any) -> list[Range]:
    """The ranges of main memory that hold a tensor's elements.

    None for a tensor that has no memory of its own here: on another device, meta, uninitialised, fake, or a wrapper around others.
    """
    if not isinstance(tensor, torch.Tensor) or type(tensor).__torch_dispatch__ is not _PLAIN_DISPATCH:
        return []
    if torch.nn.parameter.is_lazy(tensor) or tensor.device.type != "cpu":
        return []
    try:
        if tensor.layout is torch.strided:
            return list(_strided("", tensor))
        parts = _SPARSE_PARTS.get(tensor.layout, ())
        return [found for part, method in parts for found in _strided(part, getattr(tensor.detach(), method)())]
    except RuntimeError:  # it has no storage: torch.func wraps it
        return []


def _strided(part: str, tensor: torch.Tensor) -> Iterator[Range]:
    address, size_bytes = tensor.data_ptr(), _span_bytes(tensor)
    if address and size_bytes:
        yield Range(part, address, size_bytes, tensor)


def _span_bytes(tensor: torch.Tensor) -> int:
    """Bytes from the first to the last element: all of them, where the tensor is contiguous."""
    if tensor.is_contiguous():
        return tensor.nbytes
    if tensor.numel() == 0:
        return 0
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (reach + 1) * tensor.itemsize
