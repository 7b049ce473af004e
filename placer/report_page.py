"""The report as one self-contained HTML file: what report.py gathered, in words, colours and plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

import tierprof
from tierprof.base.units import format_bytes, format_seconds, format_share
from tierprof.models.dataset import program_name
from tierprof.placer import plots
from tierprof.placer.guide.section import guide_section
from tierprof.placer.predict.section import prediction_section
from tierprof.placer.report import Report, ReportRow
from tierprof.placer.report_achieved import achieved_section
from tierprof.placer.report_heat import heat_section
from tierprof.placer.timeline import live_timeline

MOST_OBJECTS = 20
MOST_LAYERS = 7

_REST = 8  # colour class of what is lumped together

#: Class of a sample -> its name in the report and its colour class.
_SHARES = {
    "object": ("objects", 1),
    "stack": ("stack", 7),
    "static": ("static data", 3),
    "compute": ("compute", 5),
    "runtime": ("runtime waiting", 2),
    "unknown": ("unknown", _REST),
}


def render_page(report: Report) -> str:
    """The report as HTML."""
    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(_context(report))


def _context(report: Report) -> dict[str, Any]:
    meta = report.trace.meta
    shown = _worth_showing(report.rows)
    return {
        "program": program_name(meta),
        "command": " ".join(str(word) for word in meta.get("command") or []),
        "facts": _facts(meta),
        "tiles": _tiles(report),
        "shares": _shares(meta.get("shares") or {}),
        "has_shares": meta.get("source") != "exact",
        "elsewhere": None if report.prediction is None else prediction_section(report.prediction),
        "achieved": None if report.achieved is None else achieved_section(report.achieved),
        "guide": None if report.guide is None else guide_section(report.guide),
        "inside": heat_section(report.trace),
        "objects": _rows(report, shown),
        "objects_lead": _objects_lead(report, shown),
        "has_costs": any(row.measured or row.predicted_s is not None for row in shown),
        "has_plan": report.plan is not None,
        "has_reasons": any(row.reason or row.contributions for row in shown),
        **_timeline(report),
        **_scatter(report),
        "notes": _notes(report),
        "footer": f"tierprof {tierprof.__version__} · trace {report.trace.path.name} · one file, no network",
    }


def _worth_showing(rows: list[ReportRow]) -> list[ReportRow]:
    """The first few that anything waited on, and everything that was measured."""
    first = [row for row in rows if row.stall_share or (row.predicted_s or 0) > 0][:MOST_OBJECTS]
    kept = {row.key for row in first} | {row.key for row in rows if row.measured}
    return [row for row in rows if row.key in kept] or rows[:MOST_OBJECTS]


def _facts(meta: dict[str, Any]) -> list[str]:
    machine = meta.get("machine") or {}
    facts = [str(meta.get("started_at", ""))[:16].replace("T", " ")]
    if machine.get("cpu"):
        facts.append(f"{machine['cpu']}, {machine.get('cores')} cores, {format_bytes(machine.get('memory_bytes') or 0)}")
    if meta.get("source") == "exact":
        facts.append("source exact: every load and store")
    else:
        facts.append(f"source {meta.get('source')} at {meta.get('rate_hz'):g} Hz, {meta.get('samples')} samples")
    return [fact for fact in facts if fact]


def _tiles(report: Report) -> list[dict[str, str]]:
    meta = report.trace.meta
    shares = meta.get("shares") or {}
    placed = sum(shares.get(name, 0.0) for name in ("object", "stack", "static"))
    cpu_s = (meta.get("user_s") or 0.0) + (meta.get("system_s") or 0.0)
    peak = {"name": "peak of all objects", "value": format_bytes(report.peak_bytes), "more": f"{len(report.rows)} objects"}
    if meta.get("source") == "exact":
        tiles = [peak, *_modelled_tiles(report)]
    else:
        tiles = [
            {"name": "run time", "value": format_seconds(meta.get("duration_s") or 0.0), "more": f"{format_seconds(cpu_s)} of CPU"},
            peak,
            {"name": "attributed", "value": format_share(placed), "more": "of samples on objects, stack or static data"},
        ]
    if report.loss is not None:
        interval = f"[{format_seconds(report.loss.low)}, {format_seconds(report.loss.high)}] measured on {report.slow_spec}"
        tiles.append({"name": "cost of all slow", "value": format_seconds(report.loss.value), "more": interval})
    if report.plan is not None:
        fast = sum(row.peak_bytes for row in report.rows if row.tier == report.plan.fast)
        of = f"objects for {report.plan.fast}, at their own peaks"
        tiles.append({"name": "for fast memory", "value": format_bytes(fast), "more": of})
        saved = report.predicted_saving
        if saved is not None:
            tiles.append({"name": "predicted saving", "value": format_share(saved), "more": "of the cost of everything slow"})
    return tiles


def _modelled_tiles(report: Report) -> list[dict[str, str]]:
    """Of an exact trace: its clock ran under the engine, so that only modelled times mean anything."""
    if report.prediction is None:
        return []
    own = report.prediction
    slow = f"everything in {own.machine.slow}: {format_seconds(own.all_slow.time.value)}"
    slowdown = f"{own.all_slow.slowdown.value:.2f}x"
    return [
        {"name": "modelled run time", "value": format_seconds(own.all_fast.value), "more": f"everything in DRAM, on {own.machine.name}"},
        {"name": "modelled slowdown", "value": slowdown, "more": slow},
    ]


def _shares(shares: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"name": name, "share": float(shares.get(key) or 0.0), "text": format_share(float(shares.get(key) or 0.0)), "colour": colour}
        for key, (name, colour) in _SHARES.items()
    ]


def _objects_lead(report: Report, shown: Sequence[ReportRow]) -> str:
    order = "Costliest first" if any(row.measured or row.predicted_s for row in shown) else "Longest waited-on first"
    kept = {row.key for row in shown}
    rest = [row for row in report.rows if row.key not in kept]
    held = (
        "cost less"
        if report.trace.meta.get("source") == "exact"
        else f"hold {format_share(sum(row.stall_share for row in rest))} of the run together"
    )
    more = f" {len(rest)} further objects {held}." if rest else ""
    marks = ""
    if any(row.measured for row in shown):
        marks += " Dot and line: measured cost with its 95 % interval."
    if any(row.predicted_s is not None for row in shown):
        marks += " Diamond: predicted cost."
    return f"{order}.{more}{marks}"


def _rows(report: Report, shown: Sequence[ReportRow]) -> list[dict[str, Any]]:
    most_share = max((row.stall_share for row in shown), default=0.0) or 1.0
    ends = [0.0]
    for row in shown:
        ends += [row.measured.low, row.measured.high] if row.measured else []
        ends += [row.predicted_s] if row.predicted_s is not None else []
    strongest = max((abs(part.value) for row in shown for part in row.contributions), default=0.0) or 1.0
    return [
        {
            "name": row.name,
            "where": row.where,
            "size": format_bytes(row.peak_bytes),
            "share": format_share(row.stall_share),
            "share_bar": row.stall_share / most_share,
            "cost_plot": plots.interval_bar(row.measured, row.predicted_s, min(ends), max(ends)) if _has_cost(row) else Markup(""),
            "cost_lines": _cost_lines(row),
            "tier": row.tier,
            "fast": report.plan is not None and row.tier == report.plan.fast,
            "reason": row.reason.partition(":")[0] if row.contributions else row.reason,
            "shap": [{"text": part.text, "value": part.value, "size": abs(part.value) / strongest} for part in row.contributions],
        }
        for row in shown
    ]


def _has_cost(row: ReportRow) -> bool:
    return row.measured is not None or row.predicted_s is not None


def _cost_lines(row: ReportRow) -> list[str]:
    lines = []
    if row.measured is not None:
        value, low, high = (format_seconds(own) for own in row.measured)
        lines.append(f"{value} [{low}, {high}]")
    if row.predicted_s is not None:
        lines.append(f"predicted {format_seconds(row.predicted_s)}")
    return lines


def _timeline(report: Report) -> dict[str, Any]:
    """The plot of live bytes: the largest few objects by name, the rest together, the plan's fast ones below the slow ones."""
    duration_s = float(report.trace.meta.get("duration_s") or 0.0)
    if report.trace.meta.get("source") == "exact":  # its clock ran under the engine, and says nothing of the program's time
        return {"timeline": None}
    live = live_timeline(report.trace.frame("allocations"), duration_s)
    if not len(live.sites):
        return {"timeline": None}
    rows = {row.site: row for row in report.rows}
    own = [rows.get(int(site)) for site in live.sites]
    slow = np.array([report.plan is not None and row is not None and row.tier != report.plan.fast for row in own])
    order = np.argsort(-live.live_bytes.max(axis=1), kind="stable")
    layers: list[tuple[bool, str, plots.Layer]] = []
    for colour, place in enumerate(order[:MOST_LAYERS], start=1):
        row = own[place]
        layer = plots.Layer(f"f{colour}", bool(slow[place]), live.live_bytes[place])
        layers.append((layer.slow, row.name if row else "unknown", layer))
    for hatched in (False, True):
        rest = [place for place in order[MOST_LAYERS:] if slow[place] == hatched]
        if rest:
            layer = plots.Layer(f"f{_REST}", hatched, live.live_bytes[rest].sum(axis=0))
            layers.append((hatched, f"{len(rest)} others", layer))
    layers.sort(key=lambda layer: layer[0])
    lead = "Live bytes of the largest objects."
    if report.plan is not None:
        lead += " The plan keeps the plain ones in fast memory, at the bottom, and the hatched ones in the slow tier."
    return {
        "timeline": plots.timeline(live.time_s, duration_s, [layer for _, _, layer in layers], report.budget_bytes),
        "timeline_lead": lead,
        "legend": [{"name": plots.short(name, 44), "slow": hatched, "colour": layer.css[1:]} for hatched, name, layer in layers],
    }


