"""Tell what this machine can do, what is missing, and how to get it."""

import argparse
from dataclasses import asdict

from tierprof.console import emit_json, say, table
from tierprof.placer.check import BROKEN
from tierprof.placer.checks import check_machine, machine_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--json", action="store_true", help="the checks as JSON")


def execute(args: argparse.Namespace) -> int:
    """Print the checks; the status is not 0 if a part that every run needs is broken."""
    checks = check_machine()
    if args.json:
        emit_json({"machine": machine_line(), "checks": [asdict(check) for check in checks]})
    else:
        say(machine_line())
        table("", ["part", "name", "state", "found", "how to get it"], [list(asdict(check).values()) for check in checks])
    return int(any(check.state == BROKEN for check in checks))
