"""`tierprof predict`, and the report of an exact trace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.cli import main
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import parse_tier
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

ExactTrace = Callable[..., Trace]
MakeTrace = Callable[..., Trace]
MIB = 2**20
PEAK = 704 * MIB


@pytest.fixture
def predicted(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`predicted(trace, *options)`: what --json prints."""

    def run(trace: Trace, *options: str) -> dict[str, Any]:
        assert main(["predict", str(trace.path), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


Predicted = Callable[..., dict[str, Any]]


def test_an_exact_trace_is_timed_on_its_own_machine(exact_trace: ExactTrace, predicted: Predicted) -> None:
    trace = exact_trace()
    facts = predicted(trace)
    timing = Timing(ExactProfile.from_trace(trace), Machine.load("optane100-x6"))
    assert (facts["machine"], facts["exact"], facts["peak_bytes"]) == ("optane100-x6", True, PEAK)
    assert timing.objects.tolist() == [-1, 0, 1, 2]
    # THEN whole runs are what the timing model says
    for name, share in (("all_fast", [0, 0, 0, 0]), ("all_slow", [1, 1, 1, 1]), ("objects_slow", [0, 1, 1, 1])):
        assert facts[name]["run_s"] == pytest.approx(float(timing.run(np.array(share, dtype=float)).seconds))
        assert facts[name]["low_s"] == facts[name]["run_s"] == facts[name]["high_s"]
    # AND Memory Mode is among them
    assert [own["dram_bytes"] for own in facts["memory_mode"]] == [PEAK // 4, PEAK // 2]


def test_the_best_plan_never_rises_and_no_order_beats_it(exact_trace: ExactTrace, predicted: Predicted) -> None:
    curve = predicted(exact_trace(), "--budgets", "12")["curve"]
    lines = {name: np.array(line["run_s"]) for name, line in curve["lines"].items()}
    assert list(lines) == ["best plan", "LLC misses", "first touch"]
    assert curve["budget_bytes"][0] == 0
    assert curve["budget_bytes"][-1] == PEAK
    assert (np.diff(lines["best plan"]) <= 0).all()
    for line in lines.values():
        assert (lines["best plan"] <= line).all()
    # THEN with 64 of 704 MiB the small array that is read at random is in DRAM, and most of the loss is gone
    assert curve["best_in_dram"][2] == [f"{1:032x}"]
    # AND first touch gives them to what was born first
    assert lines["first touch"][2] > 1.2 * lines["best plan"][2]


def test_labels_are_kept_and_say_what_the_model_says(exact_trace: ExactTrace, predicted: Predicted) -> None:
    trace = exact_trace()
    facts = predicted(trace)
    labels = trace.frame("labels").set_index("object")
    timing = Timing(ExactProfile.from_trace(trace), Machine.load("optane100-x6"))
    for place, site in enumerate([-1, 0, 1, 2]):
        alone = np.zeros(4)
        alone[place] = 1.0
        assert labels.loc[site, "alone_slow_s"] == pytest.approx(float(timing.run(alone).seconds))
        assert labels.loc[site, "alone_fast_s"] == pytest.approx(float(timing.run(1 - alone).seconds))
    assert [own["object"] for own in facts["labels"]][:2] == [0, 1]
    assert set(trace.frame("criticality")["source"]) == {"model optane100-x6"}
    # AND on another machine they are kept beside them
    predicted(trace, "--machine", "cxl")
    assert set(trace.frame("labels")["machine"]) == {"optane100-x6", "cxl"}


def test_labels_can_go_to_another_trace_or_nowhere(exact_trace: ExactTrace, make_trace: MakeTrace, predicted: Predicted) -> None:
    trace = exact_trace()
    sampled = make_trace("sampled", [{"peak_bytes": MIB, "stall_s": 1.0}, {"peak_bytes": MIB, "stall_s": 1.0}])
    predicted(trace, "--no-labels", "--label", str(sampled.path))
    assert not trace.has("labels")
    assert sampled.frame("labels")["object"].tolist()[:2] == [0, 1]


def test_a_plan_is_timed(exact_trace: ExactTrace, predicted: Predicted) -> None:
    trace = exact_trace()
    predicted(trace)
    path = trace.path.parent / "graph.plan"
    assert main(["place", str(trace.path), "--budget", "dram=64MiB", "--tier", "slow=node:1", "-o", str(path), "--json"]) == 0
    assert [own.name for own in Plan.load(path).objects if own.tier == "dram"] == ["graph_0"]


def test_a_plans_time_is_that_of_its_objects(exact_trace: ExactTrace, predicted: Predicted, tmp_path: Path) -> None:
    trace = exact_trace()
    plan = tmp_path / "own.plan"
    Plan((parse_tier("dram"), parse_tier("cxl=node:1")), "cxl", (PlannedObject(f"{1:032x}", "dram"),)).save(plan)
    facts = predicted(trace, "--plan", str(plan))["plan"]
    timing = Timing(ExactProfile.from_trace(trace), Machine.load("optane100-x6"))
    assert facts["run_s"] == pytest.approx(float(timing.run(np.array([0.0, 0.0, 1.0, 1.0])).seconds))
    assert facts["dram_bytes"] == 64 * MIB


def test_measured_intervals_carry_their_error(exact_trace: ExactTrace, predicted: Predicted) -> None:
    facts = predicted(exact_trace("sampled", weight=10.0, interval="1M:10M"))
    slow = facts["all_slow"]
    assert slow["low_s"] < slow["run_s"] < slow["high_s"]
    # THEN the slowdown is surer than the time: what both runs share is not in it
    assert slow["slowdown"] == pytest.approx(slow["run_s"] / facts["all_fast"]["run_s"])
    width = (slow["slowdown_high"] - slow["slowdown_low"]) / slow["slowdown"]
    assert 0 < width < (slow["high_s"] - slow["low_s"]) / slow["run_s"]
    # AND with everything in DRAM there is no doubt at all
    best = facts["curve"]["lines"]["best plan"]
    assert best["slowdown_high"][-1] - best["slowdown_low"][-1] == pytest.approx(0.0, abs=1e-9)
    assert any("Only intervals of the run were measured" in note for note in facts["notes"])


def test_another_machines_caches_are_named(exact_trace: ExactTrace, predicted: Predicted) -> None:
    notes = predicted(exact_trace(), "--machine", "cxl")["notes"]
    assert any("traced behind the caches and core of optane100-x6; cxl has other ones (l3_bytes)" in note for note in notes)


def test_a_tier_of_pages_has_a_cache_beside_the_budget(exact_trace: ExactTrace, predicted: Predicted) -> None:
    facts = predicted(exact_trace(), "--machine", "nvme-nand", "--budgets", "3")
    assert facts["page_cache_bytes"] == PEAK // 10
    timing = Timing(ExactProfile.from_trace(exact_trace("again")), Machine.load("nvme-nand"), page_cache_bytes=PEAK // 10)
    assert facts["all_slow"]["run_s"] == pytest.approx(float(timing.run(np.ones(4)).seconds))
    # AND that DRAM is not saved: 4.3 USD a GB, less NAND for 0.12
    low = facts["curve"]["saves"]["price"]["low"][0]
    assert low == pytest.approx((PEAK - PEAK // 10) / 1e9 * 4.3 - PEAK / 1e9 * 0.12)


def test_a_sampled_trace_is_predicted_widely_and_says_so(make_trace: MakeTrace, predicted: Predicted) -> None:
    objects = [{"peak_bytes": 40 * MIB, "stall_s": 4.0}, {"peak_bytes": 60 * MIB, "stall_s": 1.0}]
    facts = predicted(make_trace("bfs", objects, allocations=[(0, 40 * MIB, 0, None), (1, 60 * MIB, 1, None)]))
    assert (facts["exact"], facts["machine"], facts["labels"], facts["memory_mode"]) == (False, "optane100-x6", [], [])
    assert facts["all_fast"]["run_s"] == 10.0
    slow = facts["all_slow"]
    assert slow["low_s"] < slow["run_s"] < slow["high_s"]
    assert list(facts["curve"]["lines"]) == ["best plan", "first touch"]
    assert any("Bandwidth is unknown" in note for note in facts["notes"])


def test_the_terminal_shows_runs_curve_labels_and_conclusions(exact_trace: ExactTrace, capsys: pytest.CaptureFixture[str]) -> None:
    trace = exact_trace()
    picture = trace.path.parent / "curve.svg"
    assert main(["predict", str(trace.path), "-o", str(picture), "--price", "slow=2", "--carbon", "slow=0.1:0.2"]) == 0
    out = capsys.readouterr()
    assert "graph on optane100-x6: DRAM is ddr4-2666-x6, the slow tier optane100-x6; timing model, exact trace" in out.out
    assert "keeps the slowdown below 5% on optane100-x6" in out.out
    assert "knee (Kneedle): DRAM for 64.0MiB, 9% of the peak" in out.out
    assert "criticality by model: 4 of 4 objects" in out.out
    assert "each TiB of ddr4-2666-x6 that optane100-x6 replaces saves 2,529 to 11,545 USD" in out.out
    assert "labelled 3 objects of" in out.out
    assert picture.read_text().startswith("<?xml")
    assert "2 USD (given by the user)" in out.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--machine", "cxk"], "machine cxk: it is not known; take cxl"),
        (["--machine", "dram-ddr4"], "machine dram-ddr4: it has only ddr4-2666-x6, and a prediction needs two tiers; take one of"),
        (["--price", "slow"], "--price slow: it names no tier"),
        (["--watts", "slow=-3"], "--watts slow=-3: -3 is negative"),
        (["--budgets", "1"], "--budgets 1: a curve has 2 to 1000 points"),
        (["-o", "curve.pdf"], "picture curve.pdf cannot be written: it ends in '.pdf'; give -o a name that ends in .png or .svg"),
        (["--plan", "none.plan"], "plan none.plan: no such file or directory"),
        (["--label", "none.trace"], "trace none.trace cannot be opened"),
    ],
)
def test_bad_input_is_one_line_and_status_1(
    exact_trace: ExactTrace, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = exact_trace()
    assert main(["predict", str(trace.path), *options]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not trace.has("labels")


def test_traces_that_tell_nothing_are_one_line(make_trace: MakeTrace, capsys: pytest.CaptureFixture[str]) -> None:
    silent = make_trace("silent", [{"peak_bytes": MIB, "stall_s": 0.0}], samples=0, source="none", shares={})
    assert main(["predict", str(silent.path)]) == 1
    assert "it has neither exact counts nor samples of time (source none)" in capsys.readouterr().err
    small = make_trace("small", [{"peak_bytes": 100, "stall_s": 1.0}])
    assert main(["predict", str(small.path)]) == 1
    assert "has nothing to move: it has no object of a page or more" in capsys.readouterr().err
    sampled = make_trace("sampled", [{"peak_bytes": MIB, "stall_s": 1.0}])
    assert main(["predict", str(sampled.path), "--machine", "nvme-nand"]) == 1
    assert "samples do not tell how pages are used again; record the program with" in capsys.readouterr().err
    assert main(["predict", str(sampled.path), "--label", str(silent.path)]) == 1
    assert "--label: a sampled trace gives no labels" in capsys.readouterr().err


def test_the_report_has_a_section_on_other_memory(exact_trace: ExactTrace, capsys: pytest.CaptureFixture[str]) -> None:
    trace = exact_trace()
    page = trace.path.parent / "report.html"
    assert main(["report", str(trace.path), "-o", str(page)]) == 0
    text = page.read_text()
    assert "<h2>On other memory</h2>" in text
    assert "Nothing here was measured on such a machine" in text.replace("\n", " ")
    assert 'class="steps l1"' in text
    # AND nothing of the engine's own time is shown as the program's
    assert "Where the time goes" not in text
    assert "Memory over the run" not in text
    assert "of the run together" not in text
    assert "keeps the slowdown below 5%" in capsys.readouterr().out


def test_a_report_says_why_it_has_no_prediction(exact_trace: ExactTrace, make_trace: MakeTrace, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a trace of a machine whose file is not here
    assert main(["report", str(exact_trace(machine="mine").path)]) == 0
    assert "no prediction on other memory: machine mine: it is not known" in capsys.readouterr().err
    # AND a sampled trace has none to give
    sampled = make_trace("sampled", [{"peak_bytes": MIB, "stall_s": 1.0}])
    assert main(["report", str(sampled.path), "--machine", "cxl"]) == 1
    assert "has neither exact counts nor tensors" in capsys.readouterr().err


def test_labels_by_model_are_no_measurement_in_a_report(exact_trace: ExactTrace, predicted: Predicted) -> None:
    trace = exact_trace()
    predicted(trace)
    page = trace.path.parent / "report.html"
    assert main(["report", str(trace.path), "-o", str(page)]) == 0
    assert "measured on" not in page.read_text().replace("measured on such", "")
