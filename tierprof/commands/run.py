"""Run a program and make a trace: what it allocates and what it waits for.

The program gets the terminal, its output and its signals as without tierprof, and `tierprof run` ends with the program's own exit status
(128 + N if signal N ended it). With --plan its objects are placed on the tiers that the plan says; with --tier alone, all of them go there.

With --source exact nothing is sampled: every load and store goes through the caches and the core of a simulated machine, which takes tens
of times as long as the program alone. `tierprof objects`, `predict` and `place` then say what each object costs on memory that need not be
here.
"""

import argparse
import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tierprof import run_placement
from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_count, format_share, parse_count, parse_size_bytes
from tierprof.profiler import launch, session, sources
from tierprof.profiler.command import CommandFacts, check_command
from tierprof.profiler.exact.options import MARKS, ExactOptions

DEFAULT_MACHINE = "optane100-x6"
_FOREIGN_MALLOC = "shim 6"  # enum tp_note_code of native/common/records.h, as the trace names it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.usage = "tierprof run [options] [--] COMMAND ..."
    add, rate, cap = parser.add_argument, sources.DEFAULT_RATE_HZ, sources.MAX_RATE_HZ
    add("-o", "--output", type=Path, metavar="TRACE", help="the trace to make (default: PROGRAM.trace); never overwritten")
    add("--source", choices=sources.SOURCES, default="auto", help="what to sample with (default auto: the best that the machine has)")
    add("--rate", type=float, default=rate, metavar="HZ", help=f"samples a second of a thread (default {rate:g}, at most {cap:g})")
    add("--force", action="store_true", help="permit a rate that slows the program visibly")
    _add_size(parser, "--threshold", launch.DEFAULT_THRESHOLD_BYTES, "track allocations of this size on one by one")
    _add_size(parser, "--small-period", launch.DEFAULT_SMALL_PERIOD_BYTES, "mean bytes between sampled smaller ones, 0 for none")
    _add_size(parser, "--max-trace", launch.DEFAULT_MAX_TRACE_BYTES, "stop recording at this size")
    add("--no-trace", action="store_true", help="only place: record nothing, which costs least (no trace, no `where`, no `move`)")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    run_placement.add_arguments(parser)
    _add_exact(parser)
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the program and its arguments")


def _add_size(parser: argparse.ArgumentParser, name: str, default: int, what: str) -> None:
    shown = f"{what} (default {format_bytes(default)})"
    parser.add_argument(name, type=parse_size_bytes, default=default, metavar="SIZE", help=shown)


def _add_exact(parser: argparse.ArgumentParser) -> None:
    """What goes with --source exact alone; left out, each is None, so that it can be told from one that was given."""
    add = parser.add_argument_group("exact mode", "with --source exact; N counts instructions, like 20M or 1.5G").add_argument
    machine = f"the simulated machine (default {DEFAULT_MACHINE}), by name or as a TOML file; its tiers are applied after the run"
    cores = "cores with caches of their own, which threads take in turn (default: this machine's number, if the simulated one has so many)"
    add("--machine", metavar="NAME|FILE", help=machine)
    add("--cores", type=_positive, metavar="N", help=cores)
    add("--region", metavar="FUNCTION", help=f"measure this function only, or `{MARKS}`: between the two calls of tierprof_region.h")
    add("--start-after", type=parse_count, metavar="N", help="measure after this many instructions of the process")
    add("--stop-after", type=parse_count, metavar="N", help="and until this many")
    add("--warm-up", type=parse_count, metavar="N", help="let caches learn for this long before measuring")
    add("--interval", type=_interval, metavar="MEASURED:EVERY", help="of every EVERY instructions measure MEASURED, for long runs")
    add("--no-timing", action="store_true", default=None, help="count accesses and misses only, which is faster; no time can be told")


def _positive(text: str) -> int:
    count = parse_count(text)
    if count < 1:
        raise TierprofError(f"--cores {text} cannot be used", "a machine has at least one core", "leave it out, or give more")
    return count


def _interval(text: str) -> tuple[int, int]:
    measured, colon, every = text.partition(":")
    if not colon:
        raise TierprofError(f"--interval {text} cannot be used", "it is two counts, MEASURED:EVERY", "write it like 10M:200M")
    return parse_count(measured), parse_count(every)


_EXACT_FLAGS = ("machine", "cores", "region", "start_after", "stop_after", "warm_up", "interval", "no_timing")


