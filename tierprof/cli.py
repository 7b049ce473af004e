"""The command line's frame: finds the verb, runs it, prints an error in one line. One verb a file in commands/."""

import argparse
import ast
import difflib
import importlib
import sys
from pathlib import Path
from typing import NoReturn

from rich_argparse import RichHelpFormatter

import tierprof
from tierprof.base.errors import TierprofError

VERBS = ("run", "objects", "measure", "train", "place", "predict", "verify", "where", "move", "report", "compare", "doctor")

USAGE_STATUS = 2


class UsageError(TierprofError):
    """The command line itself is wrong."""


class _Parser(argparse.ArgumentParser):
    """argparse, but a usage error is one of the family: one line, printed in one place."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}", message, f"see `{self.prog} --help`")


def _summary(verb: str) -> str:
    """First line of the verb's docstring, read without importing it: start-up time is part of every run's overhead."""
    source = Path(__file__).parent.joinpath("commands", f"{verb}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n", 1)[0]


def _build_overview() -> argparse.ArgumentParser:
    parser = _Parser(prog="tierprof", description=tierprof.__doc__, formatter_class=RichHelpFormatter)
    parser.add_argument("--version", action="version", version=f"tierprof {tierprof.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verbs.add_parser(verb, help=_summary(verb), add_help=False)
    return parser


def _build_verb(verb: str) -> argparse.ArgumentParser:
    module = importlib.import_module(f"tierprof.commands.{verb}")
    description = (module.__doc__ or "").strip()
    parser = _Parser(prog=f"tierprof {verb}", description=description, formatter_class=RichHelpFormatter)
    module.add_arguments(parser)
    parser.set_defaults(execute=module.execute)
    return parser


def _parse(argv: list[str]) -> argparse.Namespace:
    verb = argv[0] if argv else ""
    if verb in VERBS:
        return _build_verb(verb).parse_args(argv[1:])
    if verb and not verb.startswith("-"):
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean `tierprof {near[0]}`?" if near else f"the verbs are {', '.join(VERBS)}"
        raise UsageError("tierprof", f"unknown command '{verb}'", hint)
    return _build_overview().parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        The verb's own exit status (for `run` the wrapped program's), 1 for an error of ours, 2 for wrong usage.
    """
    try:
        args = _parse(sys.argv[1:] if argv is None else argv)
        return int(args.execute(args))
    except TierprofError as error:
        print(f"tierprof: {error}" if not isinstance(error, UsageError) else str(error), file=sys.stderr)
        return USAGE_STATUS if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except KeyboardInterrupt:
        return 130
