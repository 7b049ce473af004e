"""One range of addresses with two tiers behind it: the head lies in the fast one, the rest in the slow one.

Because it is one range, a table over it is one tensor, and all that torch can do with a tensor stays as it is.
"""

import ctypes
import math
import weakref
from dataclasses import dataclass

import torch

from tierprof.placer.embedding import system
from tierprof.placer.embedding.storages import Storage, refusal, storage_of
from tierprof.placer.tiers import TierSpec

# Start addresses of all ranges that are alive.
_live: set[int] = set()


@dataclass(frozen=True)
class Layout:
    """How the rows of a table, and of all that is like it, lie in two tiers.

    Attributes
    ----------
    fast_rows : int
        So many rows from the first on lie in the fast tier; the page on the border does as a whole.
    fast, slow : TierSpec
        The two tiers.
    """

    fast_rows: int
    fast: TierSpec
    slow: TierSpec

    def empty(self, shape: torch.Size | tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A tensor in these tiers; its bytes are zero. The memory goes when the last tensor over it goes.

        Parameters
        ----------
        shape
            Rows first.
        dtype
            Of the elements.

        Raises
        ------
        TierError
            If a tier cannot be had, or has no room.
        """
        row_bytes = math.prod(shape[1:]) * dtype.itemsize
        if shape[0] * row_bytes == 0:
            return torch.empty(shape, dtype=dtype)
        buffer = _map(shape[0] * row_bytes, min(self.fast_rows, shape[0]) * row_bytes, self)
        return torch.frombuffer(buffer, dtype=dtype).view(shape)


def is_tiered(tensor: torch.Tensor) -> bool:
    """Whether the tensor's memory came from a `Layout`."""
    return tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() in _live


def _map(size_bytes: int, fast_bytes: int, layout: Layout) -> ctypes.Array[ctypes.c_char]:
    range_bytes = system.round_up(size_bytes, system.PAGE_BYTES)
    head_bytes = min(system.round_up(fast_bytes, system.PAGE_BYTES), range_bytes)
    parts = [(layout.fast, 0, head_bytes), (layout.slow, head_bytes, range_bytes - head_bytes)]
    backing = [storage_of(tier) for tier, _, _ in parts]  # both are asked for, though one may get nothing
    try:
        address = system.reserve(range_bytes)
    except OSError as error:
        raise refusal(layout.slow, range_bytes, error) from error
    try:
        for storage, (tier, offset, part_bytes) in zip(backing, parts, strict=True):
            if part_bytes:
                _back(storage, tier, address + offset, part_bytes)
    except BaseException:
        system.release(address, range_bytes)
        raise
    buffer = (ctypes.c_char * size_bytes).from_address(address)
    # torch holds the buffer as long as a tensor lies over it. Not at exit: a tensor may live longer than that.
    weakref.finalize(buffer, _unmap, address, range_bytes).atexit = False
    _live.add(address)
    return buffer


def _back(storage: Storage, tier: TierSpec, address: int, size_bytes: int) -> None:
    try:
        storage(address, size_bytes)
    except OSError as error:
        raise refusal(tier, size_bytes, error) from error


def _unmap(address: int, size_bytes: int) -> None:
    _live.discard(address)
    system.release(address, size_bytes)
