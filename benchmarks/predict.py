"""How long the curve of slowdown against budget takes: 100 objects, 61 budgets, three orders, labels and pairs, from a finished trace.

Run `python benchmarks/predict.py`; it prints seconds of each part, and how many plans were timed. Without TRACE it makes an exact trace of
its own: objects of very different size, lives and criticality, on one thread. TRACE is any exact trace, such as `tierprof run --source
exact` leaves.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tierprof.base.schema import TABLES
from tierprof.models.timing.machine import Machine
from tierprof.placer.predict.exact import ExactForecast
from tierprof.placer.predict.prediction import DEFAULT_BUDGETS, predict_trace
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.features import compute_features
from tierprof.profiler.trace import Trace, create_trace_folder

_RUN_NS = 10**10
_OBJECT_COUNTERS = TABLES["exact_objects"].names[3:]
_THREAD_COUNTERS = TABLES["exact_threads"].names[6:]


def lives(objects: int, random: np.random.Generator) -> pd.DataFrame:
    """Allocations: a dozen of each object, of one size, some living to the end."""
    each = 12
    size = np.exp(random.normal(16.5, 1.8, objects)).astype(np.uint64) + np.uint64(4096)
    birth = random.integers(0, _RUN_NS, (objects, each))
    death = birth + random.integers(_RUN_NS // 50, _RUN_NS, (objects, each))
    count = objects * each
    frame = pd.DataFrame(
        {
            "allocation": np.arange(count),
            "site": np.repeat(np.arange(objects), each),
            "address": np.uint64(1 << 40) + np.cumsum(np.repeat(size, each)),
            "size_bytes": np.repeat(size, each),
            "birth_ns": birth.ravel(),
            "death_ns": pd.array(np.where(death < _RUN_NS, death, -1).ravel(), dtype="Int64"),
        }
    )
    frame["death_ns"] = frame["death_ns"].mask(frame["death_ns"] < 0)
    return frame.assign(pid=1, tid=1, kind="malloc", weight=1.0, resident_bytes=np.nan, tier="dram", inherited=False)


def counts(objects: int, slices: int, episodes: int, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    """The tables of an exact run: misses that follow a power law over objects, in episodes of one to four chains."""
    heat = random.pareto(1.0, objects) + 0.01
    chance = heat / heat.sum()
    lines = random.poisson(np.outer(np.ones(slices), 60_000 * chance)).ravel()
    own = {"slice": np.repeat(np.arange(slices), objects), "thread": 0, "object": np.tile(np.arange(objects), slices)}
    object_rows = pd.DataFrame({**own, **dict.fromkeys(_OBJECT_COUNTERS, 0)})
    object_rows = object_rows.assign(loads=20 * lines, far_loads=lines, l2_misses=lines, read_blocks=lines, prefetched_lines=2 * lines)
    thread_rows = pd.DataFrame({"slice": np.arange(slices), **dict.fromkeys(_THREAD_COUNTERS, 0)})
    thread_rows = thread_rows.assign(
        weight=1.0, pid=1, tid=1, thread=0, first_instruction=np.arange(slices) * 10**7, instructions=10**7, base_cycles=5 * 10**6
    )
    nodes = random.integers(1, 5, episodes)
    row = np.repeat(np.arange(episodes), nodes)
    first = np.repeat(np.cumsum(nodes) - nodes, nodes)
    episode_rows = pd.DataFrame({"episode": np.arange(episodes), "slice": np.sort(random.integers(0, slices, episodes)), "thread": 0})
    episode_rows = episode_rows.assign(count=random.integers(1, 200, episodes), base_cycles=4000, instructions=9000, misses=400)
    node_rows = pd.DataFrame(
        {
            "episode": row,
            "chain": (np.arange(len(row)) - first).astype(np.int8),
            "object": random.choice(objects, len(row), p=chance),
            "node_class": random.integers(1, 4, len(row)).astype(np.int8),
            "count": random.integers(1, 4, len(row)),
        }
    )
    reuse_rows = pd.DataFrame({"object": np.arange(objects), "granule_bytes": 64, "cold": 1e4, "bin": 18, "weight": 1e5})
    return {"threads": thread_rows, "objects": object_rows, "episodes": episode_rows, "nodes": node_rows, "reuse": reuse_rows}


def make_trace(folder: Path, args: argparse.Namespace) -> Trace:
    """An exact trace with the tables above."""
    random = np.random.default_rng(args.seed)
    allocations = lives(args.objects, random)
    sites = pd.DataFrame({"site": np.arange(args.objects), "key": [f"{number + 1:032x}" for number in range(args.objects)]})
    sites = sites.assign(kind="malloc", name=[f"object_{number}" for number in range(args.objects)], function="make", file="", line=0)
    meta: dict[str, Any] = {"command": ["benchmark"], "source": "exact", "samples": 0, "complete": True, "notes": []}
    meta["exact"] = {"machine": args.machine, "config": Machine.load(args.machine).config(1), "interval": None, "cut": False}
    trace = Trace(create_trace_folder(folder / "benchmark.trace", ["benchmark"]), meta)
    for name, table in counts(args.objects, args.slices, args.episodes, random).items():
        trace.write(f"exact_{name}", table)
    trace.write("allocations", allocations.assign(name=None))
    for name in ("samples", "modules"):
        trace.write(name, TABLES[name].empty_table())
    trace.write("sites", sites.assign(frames=[[] for _ in range(args.objects)], truncated=False))
    trace.write("objects", compute_features(sites, allocations, TABLES["samples"].empty_table().to_pandas(), _RUN_NS, 0.0))
    trace.write_meta()
    return Trace.open(trace.path)


def timed_parts(trace: Trace, machine: Machine, budgets: int) -> dict[str, float]:
    """Seconds of each part, and of the whole prediction."""
    begin = time.perf_counter()
    profile = ExactProfile.from_trace(trace)
    read = time.perf_counter()
    forecast = ExactForecast(profile, machine)
    prepared = time.perf_counter()
    random = np.random.default_rng(1)
    forecast.run((random.random((3 * budgets, len(forecast.objects))) < 0.5).astype(np.float64))
    ran = time.perf_counter()
    forecast.anchors()
    alone = time.perf_counter()
    forecast.pairs(8)
    paired = time.perf_counter()
    predict_trace(trace, machine, budgets=budgets)
    whole = time.perf_counter() - paired
    return {
        "read the trace": read - begin,
        "prepare the timing model": prepared - read,
        f"time {3 * budgets} plans": ran - prepared,
        "every object alone": alone - ran,
        "pairs of 8 objects": paired - alone,
        "the whole prediction": whole,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path, nargs="?", metavar="TRACE")
    parser.add_argument("--machine", default="optane100-x6")
    parser.add_argument("--budgets", type=int, default=DEFAULT_BUDGETS)
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--slices", type=int, default=250)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
        trace = Trace.open(args.trace) if args.trace else make_trace(Path(folder), args)
        profile = ExactProfile.from_trace(trace)
        print(f"{len(profile.object_ids)} objects, {len(profile.episodes)} rows of episodes, {len(profile.nodes)} of nodes")
        for name, seconds in timed_parts(trace, Machine.load(args.machine), args.budgets).items():
            print(f"{name:26} {seconds:7.2f} s")


if __name__ == "__main__":
    main()
