"""What both modules share: a table whose rows lie in the order of their use, told to the outside in the caller's order."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.counts import LookupCounts
from tierprof.placer.embedding.memory import Layout
from tierprof.placer.embedding.parameter import TieredParameter
from tierprof.placer.embedding.rerank import RerankReport, crossing_rows
from tierprof.placer.embedding.rows import Moves, relabel, rows_like, say_rows, swap_dense
from tierprof.placer.tiers import TierSpec, parse_tier

# Rows are copied in pieces of this size, so that a copy needs no room beside its target.
_CHUNK_BYTES = 16 << 20


class TieredTable(nn.Module):
    """Rows in two tiers. Use `TieredEmbedding` or `TieredEmbeddingBag`.

    Attributes
    ----------
    weight : TieredParameter
        One parameter over both tiers, (num_embeddings, embedding_dim). Its rows, those of a dense gradient and of the optimizer's state lie
        in the table's own order: row `place[r]` of it is the caller's row r. The indices of a sparse gradient are the caller's rows;
        places they are only during the step of an attached optimizer.
    place : torch.Tensor or None
        By the caller's row, where it lies; None as long as no row has moved.
    """

    weight: TieredParameter
    place: torch.Tensor | None
    sparse: bool
    _torch_options: ClassVar[tuple[str, ...]]  # attributes of torch's own module that the constructor takes

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None,
        dtype: torch.dtype | None,
        layout: Layout,
        count_every: int,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = _checked_padding(padding_idx, num_embeddings)
        self._padding_place = self.padding_idx
        data = layout.empty((num_embeddings, embedding_dim), dtype or torch.get_default_dtype())
        self.weight = TieredParameter(data, True, layout)
        self.register_buffer("place", None, persistent=False)
        self.counts = LookupCounts(num_embeddings, count_every)
        self._told_gradient: torch.Tensor | None = None  # the sparse gradient as the caller knows it, during a step
        self._step_gradient: torch.Tensor | None = None
        self._moves = Moves()
        self._optimizers: list[weakref.ref[torch.optim.Optimizer]] = []

    @classmethod
    def from_pretrained(cls, embeddings: torch.Tensor, freeze: bool = True, **options: Any) -> Self:
        """A table with these rows, (num_embeddings, embedding_dim), in the caller's order.

        Parameters
        ----------
        embeddings
            They are copied.
        freeze
            Whether they shall not be trained.
        **options
            As of the class.
        """
        rows, dim = embeddings.shape
        make: Callable[..., Self] = cls  # the constructors of the two have options of their own
        made = make(rows, dim, dtype=embeddings.dtype, _weight=embeddings.detach(), **options)
        made.weight.requires_grad_(not freeze)
        return made

    @classmethod
    def from_embedding(cls, module: nn.Embedding | nn.EmbeddingBag, **options: Any) -> Self:
        """A copy of torch's own module, with its rows and options, in two tiers; `options` are the class's own: `fast_rows`, `slow`..."""
        own = {name: getattr(module, name) for name in cls._torch_options}
        made = cls.from_pretrained(module.weight, not module.weight.requires_grad, **own, **options)
        return made.train(module.training)

    def _fill(self, frequencies: torch.Tensor | np.ndarray | None, rows: torch.Tensor | None) -> None:
        """The first content of a new table: these rows, or drawn ones."""
        if frequencies is not None:
            self.order_by(frequencies)
        if rows is None:
            self.reset_parameters()
        else:
            self.write_rows(rows)

    @property
    def tiers(self) -> Layout:
        """How many rows lie in which tier."""
        return self.weight.tiers

    def reset_parameters(self) -> None:
        """Draw all rows anew, as torch's own module does: the same seed gives the caller the same rows."""
        with torch.no_grad():
            drawn = self.weight if self.place is None else torch.empty_like(self.weight)
            nn.init.normal_(drawn)
            if self.place is not None:
                self.write_rows(drawn)
            if self._padding_place is not None:
                self.weight[self._padding_place].fill_(0)

    # -- the two orders

    def in_caller_order(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy, in the same tiers, whose row r is the caller's row r; the tensor itself if no row has moved.

        Parameters
        ----------
        tensor
            With the rows of the table in the table's order: the weight, its gradient, a state of the optimizer.
        """
        if self.place is None:
            return tensor
        copy = self.tiers.empty(tensor.shape, tensor.dtype)
        for start, stop in self._chunks():
            copy[start:stop] = tensor.index_select(0, self.place[start:stop])
        return copy

    def in_table_order(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy in the same tiers, with the rows of `tensor`, which is in the caller's order, where the table's lie."""
        copy = self.tiers.empty(tensor.shape, tensor.dtype)
        self._scatter(tensor, copy)
        return copy

    @torch.no_grad()
    def write_rows(self, rows: torch.Tensor) -> None:
        """Overwrite the whole table with rows in the caller's order, (num_embeddings, embedding_dim)."""
        self._scatter(rows, self.weight.detach())

    def order_by(self, frequencies: torch.Tensor | np.ndarray) -> None:
        """Lay the rows out anew, most frequent first. Of a table without content; `rerank` moves rows that have some.

        Parameters
        ----------
        frequencies
            By the caller's row, (num_embeddings,): counts or any other measure of use.

        Raises
        ------
        EmbeddingError
            If there is not one number for each row.
        """
        values = np.asarray(frequencies)
        if values.shape != (self.num_embeddings,) or not np.isfinite(values).all():
            why = f"they have the shape {values.shape}, or are not all numbers, and the table has {self.num_embeddings} rows"
            raise EmbeddingError("frequencies", why, "give one finite number for each row")
        place = np.empty(self.num_embeddings, self._place_type())
        place[np.argsort(-values, kind="stable")] = np.arange(self.num_embeddings, dtype=place.dtype)
        self.place = torch.from_numpy(place)
        self._find_padding()

    # -- sparse gradients

    @torch.no_grad()
    def place_gradient(self, coalesce: bool) -> None:
        """Before an optimizer's step: let the indices of a sparse gradient say places instead of the caller's rows.

        Parameters
        ----------
        coalesce
            Add entries of the same row up first. In which order torch does so depends on how all indices compare with each other.
        """
        self.restore_gradient()
        told = self.weight.grad
        if self.place is None or told is None or not told.is_sparse:
            return
        gradient = told.coalesce() if coalesce else told
        places = self.place[gradient._indices()[0]].long()
        self._told_gradient = told
        self._step_gradient = torch.sparse_coo_tensor(places[None], gradient._values(), told.shape, check_invariants=False)
        self.weight.grad = self._step_gradient

    def restore_gradient(self) -> None:
        """After the step, or before another if one has failed: as it was, so that others can be added to it."""
        if self._step_gradient is not None and self.weight.grad is self._step_gradient:
            self.weight.grad = self._told_gradient
        self._told_gradient = self._step_gradient = None

    # -- rows that move

    def rerank(self, max_bytes: int | None = None, forget: float = 0.5) -> RerankReport:
        """Bring the rows that were looked up most into the fast tier. Results stay the same; call it between a step and the next forward.

        Parameters
        ----------
        max_bytes
            Move at most so much in this call, the most rewarding rows first.
        forget
            By what share the counts so far shall weigh less afterwards.

        Raises
        ------
        EmbeddingError
            If lookups are not counted, or the optimizer is not known (`attach_optimizer`).
        """
        if self.counts.every == 0:
            raise EmbeddingError("rerank", "this table does not count its lookups", "make it with count_every=16")
        pair_bytes = 2 * sum(tensor[:1].nbytes for tensor in self.moving_tensors())
        counts = self.counts.values()
        total = float(counts.sum()) or 1.0
        fast = self.in_fast()
        before = float(counts[fast].sum()) / total
        coming, going = crossing_rows(counts, fast)
        pairs = len(coming)
        if max_bytes is not None:
            pairs = min(pairs, max_bytes // max(1, pair_bytes))
        moved = self.swap_rows(coming[:pairs], going[:pairs])
        after = float(counts[self.in_fast()].sum()) / total
        self.counts.forget(forget)
        return RerankReport(pairs, len(coming) - pairs, moved, before, after)

    def in_fast(self) -> np.ndarray:
        """By the caller's row, whether it lies in the fast tier, bool (num_embeddings,)."""
        place = np.arange(self.num_embeddings) if self.place is None else self.place.numpy()
        return place < self.tiers.fast_rows

    @torch.no_grad()
    def swap_rows(self, coming: np.ndarray, going: np.ndarray) -> int:
        """Let rows change places, each with its partner, in the weight and in all that has rows like it.

        Parameters
        ----------
        coming, going
            Rows of the caller, all different, of the same length.

        Returns
        -------
        int
            Bytes that were moved.

        Raises
        ------
        EmbeddingError
            If the optimizer is not known, or keeps a state whose rows cannot be told.
        """
        if len(coming) == 0:
            return 0
        tensors = self.moving_tensors()
        if self.place is None:
            self.place = torch.arange(self.num_embeddings, dtype=torch.int32 if self._place_type() is np.int32 else torch.int64)
        place = self.place.numpy()
        here, there = place[coming].astype(np.int64), place[going].astype(np.int64)
        for tensor in tensors:
            swap_dense(tensor, here, there, _CHUNK_BYTES)
        place[coming], place[going] = there, here
        self._moves.count += 1
        self._find_padding()
        return 2 * len(coming) * sum(tensor[0].nbytes for tensor in tensors)

    @property
    def moves(self) -> int:
        """How often rows have changed places."""
        return self._moves.count

    def know_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep its state with the rows from now on. Use `attach_optimizer`."""
        self._optimizers.append(weakref.ref(optimizer))

    def moving_tensors(self) -> list[torch.Tensor]:
        """All that moves with the rows: the weight, a dense gradient, the states of known optimizers.

        Raises
        ------
        EmbeddingError
            If the optimizer is not known, or keeps a state whose rows cannot be told.
        """
        if self.weight.requires_grad and not self._optimizers:
            why = "the optimizer is not known, and its state would stay where the rows were"
            raise EmbeddingError("rows cannot move", why, "call attach_optimizer(optimizer, model) first")
        tensors = [self.weight.detach()]
        if self.weight.grad is not None and not self.weight.grad.is_sparse:
            tensors.append(self.weight.grad)
        for reference in self._optimizers:
            optimizer = reference()
            if optimizer is not None:
                tensors += rows_like(self.weight, optimizer)
        return tensors

    # -- lookups

    def places_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Where the caller's rows lie, in their shape, of the type of `place`; raises as torch does if one is out of range."""
        # What a lookup runs through is kept short: beside megabytes that are copied, each line of it is run from cold caches.
        place = self._buffers["place"]
        if place is None:
            return rows
        if rows.dim() == 1:
            return torch.index_select(place, 0, rows)
        return torch.index_select(place, 0, rows.reshape(-1)).view(rows.shape)

    def _looked_up(self, rows: torch.Tensor, result: torch.Tensor, in_place: bool = False) -> torch.Tensor:
        """Count the lookups, and see to it that each row gets its gradient, wherever it is by then (`in_place`: see `relabel`)."""
        if self.counts.every:
            self.counts.note(rows)
        node = result.grad_fn
        if node is None:
            return result
        if not self.sparse:
            result.register_hook(self._moves.guard())
        elif self._buffers["place"] is not None:
            self._check_trained()
            node.register_hook(partial(relabel, rows, rows._version, self.padding_idx, in_place))
        return result

    def _said_rows(self, rows: torch.Tensor, places: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        """The same for sparse gradients in little time, where `can_say_rows`: `places` are of 64 bits, and nobody else's."""
        if result.grad_fn is not None:
            self._check_trained()
            say_rows(rows, places)
        counts = self.counts
        if counts.every:
            counts.note(rows)
        return result

    def _check_trained(self) -> None:
        if not self._optimizers:
            why = "the optimizer is not known, and would not find the rows of a sparse gradient"
            raise EmbeddingError("a tiered table cannot be trained", why, "call attach_optimizer(optimizer, model) first")

    # -- torch's own ways to copy and convert a module

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        with torch.set_grad_enabled(keep_vars and torch.is_grad_enabled()):
            destination[prefix + "weight"] = self.in_caller_order(destination[prefix + "weight"])

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        hooks: OrderedDict[int, Callable[..., None]] = self.__dict__["_load_state_dict_pre_hooks"]
        self.__dict__["_load_state_dict_pre_hooks"] = OrderedDict()
        try:
            for hook in hooks.values():  # they may rename what is looked for here
                hook(state_dict, prefix, *others)
            given = state_dict.get(prefix + "weight")
            if isinstance(given, torch.Tensor) and given.shape == self.weight.shape:
                self.write_rows(given)
                state_dict = {**state_dict, prefix + "weight": self.weight}  # which the base copies to itself
            super()._load_from_state_dict(state_dict, prefix, *others)
        finally:
            self.__dict__["_load_state_dict_pre_hooks"] = hooks

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "TieredTable":
        probe = fn(torch.empty(0, dtype=self.weight.dtype))
        if probe.device.type != "cpu":
            why = f"its rows lie in this machine's memory and cannot go to {probe.device.type}"
            raise EmbeddingError("a tiered table", why, "leave it on the cpu, and move its output")
        if probe.is_shared():
            raise EmbeddingError("a tiered table", "it cannot go to shared memory", "give each process its own, or a pmem tier in /dev/shm")
        if probe.dtype != self.weight.dtype:
            with torch.no_grad():
                converted = self.tiers.empty(self.weight.shape, probe.dtype)
                for start, stop in self._chunks():
                    converted[start:stop] = fn(self.weight.detach()[start:stop])
                gradient = None if self.weight.grad is None else fn(self.weight.grad)
                self.weight.grad = None
                self.weight.data = converted
                self.weight.grad = gradient
        return self

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no optimizer yet, and no gradient under way."""
        return {**super().__getstate__(), "_optimizers": [], "_moves": Moves(), "_told_gradient": None, "_step_gradient": None}

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        tiers = f"fast_rows={self.tiers.fast_rows}, fast={self.tiers.fast.spec!r}, slow={self.tiers.slow.spec!r}"
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}, {tiers}"

    # -- small things

    def _scatter(self, rows: torch.Tensor, target: torch.Tensor) -> None:
        for start, stop in self._chunks():
            if self.place is None:
                target[start:stop] = rows[start:stop]
            else:
                target[self.place[start:stop].long()] = rows[start:stop].to(target.dtype)

    def _chunks(self) -> Iterator[tuple[int, int]]:
        step = max(1, _CHUNK_BYTES // max(1, self.embedding_dim * self.weight.element_size()))
        for start in range(0, self.num_embeddings, step):
            yield start, min(start + step, self.num_embeddings)

    def _place_type(self) -> type[np.signedinteger]:
        return np.int32 if self.num_embeddings < 2**31 else np.int64

    def _find_padding(self) -> None:
        if self.padding_idx is not None and self.place is not None:
            self._padding_place = int(self.place[self.padding_idx])


def layout_of(num_embeddings: int, fast_rows: int, fast: str | TierSpec, slow: str | TierSpec, device: Any) -> Layout:
    """The layout that a module's arguments ask for.

    Raises
    ------
    EmbeddingError, TierError
        If they cannot be had.
    """
    if device is not None and torch.device(device).type != "cpu":
        raise EmbeddingError("a tiered table", f"its rows lie in this machine's memory, not on {device}", "leave device out")
    if not 0 <= fast_rows <= num_embeddings:
        raise EmbeddingError("fast_rows", f"{fast_rows} is not between 0 and the table's {num_embeddings} rows", "give a number of rows")
    return Layout(int(fast_rows), *(parse_tier(tier) if isinstance(tier, str) else tier for tier in (fast, slow)))


def _checked_padding(padding_idx: int | None, num_embeddings: int) -> int | None:
    if padding_idx is None:
        return None
    if not -num_embeddings <= padding_idx < num_embeddings:
        raise EmbeddingError("padding_idx", f"{padding_idx} is no row of a table of {num_embeddings}", "give one of its rows")
    return padding_idx % num_embeddings
