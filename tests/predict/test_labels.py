"""Labels by model: kept in the trace, learned from, placed by."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from tierprof.base.errors import ModelError, TraceError
from tierprof.cli import main
from tierprof.models.dataset import load_dataset
from tierprof.placer.plan import Plan
from tierprof.placer.predict.by_model import kept_machines
from tierprof.placer.predict.forecast import Anchors, Span
from tierprof.placer.predict.labels import Labels, keep_labels, make_labels
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 2**20
OBJECTS = [{"peak_bytes": 40 * MIB, "stall_s": 1.0}, {"peak_bytes": 60 * MIB, "stall_s": 2.0}, {"peak_bytes": 90 * MIB, "stall_s": 0.0}]

TWICE = Span(2.0, 2.0, 2.0)


def _labels(trace: Trace, machine: str = "optane100-x6", extra_s: float = 1.5) -> Labels:
    """Objects 0 and 1 cost 2 and 5 s alone and 1.5 s more together; 1 s is the stack's."""
    anchors = Anchors(10.0, 20.0, np.array([11.0, 12.0, 15.0]), np.array([19.0, 17.5, 14.0]))
    pairs = np.array([1, 0]), np.array([[0.0, extra_s], [extra_s, 0.0]])
    return make_labels(trace, machine, np.array([-1, 0, 1]), anchors, pairs)


def _keep(trace: Trace, labels: Labels, slowdown: Span = TWICE) -> int:
    return keep_labels(trace, labels, slowdown, "ddr4")


@pytest.fixture
def trace(make_trace: MakeTrace) -> Trace:
    return make_trace("bfs", OBJECTS)


def test_labels_are_run_times_costliest_first(trace: Trace) -> None:
    own = _labels(trace).objects
    assert own["name"].tolist() == ["bfs_1", "bfs_0", "stack"]
    assert own["key"].tolist() == [f"{2:032x}", f"{1:032x}", ""]
    assert own["alone_slow_s"].tolist() == [15.0, 12.0, 11.0]
    assert own["alone_fast_s"].tolist() == [14.0, 17.5, 19.0]
    pair = _labels(trace).interactions.iloc[0]
    assert (pair["object_name"], pair["other_name"], pair["extra_s"]) == ("bfs_1", "bfs_0", 1.5)
    # AND what does not interact is no pair
    assert _labels(trace, extra_s=0.0).interactions.empty


def test_they_are_kept_beside_other_machines_and_replace_their_own(trace: Trace) -> None:
    assert _keep(trace, _labels(trace)) == 2
    assert _keep(trace, _labels(trace, "cxl")) == 2
    assert _keep(trace, _labels(trace)) == 2
    again = Trace.open(trace.path)
    assert kept_machines(again) == ["cxl", "optane100-x6"]
    assert len(again.frame("labels")) == 6
    assert len(again.frame("interactions")) == 2
    table = again.frame("criticality")
    assert table["source"].value_counts().to_dict() == {"model cxl": 4, "model optane100-x6": 4}
    own = table[table["source"] == "model optane100-x6"]
    assert own["what"].tolist() == ["none", "all", "object", "object"]
    assert own["cpu_s"].tolist() == own["wall_s"].tolist() == [10.0, 20.0, 5.0, 2.0]
    assert own["cpu_low_s"].tolist() == own["cpu_high_s"].tolist() == [10.0, 20.0, 5.0, 2.0]


def test_the_error_of_a_sampled_exact_run_goes_along(trace: Trace) -> None:
    # GIVEN a slowdown of 2 that may be 1.9 to 2.1
    _keep(trace, _labels(trace), Span(2.0, 1.9, 2.1))
    table = trace.frame("criticality")
    everything = table[table["what"] == "all"].iloc[0]
    assert (everything["cpu_low_s"], everything["cpu_high_s"]) == pytest.approx((19.0, 21.0))
    # THEN each cost has that error of a tenth
    own = table.set_index("key").loc[f"{2:032x}"]
    assert (own["cpu_low_s"], own["cpu_high_s"]) == pytest.approx((4.5, 5.5))


