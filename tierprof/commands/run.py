"""Run a program and make a trace: what it allocates and what it waits for.

The program gets the terminal, its output and its signals as without tierprof, and `tierprof run` ends with the program's own exit status
(128 + N if signal N ended it). With --plan its objects are placed on the tiers that the plan says; with --tier alone, all of them go there.
"""

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_share, parse_size_bytes
from tierprof.profiler import launch, session, sources
from tierprof.profiler.command import check_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.usage = "tierprof run [options] [--] COMMAND ..."
    add, rate, cap = parser.add_argument, sources.DEFAULT_RATE_HZ, sources.MAX_RATE_HZ
    add("-o", "--output", type=Path, metavar="TRACE", help="the trace to make (default: PROGRAM.trace); never overwritten")
    add("--source", choices=sources.SOURCES, default="auto", help="what to sample with (default auto: the best that the machine has)")
    add("--rate", type=float, default=rate, metavar="HZ", help=f"samples a second of a thread (default {rate:g}, at most {cap:g})")
    add("--force", action="store_true", help="permit a rate that slows the program visibly")
    add("--plan", type=Path, metavar="PLAN", help="place the program's objects as this plan says")
    add("--tier", action="append", default=[], metavar="NAME=SPEC", help="a tier beside or instead of the plan's: slow=emulated:2.5")
    _add_size(parser, "--threshold", launch.DEFAULT_THRESHOLD_BYTES, "track allocations of this size on one by one")
    _add_size(parser, "--small-period", launch.DEFAULT_SMALL_PERIOD_BYTES, "mean bytes between sampled smaller ones, 0 for none")
    _add_size(parser, "--max-trace", launch.DEFAULT_MAX_TRACE_BYTES, "stop recording at this size")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the program and its arguments")


def _add_size(parser: argparse.ArgumentParser, name: str, default: int, what: str) -> None:
    shown = f"{what} (default {format_bytes(default)})"
    parser.add_argument(name, type=parse_size_bytes, default=default, metavar="SIZE", help=shown)


def _say(line: str) -> None:
    print(f"tierprof: {line}", file=sys.stderr, flush=True)


def _converting() -> AbstractContextManager[object]:
    """A word on the terminal while the trace is made; nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from tierprof.console import stderr

    return stderr().status("making the trace")


def _ignore(_line: str) -> None:
    """What --quiet does with a note."""


def _placement(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What the run's options say of placement; nothing without a plan or tier."""
    if args.plan is None and not args.tier:
        return {}
    from tierprof.placer.binary import tier_order
    from tierprof.placer.enforce import enforcement_env, plan_for_run, recipes_of

    plan = plan_for_run(args.plan, args.tier)
    tiers = tuple(tier.name for tier in tier_order(plan))
    return {"env": enforcement_env(plan, folder, recipes_of(plan)), "plan": str(args.plan) if args.plan else None, "tiers": tiers}


def _summary(result: session.RunResult) -> str:
    """One line: samples, attributed share, where the trace is."""
    from tierprof.profiler.trace import Trace

    trace = Trace.open(result.trace) if result.trace else None
    if trace is None:
        return result.failure or ""
    shares = trace.meta.get("shares", {})
    attributed = sum(shares.get(part, 0.0) for part in ("object", "stack", "static"))
    samples = trace.meta.get("samples", 0)
    found = f"{samples} samples, {format_share(attributed)} attributed" if samples else "no samples"
    return f"{found}, {len(trace.objects())} objects; trace {trace.path}"


def execute(args: argparse.Namespace) -> int:
    """Run the program, make the trace and say in one line what is in it."""
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    check_command(words)  # before placement, which may take its time to calibrate
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
        options = launch.LaunchOptions(
            source=args.source,
            rate_hz=args.rate,
            threshold_bytes=args.threshold,
            small_period_bytes=args.small_period,
            max_trace_bytes=args.max_trace,
            force=args.force,
            **_placement(args, Path(folder)),
        )
        on_note, converting = (_ignore, nullcontext) if args.quiet else (_say, _converting)
        result = session.run(words, args.output, options, on_note=on_note, while_converting=converting)
    if result.failure:
        _say(result.failure)
    elif not args.quiet:
        try:
            _say(_summary(result))
        except TierprofError as error:
            _say(str(error))
    return result.exit_status
