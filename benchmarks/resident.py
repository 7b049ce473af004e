"""How much memory programs of millions of small objects take under the shim, of what they take alone.

Run `python benchmarks/resident.py`; needs networkit, redis-tools and a C++ compiler, and leaves out what is not there. "recorded": as
`tierprof run` has it by default, so that sites of many small objects get memory of their own; "placed": under a plan that names those
sites, from their first allocation on, for memory of node 0. Resident memory as /proc/PID/status tells it, at its peak and at the end;
medians of interleaved rounds, and the ratio of a round's runs with its 95 % bootstrap interval.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from common import format_interval, interleaved, make_graph, paired_interval

from tierprof.base.native import native_path
from tierprof.base.units import format_bytes
from tierprof.console import emit_json, progress, say, table
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_meta

STATES = ("alone", "recorded", "placed")
TARGET = "target: at most 1.10 of alone"
SLAB_TOTAL = 10  # enum tp_record_type of native/common/records.h
KEYS = 1_000_000  # of the map, and at most of redis
_SCALE = 18
_NETWORKIT = """
import runpy, sys
try:
    runpy.run_module("tierprof.workloads.pagerank_networkit", run_name="__main__", alter_sys=True)
except SystemExit:
    sys.stdout.write(open("/proc/self/status").read())