def _threads_expected() -> int:
    """How many threads a program starts if it asks how many it may: more cores would stay idle, and cost memory and time."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(len(os.sched_getaffinity(0)), int(asked) if asked.isdecimal() else 1)


def exact_options(args: argparse.Namespace) -> ExactOptions | None:
    """What to measure, for the source exact; None for any other.

    Raises
    ------
    TierprofError
        If options do not go together, or the machine is not known or its file is wrong.
    """
    given = [f"--{name.replace('_', '-')}" for name in _EXACT_FLAGS if getattr(args, name) is not None]
    if args.source != "exact":
        if given:
            raise TierprofError(f"{given[0]} cannot be used", f"source {args.source} simulates nothing", "add --source exact")
        return None
    if args.plan is not None or args.tier:
        what, why = "source exact cannot place objects", "its time is that of a simulated machine, wherever the objects really are"
        raise TierprofError(what, why, "leave out --plan and --tier here, and give the plan to `tierprof predict`")
    from tierprof.models.timing.machine import Machine
    from tierprof.models.timing.simulator import Simulator

    name = args.machine or DEFAULT_MACHINE
    machine = Machine.load(name)
    config = machine.config(args.cores or min(_threads_expected(), machine.config()["cores"]))
    with Simulator(config):
        pass  # a machine that cannot be simulated is told before the program runs, and in more than the engine's words
    return ExactOptions(
        config_text="".join(f"{field} {value}\n" for field, value in config.items()),
        machine=str(Path(name).absolute()) if name.endswith(".toml") or "/" in name else name,
        region=args.region,
        start_after=args.start_after,
        stop_after=args.stop_after,
        warm_up=args.warm_up or 0,
        interval=args.interval,
        timing=not args.no_timing,
    )


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


def _summary(result: session.RunResult) -> str:
    """One line: samples, attributed share, where the trace is."""
    from tierprof.profiler.trace import Trace

    trace = Trace.open(result.trace) if result.trace else None
    if trace is None:
        return result.failure or ""
    if "exact" in trace.meta:
        return f"{_counted(trace.meta['exact'])}, {len(trace.objects())} objects; trace {trace.path}"
    shares = trace.meta.get("shares", {})
    attributed = sum(shares.get(part, 0.0) for part in ("object", "stack", "static"))
    samples = trace.meta.get("samples", 0)
    found = f"{samples} samples, {format_share(attributed)} attributed" if samples else "no samples"
    return f"{found}, {len(trace.objects())} objects; trace {trace.path}"


def _afterwards(result: session.RunResult) -> list[str]:
    """What only the finished trace can tell: of an exact run, and of a program whose malloc is not the C library's."""
    from tierprof.profiler.trace import Trace

    notes = Trace.open(result.trace).meta["notes"] if result.trace else []
    told = [note["text"] for note in notes if result.launch.engine and (note["code"].startswith("exact ") or note["code"] == "damage")]
    return told + sorted({f"malloc is not the C library's: {note['text']}" for note in notes if note["code"] == _FOREIGN_MALLOC})


def _counted(exact: dict[str, Any]) -> str:
    """What an exact run counted, in a phrase."""
    ran = format_count(exact["instructions"])
    of_all = f" of {ran}" if exact["measured"] != exact["instructions"] else ""
    accesses = f"{format_count(exact['loads'])} loads and {format_count(exact['stores'])} stores"
    return f"{format_count(exact['measured'])}{of_all} instructions measured, {accesses}"


def _check_no_trace(args: argparse.Namespace) -> None:
    if args.plan is None and not args.tier:
        raise TierprofError("--no-trace cannot be used", "then there is nothing to do", "give --plan, or --tier slow=SPEC")
    if args.output is not None or args.online or args.source not in ("auto", "none"):
        other = "--output" if args.output is not None else "--online" if args.online else f"--source {args.source}"
        raise TierprofError(f"--no-trace cannot be used with {other}", "that records", "leave out one of them")


def _run_unrecorded(args: argparse.Namespace, words: list[str], facts: CommandFacts) -> int:
    """Run the program under the plan, and nothing else; its exit status."""
    _check_no_trace(args)
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
        placement = run_placement.prepare(args, Path(folder), facts, _ignore if args.quiet else _say)
        options = launch.LaunchOptions(source="none", record=False, threshold_bytes=args.threshold, **placement.options)
        if facts.warning and not args.quiet:
            _say(f"nothing will be placed, and {facts.warning}")
        return launch.launch(words, Path(folder) / "raw", options, facts=facts).exit_status


def execute(args: argparse.Namespace) -> int:
    """Run the program, make the trace and say in one line what is in it."""
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    facts = check_command(words)  # before placement, which may take its time to calibrate
    if args.no_trace:
        return _run_unrecorded(args, words, facts)
    exact = exact_options(args)
    on_note, converting = (_ignore, nullcontext) if args.quiet else (_say, _converting)
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
        placement = run_placement.prepare(args, Path(folder), facts, on_note)
        options = launch.LaunchOptions(
            source=args.source,
            rate_hz=args.rate,
            threshold_bytes=args.threshold,
            small_period_bytes=args.small_period,
            max_trace_bytes=args.max_trace,
            force=args.force,
            exact=exact,
            **placement.options,
        )
        result = session.run(words, args.output, options, on_note=on_note, while_converting=converting)
        achieved = placement.finish(result.trace)
    if result.failure:
        _say(result.failure)
    elif not args.quiet:
        try:
            for line in _afterwards(result):
                _say(line)
            for line in achieved:
                _say(line)
            _say(_summary(result))
        except TierprofError as error:
            _say(str(error))
    return result.exit_status