def test_another_run_of_the_program_is_labelled_by_its_keys(trace: Trace, make_trace: MakeTrace) -> None:
    # GIVEN a sampled run that met the sites in another order
    other = make_trace("sampled", OBJECTS)
    swapped = other.objects()
    swapped["key"] = swapped["key"].to_numpy()[[1, 0, 2]]
    other.write("objects", swapped)
    assert _keep(other, _labels(trace)) == 2
    labels = other.frame("labels").set_index("key")
    # THEN the sites are its own
    assert (labels.loc[f"{2:032x}", "object"], labels.loc[f"{1:032x}", "object"]) == (0, 1)


def test_a_trace_of_another_program_is_not_labelled(trace: Trace, make_trace: MakeTrace) -> None:
    other = make_trace("other", [{"peak_bytes": MIB, "stall_s": 1.0, "key": "f" * 32}])
    with pytest.raises(TraceError, match="it has none of the labelled objects; give a trace of the same program"):
        _keep(other, _labels(trace))


def test_training_takes_one_source_and_never_mixes(make_trace: MakeTrace) -> None:
    # GIVEN a trace that was measured and labelled by two machines, and one with labels of one machine
    both, one = make_trace("both", OBJECTS, costs=[1.0, 4.0, 0.0]), make_trace("one", OBJECTS)
    _keep(both, _labels(both))
    _keep(both, _labels(both, "cxl"))
    _keep(one, _labels(one))
    # THEN without a word which, training refuses
    with pytest.raises(ModelError, match=r"intervention emulated:2\.5, model cxl, model optane100-x6; choose one with --source"):
        load_dataset([both, one])
    # AND with one it takes only that
    data = load_dataset([both, one], "model optane100-x6")
    assert [run.source for run in data.runs] == ["model optane100-x6"] * 2
    assert data.y.tolist() == [0.2, 0.5, 0.2, 0.5]
    assert [run.loss_s for run in data.runs] == [10.0, 10.0]


def test_a_plan_by_model_takes_the_labels(trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    _keep(trace, _labels(trace))
    path = trace.path.parent / "bfs.plan"
    options = ["place", str(trace.path), "--by", "model", "--budget", "dram=60MiB", "-o", str(path)]
    # WHEN there is a real slow tier
    assert main([*options, "--tier", "pm=node:1", "--json"]) == 0
    capsys.readouterr()
    plan = Plan.load(path)
    # THEN the costliest that fits is fast, with the model's reason and the model's effect
    fast = [own for own in plan.objects if own.tier == "dram"]
    assert [own.name for own in fast] == ["bfs_1"]
    assert fast[0].reason == "modelled on optane100-x6: costs 5s alone in slow memory, saves 6s alone in fast"
    assert fast[0].predicted_effect_s == 5.0
    assert plan.provenance["machine"] == "optane100-x6"
    # AND an emulated tier is not the machine's: no effect is promised
    assert main([*options, "--tier", "slow=emulated:2.5"]) == 0
    assert all(own.predicted_effect_s is None for own in Plan.load(path).objects)


def test_placing_by_model_asks_whose_model(trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["place", str(trace.path), "--by", "model", "--budget", "dram=60MiB", "-o", str(trace.path.parent / "x.plan")]
    assert main(options) == 1
    assert "it has no labels; run `tierprof predict TRACE` on an exact trace" in capsys.readouterr().err
    _keep(trace, _labels(trace))
    _keep(trace, _labels(trace, "cxl"))
    assert main(options) == 1
    assert "it has labels of optane100-x6, cxl; choose one with --machine" in capsys.readouterr().err
    assert main([*options, "--machine", "ddr9"]) == 1
    assert "it has labels of optane100-x6, cxl only; run `tierprof predict TRACE --machine ddr9` first" in capsys.readouterr().err
    assert main([*options, "--machine", "cxl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by"] == "model"
    assert main(["place", str(trace.path), "--by", "size", "--machine", "cxl", "--budget", "dram=1MiB", "-o", "x"]) == 1
    assert "only --by model places by a machine's labels" in capsys.readouterr().err
