"""`TieredEmbeddingBag`: torch's EmbeddingBag with its rows in two tiers."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tierprof.placer.embedding.rows import can_say_rows
from tierprof.placer.embedding.table import TieredTable, layout_of
from tierprof.placer.tiers import TierSpec


class TieredEmbeddingBag(TieredTable):
    """Sums, means or maxima of rows, that gives what `torch.nn.EmbeddingBag` gives, to the last bit.

    Parameters
    ----------
    num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx, dtype
        As of `torch.nn.EmbeddingBag`.
    device, fast_rows, slow, fast, frequencies, count_every
        As of `TieredEmbedding`.

    Raises
    ------
    EmbeddingError, TierError
        If the arguments or the tiers cannot be had; in one line.

    Notes
    -----
    The gradient of `per_sample_weights` is a dot product of each row, whose last bits depend, in torch too, on where the row lies: it is
    torch's own bit by bit only where a row takes a multiple of 32 bytes.
    """

    _torch_options = ("max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse", "include_last_offset", "padding_idx")

    def __init__(  # noqa: PLR0917 torch's own order
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        fast_rows: int,
        slow: str | TierSpec,
        fast: str | TierSpec = "dram",
        frequencies: torch.Tensor | np.ndarray | None = None,
        count_every: int = 16,
        _weight: torch.Tensor | None = None,
    ) -> None:
        layout = layout_of(num_embeddings, fast_rows, fast, slow, device)
        super().__init__(num_embeddings, embedding_dim, padding_idx=padding_idx, dtype=dtype, layout=layout, count_every=count_every)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset
        self._fill(frequencies, _weight)

    def forward(
        self, rows: torch.Tensor, offsets: torch.Tensor | None = None, per_sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One value a bag, (bags, embedding_dim); the arguments are those of `torch.nn.EmbeddingBag`."""
        with torch._C.DisableTorchFunctionSubclass():
            # Where gradients of a row are summed, torch sorts all indices, and the order of the sums depends on how they compare. Sparse
            # gradients are not summed here, and the gradient of a maximum is added up in the order of the bags.
            place = self._buffers["place"]
            if not self.sparse and self.mode != "max" and place is not None and rows.numel() > 0:
                return self._looked_up(rows, self._bags_of_distinct(rows, offsets, per_sample_weights))
            places = self.places_of(rows).to(rows.dtype)
            result = self._bags(places, self._parameters["weight"], self._padding_place, self.max_norm, offsets, per_sample_weights)
        # The gradient of weights is a product with rows, which are looked up again for it, by their places.
        weighted = per_sample_weights is not None and per_sample_weights.requires_grad
        plain = self.sparse and place is not None and self.padding_idx is None and not weighted and rows.dtype is torch.int64
        if plain and can_say_rows():
            return self._said_rows(rows, places, result)
        return self._looked_up(rows, result)

    def _bags_of_distinct(self, rows: torch.Tensor, offsets: torch.Tensor | None, per_sample_weights: torch.Tensor | None) -> torch.Tensor:
        """The same from a small table of the batch's distinct rows, in the caller's order: each is fetched once."""
        padding = None
        if self.padding_idx is None:
            distinct, numbers = torch.unique(rows, return_inverse=True)
        else:  # the padding row is among them in any case: without one torch takes another way to sum
            distinct, numbers = torch.unique(torch.cat([rows.reshape(-1), rows.new_tensor([self.padding_idx])]), return_inverse=True)
            padding, numbers = int(numbers[-1]), numbers[:-1].view(rows.shape)
        places = self.places_of(distinct)
        if self.max_norm is not None:
            torch.embedding_renorm_(self.weight.detach(), places, self.max_norm, self.norm_type)
        return self._bags(numbers.to(rows.dtype), self.weight.index_select(0, places), padding, None, offsets, per_sample_weights)

    def _bags(  # noqa: PLR0917 torch's own order
        self,
        rows: torch.Tensor,
        weight: torch.Tensor,
        padding: int | None,
        max_norm: float | None,
        offsets: torch.Tensor | None,
        per_sample_weights: torch.Tensor | None,
    ) -> torch.Tensor:
        return F.embedding_bag(
            rows,
            weight,
            offsets,
            max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            padding,
        )
