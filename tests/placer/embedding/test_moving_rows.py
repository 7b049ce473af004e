"""Rows that cross the border: by their counts of lookups, and by the coming batches; training stays torch's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import EmbeddingError
from tierprof.placer.embedding.rerank import crossing_rows

torch = pytest.importorskip("torch")

from tierprof.placer.embedding import LookAhead, TieredEmbedding, attach_optimizer  # noqa: E402

from .tables import Trainer, gradient_of, same_bits, twins  # noqa: E402


def batches(count: int, rows: int, size: int = 40, seed: int = 0) -> list[Any]:
    """Batches of which lower rows are more frequent."""
    random = np.random.default_rng(seed)
    return [torch.from_numpy((rows * random.random(size) ** 3).astype(np.int64)) for _ in range(count)]


@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=12), seed=st.integers(0, 99), share=st.floats(0, 1))
def test_rows_cross_until_the_fast_tier_has_the_most_used(counts: list[int], seed: int, share: float) -> None:
    # GIVEN rows in two tiers
    used = np.array(counts, np.float32)
    fast = np.random.default_rng(seed).random(len(used)) < share
    coming, going = crossing_rows(used, fast)
    # THEN each pair is a gain, the greatest first
    gains = used[coming] - used[going]
    assert (gains > 0).all()
    assert (np.diff(gains) <= 0).all()
    assert len(set(coming)) == len(coming) == len(going) == len(set(going))
    assert fast[going].all()
    assert not fast[coming].any()
    # AND after all of them the fast tier's lookups are the most that it can have
    fast[coming], fast[going] = True, False
    assert used[fast].sum() == np.sort(used)[::-1][: fast.sum()].sum()


def test_rerank_moves_what_was_looked_up_and_no_more_than_it_may(tmp_path: Path) -> None:
    # GIVEN a table whose 10 fast rows nobody uses, with Adam's two states
    table = TieredEmbedding(30, 4, fast_rows=10, slow=f"pmem:{tmp_path}", count_every=1)
    optimizer = torch.optim.Adam(table.parameters())
    attach_optimizer(optimizer, table)
    table(torch.tensor([11, 12, 12, 13, 13, 13])).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    # WHEN it may move two pairs of rows of 16 bytes, in three tensors
    report = table.rerank(max_bytes=2 * 2 * 16 * 3 + 1)
    # THEN the two most used have come
    assert (report.rows_in, report.rows_left, report.moved_bytes) == (2, 1, 192)
    assert (report.fast_share_before, report.fast_share_after) == (0, pytest.approx(5 / 6))
    assert table.in_fast()[[11, 12, 13]].tolist() == [False, True, True]
    # AND the next call brings the rest
    assert (table.rerank().rows_in, table.rerank().rows_in) == (1, 0)


def test_lookups_are_counted_of_every_nth_batch() -> None:
    table = TieredEmbedding(5, 2, fast_rows=1, slow="dram", count_every=3)
    for number in range(7):
        table(torch.tensor([number % 5, 4]))
    assert table.counts.values().tolist() == [1, 0, 1, 0, 2]


def test_a_gradient_under_way_moves_with_its_rows(tmp_path: Path) -> None:
    for sparse in (False, True):
        # GIVEN gradients that no step has used yet
        plain, tiered = twins(30, 4, tmp_path, sparse=sparse)
        attach_optimizer(torch.optim.SGD(tiered.parameters(), lr=0.1), tiered)
        for table in (plain, tiered):
            for batch in batches(2, 30):
                (table(batch) ** 2).sum().backward()
        # WHEN rows move
        assert tiered.rerank().rows_in > 0
        # THEN each row still has its own
        assert same_bits(plain.weight.grad, gradient_of(tiered))


def test_rows_that_move_between_forward_and_backward_are_told(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    attach_optimizer(torch.optim.SGD(tiered.parameters(), lr=0.1), tiered)
    out = tiered(torch.arange(25, 30))
    tiered.swap_rows(np.array([1]), np.array([2]))
    with pytest.raises(EmbeddingError, match="rows moved between forward and backward"):
        out.sum().backward()


def test_rows_do_not_move_while_the_optimizer_is_unknown(tmp_path: Path) -> None:
    plain, tiered = twins(30, 4, tmp_path)
    tiered(torch.arange(30))
    with pytest.raises(EmbeddingError, match="call attach_optimizer"):
        tiered.rerank()
    with pytest.raises(EmbeddingError, match="does not count its lookups"):
        TieredEmbedding(5, 2, fast_rows=1, slow="dram", count_every=0).rerank()
    # A table that is not trained needs none.
    tiered.weight.requires_grad_(False)
    tiered(torch.arange(30))
    tiered.rerank()
    assert same_bits(plain.weight, tiered.state_dict()["weight"])


def test_an_optimizer_that_mixes_rows_is_refused(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    optimizer = torch.optim.LBFGS(tiered.parameters())
    attach_optimizer(optimizer, tiered)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (tiered(torch.arange(30)) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with pytest.raises(EmbeddingError, match=r"cannot move under LBFGS: its state '\w+' does not say"):
        tiered.rerank()


@pytest.mark.parametrize("sparse", [False, True])
def test_training_on_a_look_ahead_is_torch_s(sparse: bool, tmp_path: Path) -> None:
    # GIVEN both kinds of table, one with a look-ahead over five batches
    plain, tiered = twins(200, 4, tmp_path, sparse=sparse)
    make = torch.optim.SparseAdam if sparse else torch.optim.Adam
    own, other = Trainer(plain, make), Trainer(tiered, make)
    stream = batches(40, 200)
    ahead = LookAhead(
        tiered, ((number, batch) for number, batch in enumerate(stream)), lambda pair: pair[1], lookahead_batches=5, record=True
    )
    fast = set(np.flatnonzero(tiered.in_fast()))
    lookups = hits = served = 0
    # WHEN both are trained, and someone else re-ranks now and then
    for number, batch in ahead:
        rows = set(batch.tolist())
        hits += len(rows & fast)
        fast = set(np.flatnonzero(tiered.in_fast()))
        lookups += batch.numel()
        served += sum(row in fast for row in batch.tolist())
        assert batch is stream[number]
        # THEN the losses are the same
        assert same_bits(own.step(batch), other.step(batch)), number
    # AND so are the rows; each batch came once, and the report tells what happened
    assert same_bits(plain.weight, tiered.state_dict()["weight"])
    report = ahead.report
    assert (report.batches, report.lookups, report.fast_lookups, report.hits) == (40, lookups, served, hits)
    # A row of 16 bytes, its two states, and a dense gradient; before the first step there is only the row.
    assert report.rows_moved * 2 * 16 < report.moved_bytes <= report.rows_moved * 2 * (48 if sparse else 64)
    # AND its policy had the hits that its simulator has
    compared = ahead.compare()
    assert compared.uses == report.uses
    assert compared.look_ahead == report.hit_rate
    assert max(compared.lru, compared.look_ahead) <= compared.optimum


def test_a_look_ahead_goes_on_after_others_have_moved_rows(tmp_path: Path) -> None:
    plain, tiered = twins(200, 4, tmp_path)
    own, other = Trainer(plain, torch.optim.Adam), Trainer(tiered, torch.optim.Adam)
    ahead = LookAhead(tiered, batches(30, 200), lookahead_batches=5)
    for number, batch in enumerate(ahead):
        assert same_bits(own.step(batch), other.step(batch))
        if number % 7 == 6:
            assert tiered.rerank().rows_in > 0
    assert same_bits(plain.weight, tiered.state_dict()["weight"])
    assert ahead.report.batches == 30


@pytest.mark.parametrize("bad", [torch.tensor([0, 30]), torch.tensor([-1]), torch.tensor([0.5])])
def test_batches_of_other_rows_are_told(bad: Any, tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    attach_optimizer(torch.optim.SGD(tiered.parameters(), lr=0.1), tiered)
    with pytest.raises(EmbeddingError, match="batch 1 of the look-ahead: it asks for rows outside 0 to 29"):
        next(LookAhead(tiered, [torch.tensor([1]), bad]))


def test_a_look_ahead_needs_the_optimizer_a_window_and_for_peers_a_record(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    ahead = LookAhead(tiered, batches(3, 30))
    with pytest.raises(EmbeddingError, match="call attach_optimizer"):
        next(ahead)
    attach_optimizer(torch.optim.SGD(tiered.parameters(), lr=0.1), tiered)
    assert len(list(ahead)) == 3
    with pytest.raises(EmbeddingError, match="record=True"):
        ahead.compare()
    with pytest.raises(EmbeddingError, match="shows nothing"):
        LookAhead(tiered, [], lookahead_batches=0)
