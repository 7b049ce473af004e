"""The command line's frame: finds the verb, runs it, prints an error in one line. One verb a file in commands/."""

import argparse
import importlib
import sys

from rich_argparse import RichHelpFormatter

from tierprof import __version__
from tierprof.base.errors import TierprofError

VERBS = ("run", "objects", "measure", "train", "place", "report", "verify", "compare", "doctor")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; each verb's module gives `add_arguments(parser)` and `execute(args) -> int`."""
    parser = argparse.ArgumentParser(prog="tierprof", description=__import__("tierprof").__doc__, formatter_class=RichHelpFormatter)
    parser.add_argument("--version", action="version", version=f"tierprof {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        module = importlib.import_module(f"tierprof.commands.{verb}")
        summary = (module.__doc__ or "").strip()
        sub = verbs.add_parser(verb, help=summary.splitlines()[0], description=summary, formatter_class=RichHelpFormatter)
        module.add_arguments(sub)
        sub.set_defaults(execute=module.execute)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status: the verb's own, 1 for our errors, 2 for usage."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.execute(args))
    except TierprofError as error:
        print(f"tierprof: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        return 130
