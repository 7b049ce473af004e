"""Rows that change places: in the weight and in all that has rows like it; and gradients that are under way meanwhile."""

from collections.abc import Callable

import numpy as np
import torch

from tierprof.base.errors import EmbeddingError

# What others have asked to be done with tensors that are kept for backward; None where this torch does not tell.
_HOOKS_IN_FORCE: Callable[[bool], object] | None = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)


class Moves:
    """How often rows of a table have changed places."""

    def __init__(self) -> None:
        self.count = 0

    def guard(self) -> Callable[[torch.Tensor], None]:
        """A hook for a result that was looked up now: its gradient is for the places of now."""
        looked_up_at = self.count

        def check(gradient: torch.Tensor) -> None:
            if self.count != looked_up_at:
                why = "rows moved between forward and backward, and the gradient is for their old places"
                raise EmbeddingError("a tiered table", why, "rerank, or take the next batch, after backward")

        return check


def can_say_rows() -> bool:
    """Whether `say_rows` will do: nobody copies, or makes anew, what a lookup keeps for backward."""
    return _HOOKS_IN_FORCE is not None and _HOOKS_IN_FORCE(True) is None and not torch.compiler.is_compiling()


def say_rows(rows: torch.Tensor, places: torch.Tensor) -> None:
    """After the lookup of the caller's `rows` at `places`: let the indices of its sparse gradient be these, and not their places.

    torch makes them of the places, which it has kept for backward, and reads nothing else there. They are the lookup's own, of 64 bits, and
    are written without torch's taking them for changed. Where this will not do (`can_say_rows`), and where the gradient leaves a row out,
    `relabel` does it afterwards, for more time.
    """
    places.data.copy_(rows)


def relabel(
    rows: torch.Tensor, version: int, padding: int | None, in_place: bool, gradients: tuple[torch.Tensor | None, ...], _: object
) -> tuple[torch.Tensor | None, ...] | None:
    """A hook for the lookup of the caller's `rows`, so that the indices of its sparse gradient are these, and not their places.

    The gradient has an entry for each lookup, in their order, but for those of the row `padding`. It must not have places: rows may have
    moved when it is used; and how torch adds several such gradients up depends on how their indices compare. With `in_place` the
    gradient's indices are nobody else's, as they are where torch made them from 32-bit ones.
    """
    gradient = gradients[0]
    if gradient is None or not gradient.is_sparse:
        return None
    if rows._version != version:
        why = "the rows that were looked up have been overwritten before backward"
        raise EmbeddingError("a tiered table", why, "give the table a tensor that stays as it is")
    names = rows.reshape(-1)
    if padding is not None:
        names = names[names != padding]
    if in_place:
        gradient._indices()[0].copy_(names)
        return None
    return torch.sparse_coo_tensor(names.long()[None], gradient._values(), gradient.shape, check_invariants=False), *gradients[1:]


def swap_dense(tensor: torch.Tensor, here: np.ndarray, there: np.ndarray, chunk_bytes: int) -> None:
    """Let rows `here` and `there` of a tensor change places, with room for one chunk beside it."""
    step = max(1, chunk_bytes // max(1, tensor[:1].nbytes))
    for start in range(0, len(here), step):
        first, second = (torch.from_numpy(places[start : start + step]) for places in (here, there))
        kept = tensor.index_select(0, first)
        tensor.index_copy_(0, first, tensor.index_select(0, second))
        tensor.index_copy_(0, second, kept)


def rows_like(weight: torch.Tensor, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The tensors of an optimizer's state that have a row for each row of the weight.

    Raises
    ------
    EmbeddingError
        If something else in the state is too large to have nothing to do with the rows.
    """
    found = []
    for name, value in optimizer.state.get(weight, {}).items():
        if isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape[0] == len(weight):
            found.append(value)
        elif isinstance(value, list | tuple) or (isinstance(value, torch.Tensor) and value.numel() >= len(weight) > 1):
            why = f"its state '{name}' does not say which part belongs to which row"
            raise EmbeddingError(
                f"rows cannot move under {type(optimizer).__name__}", why, "use an optimizer that works element by element"
            )
    return found
