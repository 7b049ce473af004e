"""Whether a sampled and an exact run name the same leaders."""

from collections.abc import Callable

import pandas as pd

from tierprof.placer.guide.agreement import Agreement, Comparison, agreement, compare, label_of
from tierprof.placer.guide.guide import build_guide
from tierprof.placer.guide.words import AGREEMENT, agreement_lines, lines
from tierprof.profiler.trace import Trace

MakeGnn = Callable[..., Trace]


def _seconds(trace: Trace, *seconds: float) -> pd.Series:
    keys = trace.objects()["key"]
    return pd.Series(list(seconds), index=list(keys[: len(seconds)]))


def _agreement(sampled: Trace, exact: Trace, waits: tuple[float, ...], costs: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Agreement:
    """With these seconds in the exact run; in the sampled one tensors cost as they are waited for."""
    stall = sampled.objects().set_index("key")["stall_s"]
    return agreement(sampled, exact, _seconds(exact, *waits), (stall, _seconds(exact, *costs)), "slow")


def _seen(**samples: int) -> pd.DataFrame:
    """A millisecond each."""
    table = pd.DataFrame({"label": list(samples), "samples": list(samples.values())})
    return table.assign(value=table["samples"] * 1e-3)


def _modelled(**seconds: float) -> pd.DataFrame:
    return pd.DataFrame({"label": list(seconds), "value": list(seconds.values())})


def _names(own: Comparison) -> tuple[list[str], list[str]]:
    return [leader.name for leader in own.own], [leader.name for leader in own.other]


def test_leaders_are_summed_by_label() -> None:
    seen = pd.DataFrame({"label": ["a", "b", "a", "c"], "value": [1.0, 1.5, 1.0, 0.0], "samples": [10, 15, 10, 0]})
    found = compare(seen, _modelled(a=1.0, b=3.0))
    assert [(leader.name, leader.share) for leader in found.own] == [("a", 2.0 / 3.5), ("b", 1.5 / 3.5)]
    assert [(leader.name, leader.other_rank, leader.other_share) for leader in found.other] == [("b", 2, 1.5 / 3.5), ("a", 1, 2.0 / 3.5)]


def test_a_label_has_the_operation_once() -> None:
    assert label_of("gcn.py:16 in forward", "mm", ()) == "gcn.py:16 in forward: mm"
    assert label_of("gcn.py:16 in forward: mm", "mm", ()) == "gcn.py:16 in forward: mm"
    assert label_of("model.weight", "empty", ("model.weight",)) == "model.weight"


def test_a_close_third_is_left_open_and_a_clear_one_is_not() -> None:
    exact = _modelled(a=4.0, b=3.0, d=2.0, c=1.0)
    # GIVEN two tensors whose samples differ by less than their own error, of which either run leads with another
    close = compare(_seen(a=400, b=300, c=105, d=100), exact)
    # THEN that is said to be open: in many redrawn samples the other one leads
    assert (close.agrees, close.open, close.common) == (False, True, 2)
    # AND so are two that the exact run can hardly tell apart
    assert compare(_seen(a=400, b=300, c=140, d=70), _modelled(a=4.0, b=3.0, d=1.01, c=1.0)).open
    # AND with a hundred times as many samples, in the same proportion, it is not
    clear = compare(_seen(a=40_000, b=30_000, c=10_500, d=10_000), exact)
    assert (clear.agrees, clear.open, clear.common) == (False, False, 2)


def test_an_open_third_is_said_to_be_within_the_error(gnn: MakeGnn) -> None:
    # GIVEN a sampled run with a fourth tensor as close behind the third as its few samples let it be
    sampled = gnn()
    objects = sampled.objects()
    objects.loc[:3, ["stall_s", "samples"]] = [[3.0, 300], [2.0, 200], [1.05, 105], [1.0, 100]]
    sampled.write("objects", objects)
    # WHEN the exact run has that one in its lead
    own = _agreement(sampled, gnn("tiny"), waits=(3.0, 2.0, 0.0, 1.0), costs=(3.0, 2.0, 1.0, 0.0))
    assert own.waits is not None and own.waits.open
    texts = [line.text for line in agreement_lines(own)]
    # THEN neither agreement nor difference is claimed, and nothing is explained away
    assert len(texts) == 2
    assert "agree within the error of the samples (2 of 3 in common)" in texts[0]
    assert f"(sampled: no. 4, 13%, a leader in {own.waits.other[2].odds:.0%} of samples redrawn from there)" in texts[0]


def test_who_was_not_sampled_at_all_is_no_close_call() -> None:
    found = compare(_seen(a=3, b=2, c=1), _modelled(a=4.0, b=3.0, d=2.0))
    assert (found.agrees, found.open) == (False, False)
    assert (found.other[2].name, found.other[2].other_rank, found.other[2].odds) == ("d", 0, 0.0)


def test_what_the_exact_run_did_not_measure_does_not_count(gnn: MakeGnn) -> None:
    # GIVEN an exact run whose measured part never touched the table that the sampled one waits for most
    sampled, exact = gnn(), gnn("tiny")
    objects = exact.objects()
    objects.loc[0, "accesses"] = 0
    exact.write("objects", objects)
    own = _agreement(sampled, exact, (0.0, 3.0, 2.0, 1.0)).waits
    # THEN it is no leader of the sampled one
    assert own is not None
    assert _names(own)[0] == ["model.item.weight", "model.user.weight.grad", "model.user.weight.exp_avg"]
    assert own.agrees


def test_the_same_leaders_agree_in_any_order(gnn: MakeGnn) -> None:
    own = _agreement(gnn(), gnn("tiny"), (1.0, 3.0, 2.0, 0.1)).waits
    assert own is not None and own.agrees
    assert _names(own) == (
        ["model.user.weight", "model.item.weight", "model.user.weight.grad"],
        ["model.item.weight", "model.user.weight.grad", "model.user.weight"],
    )


def test_waiting_and_cost_are_held_against_their_like(gnn: MakeGnn) -> None:
    # GIVEN an exact run in which what is waited for is not what costs most in the slow tier
    own = _agreement(gnn(), gnn("tiny"), waits=(3.0, 2.0, 1.0, 0.0), costs=(3.0, 2.0, 0.0, 1.0))
    assert own.waits is not None and own.costs is not None
    # THEN one agrees with the samples, the other does not
    assert (own.waits.agrees, own.waits.common) == (True, 3)
    assert (own.costs.agrees, own.costs.common) == (False, 2)


def test_another_program_is_not_compared(gnn: MakeGnn) -> None:
    own = _agreement(gnn(), gnn("tiny", program="dlrm"), ())
    assert own.waits is own.costs is None
    assert own.missing == "tiny.trace is a run of dlrm, not of gnn"


def test_without_an_exact_run_there_is_no_line(gnn: MakeGnn) -> None:
    guide = build_guide(gnn(), against=[gnn("other")])
    assert guide is not None
    assert not [line for line in lines(guide) if line.topic == AGREEMENT]
