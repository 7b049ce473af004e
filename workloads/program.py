"""What every workload does around its kernel: options, phase times, the checksum, one line of JSON, errors in one line."""

import argparse
import json
import math
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from tierprof.base.errors import TierprofError
from tierprof.base.region import region
from tierprof.workloads.graph import WorkloadError

# Values are rounded to this share of the largest before the checksum: threads may add up floats in another order.
_CHECKSUM_STEPS = 1e6

#: The phase that is the program's own work: what comes before it is set-up.
MEASURED = "compute"


class Phases:
    """Times the phases of one run; tells the current one on stderr where that is a terminal."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.seconds: dict[str, float] = {}
        self._talks = sys.stderr.isatty()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase `name`; `compute` is what `--source exact --region marks` measures."""
        self.tell(f"{name} ...")
        start = time.perf_counter()
        with region() if name == MEASURED else nullcontext():
            yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.tell("")

    def tell(self, text: str) -> None:
        """Replace the progress line."""
        if self._talks:
            print(f"\r\033[K{self.program}: {text}" if text else "\r\033[K", end="", file=sys.stderr, flush=True)

    def steps(self, count: int) -> Iterator[int]:
        """`range(count)`, told step by step."""
        for step in range(count):
            self.tell(f"step {step + 1} of {count}")
            yield step


def checksum(values: np.ndarray) -> str:
    """A checksum of a result that is the same in every run, whatever the number of threads.

    Parameters
    ----------
    values
        Integers count exactly; floats to a millionth of the largest, infinities and all.
    """
    if np.issubdtype(values.dtype, np.floating):
        finite = np.where(np.isfinite(values), values, -1.0)
        values = np.rint(finite / max(float(finite.max(initial=0.0)), 1e-300) * _CHECKSUM_STEPS)
    return f"{zlib.crc32(values.astype(np.int64).tobytes()):08x}"


Kernel = Callable[[argparse.Namespace, Phases], np.ndarray]
Work = Callable[[argparse.Namespace, Phases], dict[str, object]]


def positive(text: str) -> int:
    """A whole number from 1 up, as an argparse type; ``1e5`` is one, too."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 up")
    return value


def whole(text: str) -> int:
    """A whole number from 0 up, as an argparse type; ``1e5`` is one, too."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is no number") from None
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value < 1 << 62:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(value)


def fraction(text: str) -> float:
    """A finite number from 0 up, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no number") from None
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value


def share(text: str) -> float:
    """A share from 0 up to, but not, 1, as an argparse type."""
    value = fraction(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share below 1")
    return value


@contextmanager
def libraries(module: str, program: str, extra: str) -> Iterator[None]:
    """Import libraries under ``with``: if the module is the program, one that is missing is told in one line, and the program ends.

    Parameters
    ----------
    module
        Its ``__name__``.
    program, extra
        As of `run`.
    """
    try:
        yield
    except ImportError as error:
        if module != "__main__":
            raise
        sys.exit(_refuse(program, _missing(error, extra)))


def _missing(error: ImportError, extra: str) -> WorkloadError:
    return WorkloadError("a library is missing", " ".join(str(error).split()), f"pip install tierprof[{extra}]")


def parser_of(program: str, summary: str | None) -> argparse.ArgumentParser:
    """A parser with what every workload's command line has.

    Parameters
    ----------
    program
        Its name, as in the JSON line.
    summary
        The module's docstring; its first paragraph is shown.
    """
    description = (summary or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog=f"python -m tierprof.workloads.{program}", description=description)
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="threads of the library, where it has them (default 1)")
    return parser


def run(program: str, parser: argparse.ArgumentParser, work: Work, extra: str, argv: Sequence[str] | None = None) -> int:
    """Run a workload's command line.

    Parameters
    ----------
    program
        Its name, as in the JSON line.
    parser
        Its options; see `parser_of`.
    work
        Does the work and returns what stands last in the JSON line; it is called with the options and the clock of phases.
    extra
        What of tierprof's extras brings the libraries that it needs.
    argv
        The arguments, if not those of the process.

    Returns
    -------
    int
        0, or 1 after an error, which is told in one line.
    """
    args = parser.parse_args(argv)
    # Read by the OpenMP runtime when the library is loaded, so kernels import their library late.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    phases = Phases(program)
    try:
        found = work(args, phases)
    except TierprofError as error:
        return _refuse(program, error)
    except ImportError as error:
        return _refuse(program, _missing(error, extra))
    except (MemoryError, RuntimeError) as error:
        # torch says so by a RuntimeError.
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        return _refuse(program, WorkloadError("out of memory", "the graph is too large", "take a smaller one"))
    settings = {name: value.name if isinstance(value, Path) else value for name, value in vars(args).items() if value is not None}
    seconds = {name: round(value, 4) for name, value in phases.seconds.items()}
    print(json.dumps({"program": program, **settings, "seconds": seconds, **found}))
    return 0


def _refuse(program: str, error: TierprofError) -> int:
    print(f"\r\033[K{program}: {error}" if sys.stderr.isatty() else f"{program}: {error}", file=sys.stderr)
    return 1


def main(program: str, summary: str | None, kernel: Kernel, **counts: tuple[int, str]) -> int:
    """Run the command line of a workload on a graph file.

    Parameters
    ----------
    program, summary
        As of `parser_of`.
    kernel
        Does the work and returns the result to be summed up; it is called with the options and the clock of phases.
    **counts
        Further options that take a number from 1 up: name to (default, help).

    Returns
    -------
    int
        0, or 1 after an error, which is told in one line.
    """
    parser = parser_of(program, summary)
    parser.add_argument("--graph", type=Path, required=True, metavar="FILE", help="made by python -m tierprof.workloads.rmat")
    for name, (default, help_text) in counts.items():
        parser.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{help_text} (default {default})")
    return run(program, parser, lambda args, phases: {"checksum": checksum(kernel(args, phases))}, "workloads")