def _scatter(report: Report) -> dict[str, Any]:
    known = [(row.name, row.measured, row.predicted_s) for row in report.rows]
    both = [plots.Point(name, predicted, *measured) for name, measured, predicted in known if measured and predicted is not None]
    if not both:
        return {"scatter": None}
    hits = sum(point.low <= point.predicted <= point.high for point in both)
    lead = f"What each object costs in the slow tier. {hits} of {len(both)} predictions lie in the measured 95 % interval."
    return {"scatter": plots.scatter(both), "scatter_lead": lead}


def _exact_notes() -> list[str]:
    return [
        "An object is all memory that one allocation site hands out. The trace counts every load and store of the program.",
        "Cost is what the modelled run takes longer with that object alone in the slow tier. Nothing of it was measured on such a machine.",
    ]


def _sampled_notes() -> list[str]:
    return [
        "An object is all memory that one allocation site hands out. Its share is the part of the run's sampled time spent waiting on it:"
        " a stall share, not a miss count.",
        "Cost is extra CPU time of the run with that object alone in the slow tier. Intervals are percentile bootstrap intervals of the"
        " difference of medians; with few repeats they are at most as wide as the data.",
    ]


def _notes(report: Report) -> list[str]:
    notes = _exact_notes() if report.trace.meta.get("source") == "exact" else _sampled_notes()
    if report.slow_spec and report.slow_spec.startswith("emulated"):
        notes.append(
            f"The slow tier is emulated ({report.slow_spec}): delay is injected where samples fall. It follows the sampler's own idea of"
            " who waits; it proves budgets, placement and their effect on the clock, and is no hardware's truth."
        )
    if report.trace.meta.get("source") == "clock":
        notes.append("Samples come from the CPU clock; data addresses are recovered from the instruction before the sampled one.")
    if report.model_facts:
        notes.append(report.model_facts)
    if report.no_prediction:
        notes.append(f"There is no prediction on other memory: {report.no_prediction}.")
    notes += [str(note.get("text", note)) if isinstance(note, dict) else str(note) for note in report.trace.meta.get("notes") or []]
    if not report.trace.meta.get("complete", True):
        notes.append("The trace is incomplete: its run did not end in order.")
    return notes
