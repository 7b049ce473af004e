"""Tiered tables give what torch's own give, bit by bit: forward, both kinds of gradient, and training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tierprof.base.errors import EmbeddingError  # noqa: E402
from tierprof.placer.embedding import TieredEmbedding, TieredEmbeddingBag, attach_optimizer  # noqa: E402

from .tables import Trainer, gradient_of, same_bits, twins  # noqa: E402

OPTIMIZERS: dict[str, tuple[bool, Callable[..., Any]]] = {
    "sgd": (False, lambda rows: torch.optim.SGD(rows, lr=0.1)),
    "sgd of sparse gradients": (True, lambda rows: torch.optim.SGD(rows, lr=0.1)),
    "momentum": (False, lambda rows: torch.optim.SGD(rows, lr=0.1, momentum=0.9, nesterov=True)),
    "adam": (False, lambda rows: torch.optim.Adam(rows, lr=0.01, amsgrad=True)),
    "adam of all tensors at once": (False, lambda rows: torch.optim.Adam(rows, lr=0.01, foreach=True)),
    "adamw in one kernel": (False, lambda rows: torch.optim.AdamW(rows, lr=0.01, fused=True)),
    "adagrad": (False, lambda rows: torch.optim.Adagrad(rows, lr=0.01)),
    "adagrad of sparse gradients": (True, lambda rows: torch.optim.Adagrad(rows, lr=0.01)),
    "sparse adam": (True, lambda rows: torch.optim.SparseAdam(rows, lr=0.01)),
}


# The fused kernel rounds otherwise in what its vectors leave over.
@pytest.mark.parametrize(("name", "dim"), [(name, dim) for name in OPTIMIZERS for dim in (7, 32) if dim == 32 or "kernel" not in name])
def test_twenty_steps_of_training_are_torch_s_while_rows_move(name: str, dim: int, tmp_path: Path) -> None:
    # GIVEN torch's table and a tiered one, trained alike on batches with repetitions
    sparse, make = OPTIMIZERS[name]
    plain, tiered = twins(97, dim, tmp_path, sparse=sparse)
    own, other = Trainer(plain, make), Trainer(tiered, make)
    moved = 0
    for number in range(20):
        batch = torch.randint(0, 97, (11, 5), generator=torch.Generator().manual_seed(number)) ** 2 // 97
        # WHEN each makes a step, and rows cross the border now and then
        losses = own.step(batch), other.step(batch)
        # THEN the losses and gradients are the same
        assert same_bits(*losses), number
        gradients = plain.weight.grad, gradient_of(tiered)
        assert same_bits(*(g.coalesce() for g in gradients)) if sparse else same_bits(*gradients), number
        moved += tiered.rerank().rows_in if number % 4 == 3 else 0
    # AND so are the rows and the optimizer's state in the end
    assert moved > 10
    assert same_bits(plain.weight, tiered.state_dict()["weight"])
    states = [trainer.optimizer.state_dict()["state"].get(0, {}) for trainer in (own, other)]
    assert list(states[0]) == list(states[1])
    for key, value in states[0].items():
        assert same_bits(value, states[1][key]) if isinstance(value, torch.Tensor) else value == states[1][key], key


@st.composite
def embeddings(draw: st.DrawFn) -> tuple[dict[str, Any], int, Any]:
    """Options of an embedding, a seed, and the shape of a batch."""
    rows = draw(st.integers(1, 40))
    options = {
        "num_embeddings": rows,
        "embedding_dim": draw(st.integers(1, 9)),
        "padding_idx": draw(st.none() | st.integers(-rows, rows - 1)),
        "max_norm": draw(st.none() | st.floats(0.1, 3)),
        "norm_type": draw(st.sampled_from([1.0, 2.0, 3.0])),
        "scale_grad_by_freq": draw(st.booleans()),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16])),
    }
    options["sparse"] = not options["scale_grad_by_freq"] and draw(st.booleans())
    # torch cannot take a sparse gradient of a lookup of one row without a dimension back.
    shape = draw(st.lists(st.integers(0, 9), min_size=int(options["sparse"]), max_size=3))
    return options, draw(st.integers(0, 2**31)), tuple(shape)


@settings(max_examples=150)
@given(case=embeddings(), integers=st.sampled_from(["int64", "int32"]), ranked=st.booleans(), fetch_once=st.booleans())
def test_an_embedding_is_torch_s_with_all_its_options(case: Any, integers: str, ranked: bool, fetch_once: bool) -> None:
    # GIVEN torch's embedding, and a tiered one of the same rows
    options, seed, shape = case
    torch.manual_seed(seed)
    random, size = np.random.default_rng(seed), options["num_embeddings"]
    plain = nn.Embedding(**options)
    tiered = TieredEmbedding.from_embedding(
        plain,
        fast_rows=int(random.integers(0, size + 1)),
        slow="dram",
        frequencies=random.permutation(size) if ranked else None,
        fetch_once=fetch_once,
    )
    attach_optimizer(torch.optim.SGD(tiered.parameters()), tiered)
    # WHEN both look the same rows up, twice, and take the same gradient back
    batches = torch.randint(0, size, (2, *shape), dtype=getattr(torch, integers))
    results = [[table(batch) for batch in batches] for table in (plain, tiered)]
    # THEN results, gradients and (after a maximum of the norm) rows are the same
    for own, other in zip(*results, strict=True):
        assert same_bits(own, other)
        gradient = torch.randn(own.shape, dtype=own.dtype)
        own.backward(gradient)
        other.backward(gradient)
    assert same_bits(plain.weight.grad, gradient_of(tiered))
    assert same_bits(plain.weight, tiered.state_dict()["weight"])


@st.composite
def bags(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[Any, ...], bool]:
    """Options of a bag, the rows with their offsets, and whether each row has a weight."""
    size, mode = draw(st.integers(1, 30)), draw(st.sampled_from(["sum", "mean", "max"]))
    options = {
        "num_embeddings": size,
        "embedding_dim": draw(st.sampled_from([1, 3, 4, 8, 16])),
        "max_norm": draw(st.none() | st.floats(0.1, 3)),
        "mode": mode,
        "sparse": mode != "max" and draw(st.booleans()),
        "include_last_offset": draw(st.booleans()),
        "padding_idx": draw(st.none() | st.integers(-size, size - 1)),
    }
    options["scale_grad_by_freq"] = mode != "max" and not options["sparse"] and draw(st.booleans())
    count = draw(st.integers(0, 50))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows = torch.from_numpy(random.integers(0, size, count))
    offsets = torch.from_numpy(np.sort(random.integers(0, count + 1, draw(st.integers(1, 8)))))
    offsets[0] = 0
    if options["include_last_offset"]:
        offsets = torch.cat([offsets, torch.tensor([count])])
    if count % 5 == 0 and count and draw(st.booleans()):
        rows, offsets = rows.view(-1, 5), None
    return options, (rows, offsets), mode == "sum" and draw(st.booleans())


@settings(max_examples=150)
@given(case=bags())
def test_a_bag_is_torch_s_with_all_its_options(case: Any) -> None:
    # GIVEN torch's bag, and a tiered one of the same rows in another order
    options, (rows, offsets), weighted = case
    torch.manual_seed(1)
    plain, size = nn.EmbeddingBag(**options), options["num_embeddings"]
    tiered = TieredEmbeddingBag.from_embedding(
        plain, fast_rows=size // 2, slow="dram", frequencies=np.random.default_rng(size).permutation(size)
    )
    attach_optimizer(torch.optim.SGD(tiered.parameters()), tiered)
    # WHEN both take the same bags and the same gradient back
    weights = [torch.linspace(-1, 1, rows.numel()).view(rows.shape).requires_grad_() if weighted else None for _ in range(2)]
    own, other = plain(rows, offsets, weights[0]), tiered(rows, offsets, weights[1])
    gradient = torch.randn(own.shape)
    own.backward(gradient)
    other.backward(gradient)
    # THEN results, gradients and rows are the same
    assert same_bits(own, other)
    assert same_bits(plain.weight.grad, gradient_of(tiered))
    assert same_bits(plain.weight, tiered.state_dict()["weight"])
    if weights[0] is not None and weights[1] is not None:
        assert same_bits(weights[0].grad, weights[1].grad)


@pytest.mark.parametrize("bad", [-1, 5])
@pytest.mark.parametrize("ranked", [False, True])
def test_rows_out_of_range_raise_what_torch_raises(bad: int, ranked: bool) -> None:
    tiered = TieredEmbedding(5, 2, fast_rows=2, slow="dram", frequencies=np.arange(5) if ranked else None)
    with pytest.raises(IndexError, match="index out of range"):
        tiered(torch.tensor([0, bad]))


def test_a_new_table_has_the_rows_that_torch_would_draw() -> None:
    torch.manual_seed(3)
    plain = nn.Embedding(50, 7, padding_idx=4)
    torch.manual_seed(3)
    tiered = TieredEmbedding(50, 7, padding_idx=4, fast_rows=9, slow="dram", frequencies=np.arange(50) % 7)
    assert tiered.place is not None
    assert same_bits(plain.weight, tiered.state_dict()["weight"])


def _copy_of(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone()


@pytest.mark.parametrize("way", ["as it is", "kept copied", "checkpointed"])
@pytest.mark.parametrize("kind", [TieredEmbedding, TieredEmbeddingBag])
def test_sparse_gradients_are_torch_s_whatever_is_done_with_what_backward_needs(kind: type, way: str) -> None:
    # GIVEN a table whose rows are scattered, and torch's own
    plain = (nn.Embedding if kind is TieredEmbedding else nn.EmbeddingBag)(50, 8, sparse=True)
    frequencies = np.random.default_rng(0).permutation(50)
    tiered = kind.from_embedding(plain, fast_rows=10, slow="dram", frequencies=frequencies)
    attach_optimizer(torch.optim.SGD(tiered.parameters()), tiered)
    rows = torch.tensor([[3, 3, 49], [0, 7, 3]])
    for module in (plain, tiered):
        # WHEN what forward keeps for backward is left alone, copied at once, or made anew when it is needed
        if way == "checkpointed":
            result = torch.utils.checkpoint.checkpoint(module, rows, use_reentrant=False)
        elif way == "kept copied":
            with torch.autograd.graph.saved_tensors_hooks(_copy_of, _copy_of):
                result = module(rows)
        else:
            result = module(rows)
        (result * result).sum().backward()
    # THEN the gradient is that of torch's rows, entry by entry
    assert same_bits(plain.weight.grad, tiered.weight.grad)


def test_a_batch_that_is_overwritten_before_backward_has_the_gradient_of_what_it_was(tmp_path: Path) -> None:
    _, tiered = twins(20, 4, tmp_path, sparse=True)
    attach_optimizer(torch.optim.SGD(tiered.parameters()), tiered)
    batch = torch.tensor([5, 7, 5])
    result = tiered(batch)
    batch.fill_(1)
    result.sum().backward()
    assert tiered.weight.grad._indices().tolist() == [[5, 7, 5]]


def test_a_sparse_gradient_under_an_optimizer_that_is_not_known_is_refused() -> None:
    # The indices of such a gradient are the caller's rows, and only an attached optimizer is given the places.
    table = TieredEmbedding(5, 2, sparse=True, fast_rows=2, slow="dram", frequencies=np.arange(5))
    with pytest.raises(EmbeddingError, match=r"call attach_optimizer\(optimizer, model\) first"):
        table(torch.tensor([1]))
    with torch.no_grad():
        assert table(torch.tensor([1])).shape == (1, 2)


@pytest.mark.parametrize("make", [torch.optim.SparseAdam, lambda rows: torch.optim.SGD(rows, lr=0.1)])
def test_sparse_gradients_of_several_lookups_and_steps_and_of_closures_are_torch_s(make: Callable[..., Any], tmp_path: Path) -> None:
    # GIVEN models that look rows up twice a step, and drop their gradients at every other step only
    plain, tiered = twins(40, 5, tmp_path, sparse=True)
    optimizers = make(plain.parameters()), make(tiered.parameters())
    attach_optimizer(optimizers[1], tiered)
    for number in range(9):
        first, second = torch.randint(0, 40, (2, 30), generator=torch.Generator().manual_seed(number))
        for table, optimizer in zip((plain, tiered), optimizers, strict=True):

            def closure(table: Any = table, optimizer: Any = optimizer, first: Any = first, second: Any = second) -> Any:
                if number % 2 == 0:  # noqa: B023
                    optimizer.zero_grad()
                loss = (table(first) * table(second) * torch.linspace(0, 1, 5)).sum()
                loss.backward()
                return loss

            # WHEN steps are made with a closure and without
            if number % 3 == 0:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
        # THEN gradients and rows are the same, whatever rows move
        assert same_bits(plain.weight.grad, tiered.weight.grad)
        assert same_bits(plain.weight, tiered.state_dict()["weight"]), number
        tiered.rerank()


@pytest.mark.parametrize("name", ["adam", "sparse adam"])
def test_large_batches_on_two_threads_are_torch_s(name: str, tmp_path: Path) -> None:
    # GIVEN a table and batches that torch works on in parallel, with rows of odd size
    sparse, make = OPTIMIZERS[name]
    plain, tiered = twins(5003, 33, tmp_path, sparse=sparse)
    own, other = Trainer(plain, make), Trainer(tiered, make)
    torch.set_num_threads(2)
    try:
        for number in range(2):
            batch = (5003 * torch.rand(40_000, generator=torch.Generator().manual_seed(number)) ** 3).long()
            # THEN steps are the same, before and after rows have moved
            assert same_bits(own.step(batch), other.step(batch))
            assert tiered.rerank().rows_in > 0
    finally:
        torch.set_num_threads(1)
    assert same_bits(plain.weight, tiered.state_dict()["weight"])
