"""Move an object of a running program to another tier while the program uses it.

The program must have been started with `tierprof run` and tiers: under a plan, or with --tier dram --tier slow=... (the first is where all
objects begin). PID is its process number, SITE the beginning of the object's key or of its name as `tierprof objects` and `tierprof where`
print them, TIER the name of one of its tiers. Later allocations of the object go to the tier, too.

It moves piece by piece, in the program's own threads, and writers to a piece wait until it is in its new place. What cannot move is told
with the reason; then the exit status is 1.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_seconds, parse_size_bytes
from tierprof.console import emit_json, progress, say
from tierprof.placer.control import ControlledProcess
from tierprof.placer.moving import MoveResult, Site, find_site, move_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("pid", type=int, metavar="PID", help="the process")
    parser.add_argument("site", metavar="SITE", help="the object: the beginning of its key, or of its name")
    parser.add_argument("tier", metavar="TIER", help="where to: the name of one of the process's tiers")
    parser.add_argument(
        "--rate", type=_parse_rate, metavar="BYTES/S", help="at most so many bytes a second, like 256MiB/s (default: no limit)"
    )
    parser.add_argument("--chunk", type=_parse_chunk, metavar="SIZE", help="between two of which the program goes on (default 2MiB)")
    parser.add_argument("--children", action="store_true", help="in the processes that it has started, too")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def _parse_rate(text: str) -> int:
    rate = parse_size_bytes(text.removesuffix("/s"))
    if rate < 1:
        raise TierprofError(f"--rate {text} cannot be used", "nothing would ever move", "give more, or leave it out")
    return rate


def _parse_chunk(text: str) -> int:
    chunk = parse_size_bytes(text)
    if chunk < 1:
        raise TierprofError(f"--chunk {text} cannot be used", "nothing would ever move", "give more, or leave it out")
    return chunk


def execute(args: argparse.Namespace) -> int:
    """Move, and tell what moved and what did not."""
    done = []
    for pid in [args.pid, *(_descendants(args.pid) if args.children else [])]:
        try:
            process = ControlledProcess(pid)
        except TierprofError:
            if not args.children:
                raise
            continue
        try:
            done.append(_move(process, args))
        finally:
            process.close()
    if not done:
        raise TierprofError(f"process {args.pid}", "neither it nor its children run under tierprof with tiers", "look with `ps`")
    if args.json:
        emit_json({"tier": args.tier, "processes": [_as_json(*one) for one in done]})
    else:
        for one in done:
            _print(args.tier, *one)
    return 1 if any(result.bytes_left or result.stays for _, _, result in done) else 0


def _move(process: ControlledProcess, args: argparse.Namespace) -> tuple[int, Site, MoveResult]:
    process.check_tier(args.tier)
    site = find_site(process, args.site)
    with _bar(site) as report:
        result = move_site(process, site.key, args.tier, chunk_bytes=args.chunk, rate_bytes_per_s=args.rate, report=report)
    return process.pid, site, result


@contextmanager
def _bar(site: Site) -> Iterator[Any]:
    with progress() as bar:
        task = bar.add_task(f"moving {site.name or site.key[:8]}, MiB", total=None)

        def report(moved: int, left: int) -> None:
            bar.update(task, completed=moved / 2**20, total=(moved + left) / 2**20)

        yield report


def _descendants(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("[0-9]*/children"):
        try:
            words = tasks.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in map(int, words):
            yield child
            yield from _descendants(child)


def _as_json(pid: int, site: Site, result: MoveResult) -> dict[str, Any]:
    return {
        "pid": pid,
        "site": site.key,
        "name": site.name,
        "moved_bytes": result.bytes_moved,
        "left_bytes": result.bytes_left,
        "stay_bytes": result.stays,
        "seconds": result.seconds,
        "chunks": result.chunks,
        "frozen_s": result.frozen_s,
        "worst_freeze_s": result.worst_freeze_s,
        "taken_s": result.taken_s,
        "unseen": result.unseen,
        "error": result.error,
    }


def _print(tier: str, pid: int, site: Site, result: MoveResult) -> None:
    name = f"{site.name} ({site.key[:8]})" if site.name else site.key
    if result.unseen:
        say(f"process {pid}: {name} has not allocated yet; when it does, it will be in {tier}")
        return
    if not (result.bytes_moved or result.bytes_left or result.stays):
        say(f"process {pid}: all of {name} is in {tier} already")
        return
    waited = f"; writers waited {format_seconds(result.worst_freeze_s)} at most" if result.chunks else ""
    pieces = f" in {format_seconds(result.seconds)}, {result.chunks} pieces" if result.chunks else ""
    say(f"process {pid}: {format_bytes(result.bytes_moved)} of {name} moved to {tier}{pieces}{waited}")
    cause = f" ({os.strerror(result.error).lower()})" if result.error else ""
    for why, size in result.stays.items():
        say(f"  {format_bytes(size)} stay where they are: {why}{cause}")
    if result.bytes_left:
        say(f"  {format_bytes(result.bytes_left)} are left")
