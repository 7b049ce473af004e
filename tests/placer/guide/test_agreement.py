"""Whether a sampled and an exact run name the same leaders."""

from collections.abc import Callable

import pandas as pd

from tierprof.placer.guide.agreement import agreement, label_of, leaders
from tierprof.placer.guide.guide import build_guide
from tierprof.placer.guide.words import AGREEMENT, lines
from tierprof.profiler.trace import Trace

MakeGnn = Callable[..., Trace]


def _costs(trace: Trace, *seconds: float) -> pd.Series:
    keys = trace.objects()["key"]
    return pd.Series(list(seconds), index=list(keys[: len(seconds)]))


def test_leaders_are_summed_by_label() -> None:
    tensors = pd.DataFrame({"label": ["a", "b", "a", "c"], "stall_s": [1.0, 1.5, 1.0, 0.0]})
    assert leaders(tensors, "stall_s") == (("a", 2.0 / 3.5), ("b", 1.5 / 3.5))


def test_labels_are_the_same_in_every_run() -> None:
    generated = "torch_geometric.nn.conv.lg_conv_LGConv_propagate_d9h2f9b0.py:162 in propagate"
    assert label_of(generated, "mm", ()) == "torch_geometric.nn.conv.lg_conv_LGConv_propagate.py:162 in propagate: mm"
    assert label_of("model.weight", "empty", ("model.weight",)) == "model.weight"


def test_what_the_exact_run_did_not_measure_does_not_count(gnn: MakeGnn) -> None:
    # GIVEN an exact run whose measured part never touched the table that the sampled one waits for most
    sampled, exact = gnn(), gnn("tiny")
    objects = exact.objects()
    objects.loc[0, "accesses"] = 0
    exact.write("objects", objects)
    own = agreement(sampled, exact, _costs(exact, 0.0, 3.0, 2.0, 1.0))
    # THEN it is no leader of the sampled one
    assert [name for name, _ in own.own] == ["model.item.weight", "model.user.weight.grad", "model.user.weight.exp_avg"]
    assert own.agrees


def test_the_same_leaders_agree_in_any_order(gnn: MakeGnn) -> None:
    sampled, exact = gnn(), gnn("tiny")
    own = agreement(sampled, exact, _costs(exact, 1.0, 3.0, 2.0, 0.1))
    assert own.agrees
    assert [name for name, _ in own.own] == ["model.user.weight", "model.item.weight", "model.user.weight.grad"]
    assert [name for name, _ in own.other] == ["model.item.weight", "model.user.weight.grad", "model.user.weight"]


def test_other_leaders_do_not(gnn: MakeGnn) -> None:
    sampled, exact = gnn(), gnn("tiny")
    own = agreement(sampled, exact, _costs(exact, 1.0, 3.0, 0.0, 2.0))
    assert not own.agrees
    assert own.common == 2


def test_another_program_is_not_compared(gnn: MakeGnn) -> None:
    own = agreement(gnn(), gnn("tiny", program="dlrm"), pd.Series(dtype=float))
    assert not own.agrees
    assert own.missing == "tiny.trace is a run of dlrm, not of gnn"


def test_without_an_exact_run_there_is_no_line(gnn: MakeGnn) -> None:
    guide = build_guide(gnn(), against=[gnn("other")])
    assert guide is not None
    assert not [line for line in lines(guide) if line.topic == AGREEMENT]
