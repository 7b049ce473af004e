"""A Python program marks its region: the engine measures what lies between, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tierprof.base.errors import TierprofError
from tierprof.profiler.exact.engine import find_engine
from tierprof.profiler.trace import Trace

PROGRAM = Path(__file__).parents[1] / "programs" / "region_marks.py"


def test_marks_measure_what_lies_between_them(tmp_path: Path) -> None:
    try:
        find_engine()
    except TierprofError as error:
        pytest.skip(str(error))
    # WHEN a program searches 8 MiB four times, twice of them between its marks
    tierprof = [sys.executable, "-P", "-m", "tierprof", "run", "--source", "exact", "--no-timing", "-o", str(tmp_path / "t")]
    command = [*tierprof, "--region", "marks", "--", sys.executable, "-P", str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    # THEN two searches were read of the object, and the rest of the run is not measured
    trace = Trace.open(tmp_path / "t")
    objects = trace.objects()
    searched = objects.loc[objects["peak_bytes"].between(8 << 20, (8 << 20) + 4096), "site"].tolist()
    assert len(searched) == 1
    accesses = trace.frame("exact_objects")
    read_bytes = int(accesses.loc[accesses["object"] == searched[0], "load_bytes"].sum())
    assert 0 <= read_bytes - 2 * (8 << 20) < 8192
    assert trace.meta["exact"]["measured"] < trace.meta["exact"]["instructions"] / 10
