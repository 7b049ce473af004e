"""Lookups that fetch each row once a batch: forward reads distinct rows and expands, backward is torch's own."""

from typing import Any

import torch


class FetchOnce(torch.autograd.Function):
    """The lookup of an embedding.

    Only the fetch is folded. Were the gradient folded too, an optimizer would add the sum of a row's gradients where torch adds them one
    by one, and the last bits would differ.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 torch takes no others
        ctx: Any, weight: torch.Tensor, places: torch.Tensor, padding: int, scale_by_freq: bool, sparse: bool
    ) -> torch.Tensor:
        """The rows of `weight` at `places`; the one at `padding` has no gradient."""
        ctx.save_for_backward(places)
        ctx.options = (len(weight), padding, scale_by_freq, sparse)
        distinct, expand = torch.unique(places.reshape(-1), return_inverse=True)
        return weight.index_select(0, distinct).index_select(0, expand).view(*places.shape, weight.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient of `weight`, dense or sparse, as of torch's embedding."""
        (places,) = ctx.saved_tensors
        return torch.ops.aten.embedding_backward(gradient, places, *ctx.options), None, None, None, None
