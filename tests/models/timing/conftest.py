"""Profiles made by hand, and a machine whose figures are easy to reckon with."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tierprof.models.timing.machine import Machine
from tierprof.profiler.exact.layout import OBJECT_COUNTERS, THREAD_COUNTERS
from tierprof.profiler.exact.profile import ExactProfile

Row = Mapping[str, Any]


def _profile_of(
    threads: Sequence[Row],
    objects: Sequence[Row] = (),
    episodes: Sequence[Row] = (),
    reuse: Sequence[tuple[int, int, float, int, float]] = (),
) -> ExactProfile:
    """A profile of these rows; counters that a row does not name are 0.

    `episodes`: each with count, base_cycles (of all of them) and `chains`, a list of chains, each a list of (object, class, count).
    `reuse`: (object, granule_bytes, cold, bin, weight).
    """
    thread = pd.DataFrame(
        [{"slice": 0, "weight": 1.0, "pid": 1, "tid": 1, "thread": 0, "first_instruction": 0} | dict(row) for row in threads]
    )
    thread = thread.reindex(columns=[*thread.columns, *(name for name in THREAD_COUNTERS if name not in thread)]).fillna(0)
    place = ["slice", "thread", "object"]
    rows = pd.DataFrame([{"slice": 0, "thread": 0} | dict(row) for row in objects]).reindex(columns=[*place, *OBJECT_COUNTERS]).fillna(0)
    heads = [
        {"slice": 0, "thread": 0, "instructions": 0, "misses": 0} | {k: v for k, v in row.items() if k != "chains"} for row in episodes
    ]
    columns = ["episode", "slice", "thread", "count", "base_cycles", "instructions", "misses"]
    episode = pd.DataFrame(heads).assign(episode=range(len(heads))).reindex(columns=columns)
    nodes = [(at, number, *node) for at, row in enumerate(episodes) for number, chain in enumerate(row["chains"]) for node in chain]
    return ExactProfile(
        threads=thread,
        objects=rows.astype(dict.fromkeys(place, "int64")),
        episodes=episode,
        nodes=pd.DataFrame(nodes, columns=["episode", "chain", "object", "node_class", "count"]),
        reuse=pd.DataFrame(list(reuse), columns=["object", "granule_bytes", "cold", "bin", "weight"]),
        config={},
    )


_PLAIN = """
about = "figures that are easy to reckon with"
base = "optane100-x6"
[host]
ghz = { value = 1.0, source = "test" }
l3_ns = { value = 20.0, source = "test" }
miss_buffers = { value = 10, source = "test" }
l2_buffers = { value = 20, source = "test" }
[fast]
name = "quick"
near_ns = { value = 100.0, source = "test" }
mid_ns = { value = 100.0, source = "test" }
far_ns = { value = 100.0, source = "test" }
read_gb_s = { value = 100.0, source = "test" }
write_gb_s = { value = 50.0, source = "test" }
mix = { value = 1.0, source = "test" }
bus_gb_s = { value = 1000.0, source = "test" }
loaded = [{ read_share = 1.0, utilisation = [1.0], multiple = [1.0], source = "test" }]
[slow]
name = "slack"
near_ns = { value = 200.0, source = "test" }
mid_ns = { value = 300.0, source = "test" }
far_ns = { value = 400.0, source = "test" }
read_gb_s = { value = 40.0, source = "test" }
write_gb_s = { value = 10.0, source = "test" }
write_combining_loss = { value = 0.0, source = "test" }
eviction_blocks_per_line = { value = 0.5, source = "test" }
loaded = [{ read_share = 1.0, utilisation = [1.0], multiple = [1.0], source = "test" }]
"""


@pytest.fixture(scope="session")
def profile_of() -> Callable[..., ExactProfile]:
    return _profile_of


@pytest.fixture
def machine_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a machine file."""

    def write(text: str, name: str = "mine.toml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def plain_text() -> str:
    return _PLAIN


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """1 GHz, 10 miss buffers; fast 100 ns, slow 200, 300, 400 ns; latency does not rise with load."""
    path = tmp_path_factory.mktemp("machines") / "plain.toml"
    path.write_text(_PLAIN)
    return Machine.load(path)


@pytest.fixture(scope="session")
def rising(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The same, but latency doubles on a busy tier."""
    path = tmp_path_factory.mktemp("machines") / "rising.toml"
    path.write_text(_PLAIN.replace("utilisation = [1.0], multiple = [1.0]", "utilisation = [1.0], multiple = [2.0]"))
    return Machine.load(path)


def _random_profile(seed: int) -> ExactProfile:
    """A few slices, threads, objects and episodes at random, some of which share objects, ranks and lanes."""
    rng = np.random.default_rng(seed)
    slices, threads, objects = (int(rng.integers(1, most)) for most in (4, 4, 6))
    lanes = [(s, t) for s in range(slices) for t in range(threads)]
    names = ("l3_hits", "near_loads", "mid_loads", "far_loads", "rfo_lines", "prefetched_lines", "writeback_lines", "nt_stores", "stores")
    rows = []
    for s, t in lanes:
        for o in rng.permutation(objects)[: rng.integers(0, objects + 1)]:
            count = {name: int(rng.integers(0, 20_000)) for name in names}
            read = sum(count[name] for name in names[1:6])
            blocks = {"read_blocks": int(read * rng.uniform(0.25, 1)), "write_blocks": int(count["writeback_lines"] * rng.uniform(0.25, 1))}
            rows.append({"slice": s, "thread": t, "object": int(o) - 2, "store_bytes": 8 * count["stores"]} | count | blocks)
    episodes = []
    for _ in range(int(rng.integers(0, 40))):
        s, t = lanes[rng.integers(len(lanes))]
        longest = int(rng.integers(1, 4))
        chains = [
            [
                (int(rng.integers(objects)) - 2 if c else 0, c, int(rng.integers(1, 1 + longest)))
                for c in rng.integers(0, 4, rng.integers(1, 1 + longest))
            ]
            for _ in range(rng.integers(1, 5))
        ]
        count = int(rng.integers(1, 3000))
        work = {
            "base_cycles": int(count * rng.integers(0, 900)),
            "misses": count * int(rng.integers(1, 13)),
            "instructions": count * int(rng.integers(1, 225)),
        }
        episodes.append({"slice": s, "thread": t, "count": count, "chains": chains} | work)
    table = [
        {"slice": s, "thread": t, "base_cycles": int(rng.integers(0, 1_000_000)), "fences": int(rng.integers(0, 100))} for s, t in lanes
    ]
    granules = [(o - 2, size, 100.0 * (o + 1), int(b), 50.0) for o in range(objects) for size in (64, 4096) for b in rng.integers(0, 20, 2)]
    return _profile_of(table, rows, episodes, granules)


@pytest.fixture(scope="session")
def random_profile() -> Callable[[int], ExactProfile]:
    return _random_profile
