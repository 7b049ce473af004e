"""What a thread is estimated to have moved, from the addresses of its samples, against patterns whose bytes are known."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

STREAMS = Path(__file__).parents[2] / "native" / "place" / "streams.c"


@pytest.fixture(scope="module")
def estimates(compile_program: Callable[..., Path]) -> dict[str, float]:
    """Estimated over true bytes of each pattern, over thousands of samples."""
    printed = subprocess.run([compile_program("stream_estimates", str(STREAMS))], capture_output=True, text=True, check=True).stdout
    return {name: float(value) for name, _, value in (line.rpartition(": ") for line in printed.splitlines())}


@pytest.mark.parametrize("sweep", ["sweep", "sweep downwards", "slow sweep", "unsteady sweep", "sparse sweep", "copy"])
def test_a_sweep_is_known_to_the_byte_but_for_its_turns(sweep: str, estimates: dict[str, float]) -> None:
    assert estimates[sweep] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("array", ["64 MB", "1 GB", "64 GB"])
def test_random_accesses_are_no_sweep(array: str, estimates: dict[str, float]) -> None:
    # THEN they are taken for lines, one at a time, which they are
    assert estimates[f"random in {array}"] == pytest.approx(1.0, abs=0.1)
