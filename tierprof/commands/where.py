"""Tell where each object really is, beside where the plan wanted it: of a running program by its process number, or of a finished run.

Give the number of a process that `tierprof run --plan` started, and the kernel is asked now; or a trace of a run under a plan, in which
the kernel was asked when each allocation ended and when the program did. Bytes found are shares of what was asked about, of the peak.
"""

import argparse
from pathlib import Path

import pandas as pd

from tierprof.base.errors import TraceError
from tierprof.base.units import format_bytes
from tierprof.console import emit_json, say, table
from tierprof.placer.plan import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("what", metavar="PID|TRACE", help="a running process, or the trace of a run under a plan")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="objects to show; those that differ always are (default 20)")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Ask, compare, print."""
    if args.what.isdecimal() and not Path(args.what).exists():
        from tierprof.placer.live import find_running, where_now

        plan, found = where_now(find_running(int(args.what)))
        title = f"process {args.what}, now"
    else:
        plan, found = _of_trace(Path(args.what))
        title = f"trace {args.what}"
    if args.json:
        emit_json({"what": args.what, "objects": found.astype(object).where(found.notna(), None).to_dict("records")})
    else:
        _print(title, plan, found, args.top)
    return 0


def _of_trace(path: Path) -> tuple[Plan, pd.DataFrame]:
    from tierprof.placer.achieved import objects_achieved, plan_of
    from tierprof.placer.unnamed import with_unnamed
    from tierprof.profiler.trace import Trace

    trace = Trace.open(path)
    plan = plan_of(trace)
    if plan is None:
        raise TraceError(f"trace {path}", "its run was under no plan", "record one with `tierprof run --plan PLAN -- COMMAND`")
    plan = with_unnamed(plan, trace.objects())
    return plan, objects_achieved(trace, plan)


def _print(title: str, plan: Plan, found: pd.DataFrame, top: int) -> None:
    rows = found.sort_values(["as_planned", "planned_bytes", "peak_bytes"], ascending=[True, False, False], kind="stable")
    differing = int((~rows["as_planned"]).sum())
    shown = rows.head(max(top, differing))
    more = f" ({len(rows) - len(shown)} more)" if len(rows) > len(shown) else ""
    table(
        f"{title}{more}",
        ["object", "planned", "in", "planned peak", "bytes there", "found", "", "why"],
        map(_cells, shown.to_dict("records")),
    )
    from tierprof.placer.summary import difference_lines

    emulated = [tier.name for tier in plan.tiers if tier.kind == "emulated"]
    if emulated:
        say(f"tier {emulated[0]} is emulated: its bytes are in DRAM, and delay is injected where they are waited for")
    say(", ".join(difference_lines(found)) or ("every object is where it was planned" if len(found) else "no object was met"))


def _cells(row: dict) -> list[object]:
    sizes = format_bytes(row["planned_bytes"]) if row["planned_bytes"] else "", format_bytes(row["peak_bytes"])
    differs = "" if row["as_planned"] else "differs"
    return [row["name"] or row["site"], row["planned"], row["tier"] or "-", *sizes, row["found"], differs, row["reason"]]
