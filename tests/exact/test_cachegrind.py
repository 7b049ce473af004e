"""Counts and misses against Cachegrind's, on the two levels that it has: the same program, the same caches."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tierprof.base.errors import TierprofError
from tierprof.profiler.exact.engine import engine_command, find_engine
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.rawfile import read_exact

PROGRAM = Path(__file__).parent / "programs" / "patterns.c"

# Cachegrind's D1 and LL; its LL is our L3, and it has no L2 and no prefetcher.
L1, LL = (32768, 8), (1048576, 16)
CONFIG = "".join(
    f"{name} {value}\n"
    for name, value in {
        "l1_bytes": L1[0],
        "l1_ways": L1[1],
        "l2_bytes": 0,
        "l3_bytes": LL[0],
        "l3_ways": LL[1],
        "prefetch_stride": 0,
        "reuse_every": 0,
    }.items()
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Skips where there is no engine, or no Cachegrind."""
    try:
        find_engine()
    except TierprofError as error:
        pytest.skip(str(error))
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind to compare with")
    output = tmp_path_factory.mktemp("patterns") / "patterns"
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-g", "-o", str(output), str(PROGRAM)], check=True)
    return output


def cachegrind(program: Path, folder: Path) -> tuple[Counter[str], Counter[str]]:
    """Cachegrind's events, by its names for them: of the functions of the program's file but for main, and of the run."""
    out = folder / "cachegrind.out"
    caches = [f"--{name}={size},{ways},64" for name, (size, ways) in {"I1": L1, "D1": L1, "LL": LL}.items()]
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", *caches, f"--cachegrind-out-file={out}", str(program)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    work: Counter[str] = Counter()
    run: Counter[str] = Counter()
    events: list[str] = []
    file = function = ""
    for line in out.read_text().splitlines():
        head, _, rest = line.partition("=")
        if head == "fl":
            file = rest
        elif head == "fn":
            function = rest
        elif line.startswith("events: "):
            events = line.split()[1:]
        elif line[:1].isdigit():
            costs = dict(zip(events, map(int, line.split()[1:]), strict=True))
            run.update(costs)
            if file.endswith(PROGRAM.name) and function != "main":
                work.update(costs)
    return work, run


def simulate(program: Path, folder: Path, region: str | None) -> Counter[str]:
    """The same events from the engine."""
    raw = folder / f"raw-{region}"
    raw.mkdir()
    with engine_command(ExactOptions(CONFIG, "cachegrind", region=region, timing=False), raw) as engine:
        subprocess.run([*engine.words, str(program)], check=True, env={**os.environ, **engine.environment}, timeout=300)
    (path,) = raw.glob("exact.*.bin")
    file = read_exact(path)
    objects, threads = file.objects.rows, file.threads.rows
    total = {name: int(objects[name].sum()) for name in ("loads", "stores", "l1_misses", "l2_misses", "l3_hits")}
    return Counter(
        Ir=int(threads["instructions"].sum()),
        Dr=total["loads"],
        Dw=total["stores"],
        D1m=total["l1_misses"],
        DLm=total["l2_misses"] - total["l3_hits"],
    )


def test_a_function_misses_as_in_cachegrind(program: Path, tmp_path: Path) -> None:
    # GIVEN a function that does all it does on memory that was not touched before
    expected, _ = cachegrind(program, tmp_path)
    # WHEN the engine measures that function
    found = simulate(program, tmp_path, "work")
    # THEN instructions and references are the same
    assert {name: found[name] for name in ("Ir", "Dr", "Dw")} == {name: expected[name] for name in ("Ir", "Dr", "Dw")}
    # AND misses but for the stack's lines, which Cachegrind has in D1 from what ran before the function
    assert found["D1m"] == pytest.approx(expected["D1mr"] + expected["D1mw"], abs=4)
    # AND the misses of LL, but for the lines of code that Cachegrind keeps there too, and for dirty lines that leave L1 after they have
    # left LL: the engine puts them there again, Cachegrind forgets them
    assert found["DLm"] == pytest.approx(expected["DLmr"] + expected["DLmw"], rel=0.0002)


def test_a_whole_run_misses_almost_as_in_cachegrind(program: Path, tmp_path: Path) -> None:
    # GIVEN all of a run, its start-up too
    _, expected = cachegrind(program, tmp_path)
    # WHEN the engine measures it
    found = simulate(program, tmp_path, None)
    # THEN instructions are the same but for Valgrind's own library, which the engine leaves out
    assert found["Ir"] == pytest.approx(expected["Ir"], rel=0.001)
    # AND so are loads; Cachegrind counts an instruction that reads and writes as a read, the engine as both
    assert found["Dr"] == pytest.approx(expected["Dr"], rel=0.001)
    assert expected["Dw"] <= found["Dw"] <= 1.005 * expected["Dw"]
    # AND misses; Cachegrind counts one for an access to two lines that are both missed, the engine two
    assert found["D1m"] == pytest.approx(expected["D1mr"] + expected["D1mw"], rel=0.001)
    assert found["DLm"] == pytest.approx(expected["DLmr"] + expected["DLmw"], rel=0.001)
