"""`TieredEmbedding`: torch's Embedding with its rows in two tiers."""

from typing import Any

import numpy as np
import torch

from tierprof.placer.embedding.once import FetchOnce
from tierprof.placer.embedding.rows import can_say_rows
from tierprof.placer.embedding.table import TieredTable, layout_of
from tierprof.placer.tiers import TierSpec


class TieredEmbedding(TieredTable):
    """Rows in two tiers, hot ones in the fast and cold ones in the slow, that gives what `torch.nn.Embedding` gives, to the last bit.

    Parameters
    ----------
    num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, dtype
        As of `torch.nn.Embedding`.
    device
        None or ``cpu``.
    fast_rows
        How many rows lie in the fast tier.
    slow, fast
        Tiers as `tierprof.placer.tiers.parse_tier` reads them, like ``pmem:/mnt/pmem`` or ``node:1``.
    frequencies
        How often each row is used, (num_embeddings,); without them the first rows are the hot ones until `rerank` knows better.
    count_every
        Count the lookups of each n-th batch for `rerank`; 0: of none.
    fetch_once
        Fetch a row once a batch, however often the batch names it, and expand afterwards.

    Raises
    ------
    EmbeddingError, TierError
        If the arguments or the tiers cannot be had; in one line.

    Notes
    -----
    Bits are those of torch for optimizers that work element by element (SGD, Adam, AdamW, SparseAdam, Adagrad, RMSprop...), once
    `attach_optimizer` knows them. What sums over the whole table (`clip_grad_norm_`, LBFGS) sums in another order and may differ in the
    last place; so may optimizers with `fused=True`, where `embedding_dim` is no multiple of 16.
    """

    _torch_options = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")

    def __init__(  # noqa: PLR0917 torch's own order
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        fast_rows: int,
        slow: str | TierSpec,
        fast: str | TierSpec = "dram",
        frequencies: torch.Tensor | np.ndarray | None = None,
        count_every: int = 16,
        fetch_once: bool = False,
        _weight: torch.Tensor | None = None,
    ) -> None:
        layout = layout_of(num_embeddings, fast_rows, fast, slow, device)
        super().__init__(num_embeddings, embedding_dim, padding_idx=padding_idx, dtype=dtype, layout=layout, count_every=count_every)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse, self.fetch_once = scale_grad_by_freq, sparse, fetch_once
        self._fill(frequencies, _weight)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The caller's rows, rows.shape + (embedding_dim,)."""
        # What a lookup runs through is kept short: beside megabytes that are copied, each line of it is run from cold caches.
        if self.sparse and self.padding_idx is None and self.max_norm is None and not self.fetch_once:
            place = self._buffers["place"]
            if place is not None and torch.is_grad_enabled() and can_say_rows():
                places = torch.index_select(place, 0, rows if rows.dim() == 1 else rows.reshape(-1)).long().view(rows.shape)
                with torch._C.DisableTorchFunctionSubclass():
                    result = torch.embedding(self._parameters["weight"], places, -1, self.scale_grad_by_freq, True)
                return self._said_rows(rows, places, result)
        places, weight, padding = self.places_of(rows), self._parameters["weight"], self._padding_place
        padding = -1 if padding is None else padding
        # The parameter's own handling of torch functions is for what makes tensors like it, and costs some microseconds.
        with torch._C.DisableTorchFunctionSubclass():
            if self.max_norm is not None:
                torch.embedding_renorm_(weight.detach(), places.contiguous(), self.max_norm, self.norm_type)
            look_up = FetchOnce.apply if self.fetch_once else torch.embedding
            result = look_up(weight, places, padding, self.scale_grad_by_freq, self.sparse)
        return self._looked_up(rows, result, places.dtype is torch.int32)
