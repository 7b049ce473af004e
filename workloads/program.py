"""What every workload does around its kernel: options, phase times, the checksum, one line of JSON, errors in one line."""

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tierprof.base.errors import TierprofError
from tierprof.workloads.graph import WorkloadError

# Values are rounded to this share of the largest before the checksum: threads may add up floats in another order.
_CHECKSUM_STEPS = 1e6


class Phases:
    """Times the phases of one run; tells the current one on stderr where that is a terminal."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.seconds: dict[str, float] = {}
        self._talks = sys.stderr.isatty()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase `name`."""
        self.tell(f"{name} ...")
        start = time.perf_counter()
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


def positive(text: str) -> int:
    """A whole number from 1 up, as an argparse type."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1 up")
    return value


def main(program: str, summary: str | None, kernel: Kernel, **counts: tuple[int, str]) -> int:
    """Run a workload's command line.

    Parameters
    ----------
    program
        Its name, as in the JSON line.
    summary
        The module's docstring.
    kernel
        Does the work and returns the result to be summed up; it is called with the options and the clock of phases.
    **counts
        Further options that take a number from 1 up: name to (default, help).

    Returns
    -------
    int
        0, or 1 after an error, which is told in one line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tierprof.workloads.{program}", description=summary)
    parser.add_argument("--graph", type=Path, required=True, metavar="FILE", help="made by python -m tierprof.workloads.rmat")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="threads of the library, where it has them (default 1)")
    for name, (default, help_text) in counts.items():
        parser.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{help_text} (default {default})")
    args = parser.parse_args()
    # Read by the OpenMP runtime when the library is loaded, so kernels import their library late.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    phases = Phases(program)
    try:
        result = kernel(args, phases)
    except TierprofError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"{program}: {WorkloadError('a library is missing', str(error), 'pip install tierprof[workloads]')}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"{program}: {WorkloadError('out of memory', 'the graph is too large', 'make one with a lower scale')}", file=sys.stderr)
        return 1
    settings = {name: getattr(args, name) for name in ("threads", *counts)}
    seconds = {name: round(value, 4) for name, value in phases.seconds.items()}
    print(json.dumps({"program": program, "graph": args.graph.name, **settings, "seconds": seconds, "checksum": checksum(result)}))
    return 0
