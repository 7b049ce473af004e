"""Run a program and make a trace: what it allocates and what it waits for.

The program gets the terminal, its output and its signals as without tierprof, and `tierprof run` ends with the program's own exit status
(128 + N if signal N ended it). With --plan its objects are placed on the tiers that the plan says; with --tier alone, all of them go there.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_share, parse_size_bytes
from tierprof.profiler import launch, session, sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.usage = "tierprof run [options] [--] COMMAND ..."
    parser.add_argument("-o", "--output", type=Path, metavar="TRACE", help="the trace to make (default: PROGRAM.trace); never overwritten")
    parser.add_argument("--source", choices=sources.SOURCES, default="auto", help="what to sample with (default auto: what the machine has)")
    rate_help = f"samples a second of a computing thread (default {sources.DEFAULT_RATE_HZ:g}, at most {sources.MAX_RATE_HZ:g} without --force)"
    parser.add_argument("--rate", type=float, default=sources.DEFAULT_RATE_HZ, metavar="HZ", help=rate_help)
    parser.add_argument("--force", action="store_true", help="permit a rate that slows the program visibly")
    parser.add_argument("--plan", type=Path, metavar="PLAN", help="place the program's objects as this plan says")
    parser.add_argument("--tier", action="append", default=[], metavar="NAME=SPEC", help="a tier, beside or instead of the plan's: slow=emulated:2.5")
    size = {"type": parse_size_bytes, "metavar": "SIZE"}
    threshold, period, limit = launch.DEFAULT_THRESHOLD_BYTES, launch.DEFAULT_SMALL_PERIOD_BYTES, launch.DEFAULT_MAX_TRACE_BYTES
    parser.add_argument("--threshold", default=threshold, help=f"track allocations of this size on one by one (default {format_bytes(threshold)})", **size)
    parser.add_argument("--small-period", default=period, help=f"mean bytes between sampled smaller ones, 0 for none (default {format_bytes(period)})", **size)
    parser.add_argument("--max-trace", default=limit, help=f"stop recording at this size (default {format_bytes(limit)})", **size)
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the program and its arguments")


def _say(line: str) -> None:
    print(f"tierprof: {line}", file=sys.stderr, flush=True)


def _placement(args: argparse.Namespace, folder: Path) -> dict[str, str]:
    """What the shim needs to know to place objects; nothing without a plan or tier."""
    if args.plan is None and not args.tier:
        return {}
    from tierprof.placer.enforce import enforcement_env, plan_for_run, recipes_of

    plan = plan_for_run(args.plan, args.tier)
    return enforcement_env(plan, folder, recipes_of(plan))


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
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
        options = launch.LaunchOptions(
            source=args.source,
            rate_hz=args.rate,
            env=_placement(args, Path(folder)),
            threshold_bytes=args.threshold,
            small_period_bytes=args.small_period,
            max_trace_bytes=args.max_trace,
            force=args.force,
        )
        result = session.run(command, args.output, options, on_note=(lambda _line: None) if args.quiet else _say)
    if result.failure:
        _say(result.failure)
    elif not args.quiet:
        try:
            _say(_summary(result))
        except TierprofError as error:
            _say(str(error))
    return result.exit_status