"""

Run = Callable[[Mapping[str, str]], str]  # environment -> /proc/PID/status


def run_networkit(graph: Path, env: Mapping[str, str]) -> str:
    """PageRank on one vector of neighbours a vertex."""
    command = [sys.executable, "-P", "-c", _NETWORKIT, "--graph", str(graph), "--solutions", "1"]
    return subprocess.run(command, env=dict(env), stdout=subprocess.PIPE, text=True, check=True).stdout


def run_map(program: Path, env: Mapping[str, str]) -> str:
    """A std::map."""
    return subprocess.run([program, str(KEYS)], env=dict(env), stdout=subprocess.PIPE, text=True, check=True).stdout


def run_redis(folder: Path, env: Mapping[str, str]) -> str:
    """A redis-server that is filled with strings, hashes and lists. The server and its checker are one program."""
    socket = tempfile.mktemp(dir=folder)
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(folder), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, executable=shutil.which("redis-check-rdb"), env=dict(env), stdout=subprocess.DEVNULL)
    while not os.path.exists(socket):
        time.sleep(0.02)
    fill = ["redis-benchmark", "-s", socket, "-q", "-n", "400000", "-r", str(KEYS), "-P", "16", "-d", "100", "-t", "set,hset,rpush"]
    subprocess.run(fill, stdout=subprocess.DEVNULL, check=True)
    status = Path(f"/proc/{server.pid}/status").read_text()
    subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], stdout=subprocess.DEVNULL, check=False)
    server.wait()
    return status


def programs(folder: Path) -> dict[str, Run | str]:
    """How each is run; in words why it cannot be."""
    found: dict[str, Run | str] = {
        "NetworKit": "not installed (pip install networkit)",
        "redis-server": "not installed (Debian: redis-tools)",
    }
    try:
        import networkit  # noqa: F401

        found["NetworKit"] = lambda env: run_networkit(make_graph(_SCALE), env)
    except ImportError:
        pass
    if shutil.which("redis-check-rdb") and shutil.which("redis-benchmark"):
        found["redis-server"] = lambda env: run_redis(folder, env)
    program = folder / "resident_map"
    subprocess.run([os.environ.get("CXX", "g++"), "-O2", "-o", program, Path(__file__).with_name("resident_map.cpp")], check=True)
    found["std::map"] = lambda env: run_map(program, env)
    return found


def memory_of(status: str) -> tuple[int, int]:
    """Peak and last resident memory, bytes."""
    peak, last = (re.search(rf"^{name}:\s*(\d+) kB", status, re.MULTILINE) for name in ("VmHWM", "VmRSS"))
    if peak is None or last is None:
        raise SystemExit("a program ended before it told its memory")
    return int(peak.group(1)) * 1024, int(last.group(1)) * 1024


def environments(run: Run, folder: Path) -> dict[str, dict[str, str]]:
    """The environment for each state; the plan names what a recorded run had switched on."""
    shim = {"LD_PRELOAD": str(native_path("libtierprof.so"))}
    raw = Path(tempfile.mkdtemp(dir=folder))
    run({**os.environ, **shim, "TIERPROF_DIR": str(raw)})
    keys = set()
    for alloc in raw.glob("alloc.*.bin"):
        records = read_allocations(alloc)
        sites = read_meta(alloc.with_name(alloc.name.replace("alloc", "meta", 1))).sites
        keys |= {sites[number].key for number in set(records["site"][records["type"] == SLAB_TOTAL].tolist())}
    tier = TierSpec("near", "node", node=0)
    plan = Plan((TierSpec("dram"), tier), "dram", tuple(PlannedObject(key, tier.name, small=True) for key in sorted(keys)))
    file = Path(tempfile.mkstemp(suffix=".plan", dir=folder)[1])
    file.write_bytes(plan_bytes(plan, {}))
    recorded = {**shim, "TIERPROF_DIR": str(folder / "raw")}
    return {"alone": {}, "recorded": recorded, "placed": {**shim, "TIERPROF_PLAN": str(file)}}


def measure(name: str, run: Run, rounds: int, folder: Path) -> list[dict[str, object]]:
    """A row for each state under the shim."""
    found: dict[str, list[tuple[int, int]]] = {state: [] for state in STATES}
    (folder / "raw").mkdir(exist_ok=True)
    own = environments(run, folder)
    with progress() as bar:
        task = bar.add_task(name, total=rounds * len(STATES))
        for _, state in interleaved(STATES, rounds):
            found[state].append(memory_of(run({**os.environ, **own[state]})))
            bar.advance(task)
    bytes_of = {state: np.array(values, float).T for state, values in found.items()}
    rows = []
    for state in STATES[1:]:
        ratios = [paired_interval(lambda a, b: a / b, bytes_of[state][i], bytes_of["alone"][i]) for i in range(2)]
        alone, mine = (np.median(bytes_of[one], axis=1) for one in ("alone", state))
        rows.append(
            {
                "program": name,
                "state": state,
                "alone_peak_bytes": alone[0],
                "peak_bytes": mine[0],
                "peak_of_alone": ratios[0]._asdict(),
                "alone_end_bytes": alone[1],
                "end_bytes": mine[1],
                "end_of_alone": ratios[1]._asdict(),
                "shown": ratios,
            }
        )
    return rows


def cells_of(row: dict) -> list[str]:
    """A row as it is printed."""
    sizes = [format_bytes(int(row[key])) for key in ("alone_peak_bytes", "peak_bytes")]
    ends = [format_bytes(int(row[key])) for key in ("alone_end_bytes", "end_bytes")]
    return [row["program"], row["state"], *sizes, format_interval(row["shown"][0]), *ends, format_interval(row["shown"][1])]


def main() -> int:
    """Run all programs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", default="", help="programs with this in their name")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    args = parser.parse_args()
    rows, missing = [], []
    with tempfile.TemporaryDirectory() as name:
        for program, run in programs(Path(name)).items():
            if args.only not in program:
                continue
            if isinstance(run, str):
                missing.append(f"{program}: {run}")
            else:
                rows += measure(program, run, args.rounds, Path(name))
    if args.json:
        emit_json([{key: value for key, value in row.items() if key != "shown"} for row in rows])
        return 0
    heads = ["program", "shim", "peak alone", "peak", "of alone", "end alone", "end", "of alone"]
    table(f"resident memory, {args.rounds} interleaved rounds", heads, [cells_of(row) for row in rows])
    for line in (*missing, TARGET):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
