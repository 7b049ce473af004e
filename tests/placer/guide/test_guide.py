"""The figures of the guide against a trace made by hand, and how they are said."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tierprof.cli import main
from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.facts import guide_facts
from tierprof.placer.guide.guide import Guide, build_guide
from tierprof.placer.guide.section import MOST_TENSORS, guide_section, shown_rows
from tierprof.placer.guide.words import ACCESS, KEEP, WRITERS, blocks_a_row, lines
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import PlannedPart
from tierprof.placer.report import build_report
from tierprof.placer.report_page import render_page
from tierprof.placer.tiers import parse_tier
from tierprof.profiler.trace import Trace

from .made import MIB, OBJECTS, SEEN

MakeGnn = Callable[..., Trace]


def _guide(trace: Trace, **options: object) -> Guide:
    found = build_guide(trace, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def _texts(guide: Guide, topic: str) -> list[str]:
    return [line.text for line in lines(guide) if line.topic == topic]


def _plan(trace: Trace) -> Plan:
    keys = trace.objects()["key"]
    tiers = (replace(parse_tier("dram=dram"), capacity_bytes=300 * MIB), parse_tier("slow=emulated:2.5"))
    return Plan(tiers, "slow", (PlannedObject(str(keys[1]), "dram", reason="the hottest"), PlannedObject(str(keys[0]), "slow")))


def test_tensors_come_by_stall_per_byte_with_their_figures(gnn: MakeGnn) -> None:
    # GIVEN the trace: 2 s on 64 MiB, 3 s on 256 MiB and so on, of 10 s
    guide = _guide(gnn())
    names = [row.name for row in guide.rows]
    assert names[:3] == ["model.item.weight", "model.user.weight", "model.user.weight.grad"]
    item = guide.rows[0]
    assert (item.rank, item.stall_share, item.peak_bytes) == (1, pytest.approx(0.2), 64 * MIB)
    assert item.share_per_gib == pytest.approx(0.2 * 16)
    assert item.why.startswith("320.0% of the run per GiB, 1 of 6")


def test_costs_are_the_sampled_forecasts(gnn: MakeGnn) -> None:
    # THEN the cost is the stall times the latencies' ratio less one, between near and far by the object's regularity of 0.5
    row = next(row for row in _guide(gnn()).rows if row.name == "model.user.weight")
    extra = 0.5 * (174.0 / 81.4 - 1) + 0.5 * (378.0 / 101.5 - 1)
    assert row.cost is not None
    assert row.cost.value == pytest.approx(3.0 * extra)
    assert row.cost.low < row.cost.value < row.cost.high


def test_without_a_plan_tiers_are_those_of_the_knee(gnn: MakeGnn) -> None:
    guide = _guide(gnn())
    assert guide.prediction is not None
    place = guide.prediction.curve.knee
    assert place is not None
    kept = dict(zip(guide.prediction.movable.keys, guide.prediction.curve.best.fast_share[place], strict=True))
    assert {row.key: row.fast for row in guide.rows} == {row.key: bool(kept[row.key] >= 0.5) for row in guide.rows}
    assert guide.rows[0].fast and not all(row.fast for row in guide.rows)
    assert guide.keeping.rests_on == "knee"
    slowdown = float(guide.prediction.curve.best.slowdown[place])
    assert f"{slowdown:.2f}x as long" in _texts(guide, KEEP)[0]


def test_a_plans_tiers_and_reasons_are_told(gnn: MakeGnn) -> None:
    trace = gnn()
    guide = _guide(trace, plan=_plan(trace))
    rows = {row.name: row for row in guide.rows}
    assert (rows["model.item.weight"].tier, rows["model.item.weight"].fast) == ("dram", True)
    assert rows["model.item.weight"].why.endswith("; the hottest")
    assert (rows["model.user.weight"].tier, rows["model.user.weight"].fast) == ("slow", False)
    assert rows["gnn.py:9 in forward"].why.endswith("not named in the plan: its default")
    texts = _texts(guide, KEEP)
    assert texts[0] == "Tiers are the plan's, which gives dram a budget of 300.0MiB."
    assert texts[1] == "Keep in DRAM: model.item.weight. Together 64.0MiB at their own peaks; 20.0% of the run waits for them."
    assert texts[3].startswith("Under the plan the run is predicted to take")


def test_a_split_object_is_in_both_tiers(gnn: MakeGnn) -> None:
    # GIVEN a plan that keeps the first MiB of the user table in DRAM
    trace = gnn()
    plan = _plan(trace)
    split = replace(plan.objects[1], parts=(PlannedPart(0, MIB, "dram"),))
    guide = _guide(trace, plan=replace(plan, objects=(plan.objects[0], split)))
    rows = {row.name: row for row in guide.rows}
    assert (rows["model.user.weight"].tier, rows["model.user.weight"].fast) == ("dram and slow", None)
    text = "Split by address range: model.user.weight. Together 256.0MiB; 30.0% of the run waits for them."
    assert text in _texts(guide, KEEP)
    assert all("model.user.weight," not in other for other in _texts(guide, KEEP) if other != text)


def test_without_a_prediction_the_tiers_are_unknown_and_the_line_says_why(gnn: MakeGnn) -> None:
    # GIVEN a machine whose slow tier is reached by page faults, which samples tell nothing of
    guide = _guide(gnn(), machine=Machine.load("nvme-nand"))
    assert {row.tier for row in guide.rows} == {"unknown"}
    assert all(row.cost is None for row in guide.rows)
    assert "page faults" in _texts(guide, KEEP)[0]
    assert guide_facts(guide)["no_prediction"]


@pytest.mark.parametrize(
    ("row", "align", "block", "blocks"),
    [
        (256, 4096, 256, 1.0),
        (128, 4096, 256, 1.0),
        (256, 64, 256, 1.75),
        (100, 4096, 256, 1.375),
        (512, 256, 64, 8.0),
        (384, 4096, 256, 2.0),
    ],
)
def test_blocks_that_a_row_touches(row: int, align: int, block: int, blocks: float) -> None:
    # Counted over all places that a row can have.
    starts = range(0, block * row, row) if align >= block else range(0, block * row, align)
    counted = [(start % block + row - 1) // block + 1 for start in starts]
    assert blocks_a_row(row, align, block) == pytest.approx(blocks) == pytest.approx(sum(counted) / len(counted))


def test_rows_that_are_gathered_are_held_against_the_tiers_blocks(gnn: MakeGnn) -> None:
    text = _texts(_guide(gnn()), ACCESS)[0]
    assert text.startswith("model.user.weight: rows of 256 B, gather: one row moves 1 block of 256 B of optane100-x6, of which 100%")
    assert "FAST20: unit of the media" in text


def test_writers_are_counted_and_held_against_the_tier(gnn: MakeGnn) -> None:
    texts = _texts(_guide(gnn()), WRITERS)
    assert texts[0].startswith("optane100-x6: plain stores reach")
    assert "FAST20" in texts[0]
    assert texts[1] == "model.user.weight.grad is written by 2 threads, 100.0% of its accesses."


def test_no_written_tensor_is_said(gnn: MakeGnn) -> None:
    assert _texts(_guide(gnn(seen=SEEN[:2])), WRITERS)[1].startswith("No write to a tensor was seen")


def test_the_table_shows_the_longest_waited_on_and_the_largest(gnn: MakeGnn, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = _guide(gnn())
    assert len(shown_rows(guide)) == 6 <= MOST_TENSORS
    monkeypatch.setattr("tierprof.placer.guide.section.MOST_TENSORS", 5)
    shown = [row.name for row in shown_rows(guide)]
    # Two named ones, then the largest, and in order of stall per byte.
    assert shown == ["model.item.weight", "model.user.weight", "model.user.weight.grad", "gnn.py:9 in forward", "model.user.weight.exp_avg"]
    assert "1 more tensors" in guide_section(guide)["lead"]


def test_the_page_holds_the_section_and_no_network(gnn: MakeGnn) -> None:
    page = render_page(build_report(gnn()))
    assert "What to do with the tensors" in page
    for name, *_ in OBJECTS[:4]:
        assert f">{name}<" in page
    assert page.count('<span class="pill fast">DRAM</span>') >= 1
    assert "<h3>Batch size and layers</h3>" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_report_without_tensors_has_no_section(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace("plain", [{"peak_bytes": 4096, "stall_s": 1.0}])
    assert "What to do with the tensors" not in render_page(build_report(trace))


def test_the_verb_prints_the_guide_and_its_json(gnn: MakeGnn, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = gnn()
    assert main(["report", str(trace.path), "-o", str(tmp_path / "r.html")]) == 0
    told = capsys.readouterr().out
    assert "What to keep in DRAM:" in told and "model.item.weight" in told
    assert main(["report", str(trace.path), "--json", "--machine", "cxl"]) == 0
    facts = json.loads(capsys.readouterr().out)["guide"]
    assert facts["machine"] == "cxl"
    assert facts["tensors"][0]["stall_share"] == 0.2
    assert facts["tensors"][0]["access"] == "gather"
    assert {line["topic"] for line in facts["lines"]} == {"keep", "access", "writers", "memory_mode", "footprint"}


def test_other_runs_need_tensors(make_trace: Callable[..., Trace], gnn: MakeGnn, capsys: pytest.CaptureFixture[str]) -> None:
    trace = make_trace("plain", [{"peak_bytes": 4096, "stall_s": 1.0}])
    assert main(["report", str(trace.path), "--against", str(gnn().path)]) == 1
    assert "has no tensors" in capsys.readouterr().err
