"""Runs all benchmarks, one after the other: `make bench`."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "malloc_cost",
    "small_sites",
    "parts_cost",
    "resident",
    "join",
    "attribution",
    "tensor_names",
    "overhead",
    "emulated_factor",
    "migration",
    "predict",
    "exact_speed",
    "tiered_embedding",
)


def main() -> int:
    """Run each benchmark of the list, or those named on the command line; the status is that of the first that failed."""
    folder = Path(__file__).parent
    failed = 0
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"== benchmarks/{name}.py", flush=True)
        failed = failed or subprocess.run([sys.executable, str(folder / f"{name}.py")], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
