"""Tables and their optimizers, saved, loaded, copied and converted."""

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tierprof.base.errors import EmbeddingError  # noqa: E402
from tierprof.placer.embedding import TieredEmbedding, TieredEmbeddingBag, attach_optimizer  # noqa: E402
from tierprof.placer.embedding.memory import is_tiered  # noqa: E402

from .tables import Trainer, same_bits, twins  # noqa: E402

BATCH = torch.tensor([[1, 5, 5], [9, 0, 1]])


def make_adam(rows: Any) -> Any:
    return torch.optim.Adam(rows, lr=0.01)


def model_of(table: Any) -> Any:
    return nn.Sequential(table, nn.Linear(4, 2))


def test_state_dicts_go_to_and_fro_in_the_caller_s_order(tmp_path: Path) -> None:
    # GIVEN models that differ in their kind of table and in their rows
    plain, tiered = twins(30, 4, tmp_path)
    others = (
        model_of(nn.Embedding(30, 4)),
        model_of(TieredEmbedding(30, 4, fast_rows=3, slow=f"pmem:{tmp_path}", frequencies=np.arange(30))),
    )
    told = model_of(tiered).state_dict()
    # THEN the keys are torch's, the rows are the caller's, and either kind takes them
    assert list(told) == ["0.weight", "1.weight", "1.bias"]
    assert same_bits(told["0.weight"], plain.weight)
    for other in others:
        other.load_state_dict(told)
        assert same_bits(other[0](BATCH), plain(BATCH))
        assert same_bits(other.state_dict()["0.weight"], plain.weight)
    # AND assigning keeps the rows in their tiers
    others[1].load_state_dict(model_of(nn.Embedding(30, 4)).state_dict(), assign=True)
    assert is_tiered(others[1][0].weight.data)


def test_keys_that_a_hook_renames_are_found(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)

    def rename(state: dict[str, Any], prefix: str, *_: Any) -> None:
        state["weight"] = state.pop("old")

    tiered.register_load_state_dict_pre_hook(lambda module, state, prefix, *_: rename(state, prefix))
    rows = torch.randn(30, 4)
    tiered.load_state_dict({"old": rows})
    assert same_bits(tiered.state_dict()["weight"], rows)


def test_wrong_state_dicts_are_told_as_torch_tells_them(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        tiered.load_state_dict({"weight": torch.zeros(29, 4)})
    with pytest.raises(RuntimeError, match="Missing key"):
        tiered.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        tiered.load_state_dict({"weight": torch.zeros(30, 4), "other": torch.zeros(1)})


def test_training_goes_on_from_saved_states_on_either_side(tmp_path: Path) -> None:
    # GIVEN both kinds after some steps
    plain, tiered = twins(30, 4, tmp_path)
    own, other = Trainer(plain, make_adam), Trainer(tiered, make_adam)
    for _ in range(3):
        own.step(BATCH), other.step(BATCH)
    tiered.rerank()
    saved = [copy.deepcopy((trainer.table.state_dict(), trainer.optimizer.state_dict())) for trainer in (own, other)]
    assert same_bits(saved[0][1]["state"][0]["exp_avg"], saved[1][1]["state"][0]["exp_avg"])
    # WHEN each goes on from what the other has saved
    plain, tiered = twins(30, 4, tmp_path, seed=7)
    swapped = Trainer(plain, make_adam), Trainer(tiered, make_adam)
    for trainer, (rows, state) in zip(swapped, reversed(saved), strict=True):
        trainer.table.load_state_dict(rows)
        trainer.optimizer.load_state_dict(state)
    # THEN all go on alike, and the loaded state lies in the tiers
    assert is_tiered(swapped[1].optimizer.state[tiered.weight]["exp_avg"])
    for _ in range(3):
        loss = own.step(BATCH)
        assert same_bits(loss, swapped[0].step(BATCH))
        assert same_bits(loss, swapped[1].step(BATCH))


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
@pytest.mark.parametrize("kind", [TieredEmbedding, TieredEmbeddingBag])
def test_a_copy_is_a_table_of_its_own(how: str, kind: type, tmp_path: Path) -> None:
    # GIVEN a table that is trained
    table = kind(30, 4, padding_idx=2, fast_rows=10, slow=f"pmem:{tmp_path}", frequencies=np.arange(30))
    Trainer(table, make_adam).step(BATCH)
    # WHEN it is copied
    if how == "save":
        file = io.BytesIO()
        torch.save(table, file)
        copied = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    else:
        copied = copy.deepcopy(table) if how == "deepcopy" else pickle.loads(pickle.dumps(table))
    # THEN it gives the same, lies in the same tiers, and shares nothing
    assert same_bits(copied(BATCH), table(BATCH))
    assert repr(copied) == repr(table)
    assert is_tiered(copied.weight.data)
    with torch.no_grad():
        copied.weight.zero_()
    assert table.weight.abs().sum() > 0
    # AND it has no optimizer yet
    with pytest.raises(EmbeddingError, match="call attach_optimizer"):
        copied.swap_rows(np.array([0]), np.array([1]))


def test_a_model_and_its_optimizer_are_copied_together(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    optimizer = make_adam([tiered.weight])
    table, other = copy.deepcopy((tiered, optimizer))
    assert other.param_groups[0]["params"][0] is table.weight


def test_pretrained_rows_are_frozen_unless_told(tmp_path: Path) -> None:
    rows = torch.randn(9, 3)
    options = {"fast_rows": 4, "slow": f"pmem:{tmp_path}", "frequencies": np.arange(9)}
    frozen, free = (TieredEmbedding.from_pretrained(rows, freeze=freeze, **options) for freeze in (True, False))
    assert same_bits(frozen.state_dict()["weight"], rows)
    assert not frozen(torch.tensor([3])).requires_grad
    assert free.weight.requires_grad


def test_another_type_keeps_the_tiers_and_the_optimizer(tmp_path: Path) -> None:
    plain, tiered = twins(30, 4, tmp_path)
    weight = tiered.weight
    plain.double(), tiered.double()
    assert tiered.weight is weight
    assert is_tiered(weight.data)
    assert same_bits(plain(BATCH), tiered(BATCH))


def test_where_a_table_cannot_go_is_told_and_it_stays(tmp_path: Path) -> None:
    plain, tiered = twins(30, 4, tmp_path)
    with pytest.raises(EmbeddingError, match=r"cannot go to meta; leave it on the cpu"):
        tiered.to("meta")
    with pytest.raises(EmbeddingError, match="shared memory"):
        tiered.share_memory()
    assert same_bits(plain(BATCH), tiered(BATCH))


def test_an_optimizer_of_other_parameters_is_refused(tmp_path: Path) -> None:
    _, tiered = twins(30, 4, tmp_path)
    with pytest.raises(EmbeddingError, match="Adam trains no tiered table"):
        attach_optimizer(make_adam([torch.zeros(1, requires_grad=True)]), tiered)
