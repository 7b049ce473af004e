"""Report on a trace: the table of objects with their costs, tiers and reasons, and the same as one self-contained HTML file."""

import argparse
from itertools import groupby
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_seconds, format_share
from tierprof.console import emit_json, note, say, table
from tierprof.models.ranker import CriticalityRanker
from tierprof.placer.emulated import emulated_line
from tierprof.placer.guide.facts import guide_facts
from tierprof.placer.guide.guide import Guide
from tierprof.placer.guide.section import HEADINGS, cells, hidden_line, shown_rows
from tierprof.placer.guide.section import HEADS as GUIDE_HEADS
from tierprof.placer.guide.words import lines, rule
from tierprof.placer.plan import Plan
from tierprof.placer.predict.facts import prediction_facts
from tierprof.placer.predict.words import conclusions
from tierprof.placer.report import Report, ReportRow, build_report
from tierprof.placer.report_page import render_page
from tierprof.profiler.trace import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the trace")
    parser.add_argument("--plan", type=Path, metavar="PLAN", help="show where this plan puts each object, and why")
    parser.add_argument("--model", type=Path, metavar="MODEL", help="show which features each prediction comes from")
    parser.add_argument(
        "--machine", metavar="NAME|FILE", help="of an exact trace, or one with tensors: predict on this machine (default the trace's own)"
    )
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="TRACE",
        help="other runs of a program with tensors: with other batch sizes or layers, to see what its memory grows with; an exact one, to"
        " see whether it names the same objects",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the report as HTML, one file without any network")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show in the table (default 20)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Print the report, and write the HTML where it is wanted."""
    plan = Plan.load(args.plan) if args.plan else None
    model = CriticalityRanker.load(args.model) if args.model else None
    against = [Trace.open(path) for path in args.against]
    report = build_report(Trace.open(args.trace), plan, model, args.machine, against)
    if against and report.guide is None:
        raise TierprofError("--against", f"trace {args.trace} has no tensors that other runs could tell more of", "leave it out")
    if args.output:
        _write(args.output, render_page(report))
    if args.json:
        emit_json(_facts(report))
    else:
        _print(report, args.top)
        if args.output:
            say(f"wrote {args.output}")
    return 0


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise TierprofError(
            f"report {path} cannot be written", (error.strerror or str(error)).lower(), "choose another file with -o"
        ) from error


def _facts(report: Report) -> dict[str, object]:
    objects = [
        {
            "site": row.key,
            "name": row.name,
            "peak_bytes": row.peak_bytes,
            "stall_share": row.stall_share,
            "criticality_s": row.measured.value if row.measured else None,
            "criticality_low_s": row.measured.low if row.measured else None,
            "criticality_high_s": row.measured.high if row.measured else None,
            "predicted_s": row.predicted_s,
            "tier": row.tier,
            "reason": row.reason,
            "contributions": [part._asdict() for part in row.contributions],
        }
        for row in report.rows
    ]
    meta = report.trace.meta
    run = {name: meta.get(name) for name in ("source", "samples", "duration_s", "shares")}
    loss = report.loss._asdict() if report.loss else None
    return {
        "trace": str(report.trace.path),
        **run,
        "slow": report.slow_spec,
        "all_slow_loss_s": loss,
        "objects": objects,
        **_prediction_facts(report),
        **_achieved_facts(report),
        **({} if report.guide is None else {"guide": guide_facts(report.guide)}),
    }


def _prediction_facts(report: Report) -> dict[str, object]:
    return {} if report.prediction is None else {"prediction": prediction_facts(report.prediction)}


def _achieved_facts(report: Report) -> dict[str, object]:
    if report.achieved is None:
        return {}
    tables = {"tiers": report.achieved.tiers, "objects": report.achieved.objects}
    return {"achieved": {name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()}}


def _print(report: Report, top: int) -> None:
    heads = ["object", "peak"]
    heads += ["share"] if report.prediction is None else []
    heads += ["measured cost [95 %]"] if any(row.measured for row in report.rows) else []
    heads += ["predicted"] if any(row.predicted_s is not None for row in report.rows) else []
    heads += ["tier"] if report.plan is not None else []
    heads += ["why"] if any(row.reason for row in report.rows) else []
    rows = [[_cells(row)[head] for head in heads] for row in report.rows[:top]]
    more = f" ({len(report.rows) - top} more not shown)" if len(report.rows) > top else ""
    table(f"objects of {report.trace.path.name}{more}", heads, rows)
    if report.loss is not None:
        value, low, high = (format_seconds(own) for own in report.loss)
        say(f"everything in {report.slow_spec} costs {value} [{low}, {high}] of CPU time")
        emulated = emulated_line(report.slow_spec)
        if emulated:
            say(emulated)
    if report.prediction is not None:
        for line in conclusions(report.prediction):
            say(line)
    elif report.no_prediction:
        note(f"no prediction on other memory: {report.no_prediction}")
    if report.predicted_saving is not None:
        say(f"the plan is predicted to save {format_share(report.predicted_saving)} of it")
    if report.guide is not None:
        _print_guide(report.guide)


def _print_guide(guide: Guide) -> None:
    """What to do with the tensors: the table, then the sentences by topic."""
    shown = shown_rows(guide)
    table(f"tensors of {guide.trace.path.name}, by stall per byte; predictions for {guide.machine.name}", GUIDE_HEADS, map(cells, shown))
    rest = hidden_line(guide, shown)
    if rest:
        say(rest)
    for topic, own in groupby(lines(guide), key=lambda line: line.topic):
        say(f"{HEADINGS[topic]}:")
        for line in own:
            say(f"  {line.text}")
    note(f"note: {rule(guide)}")


def _cells(row: ReportRow) -> dict[str, str]:
    measured = "" if row.measured is None else "{} [{}, {}]".format(*(format_seconds(own) for own in row.measured))
    return {
        "object": row.name,
        "peak": format_bytes(row.peak_bytes),
        "share": format_share(row.stall_share),
        "measured cost [95 %]": measured,
        "predicted": "" if row.predicted_s is None else format_seconds(row.predicted_s),
        "tier": row.tier or "",
        "why": row.reason,
    }
