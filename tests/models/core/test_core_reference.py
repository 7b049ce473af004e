"""The simulator against the plain one in reference.py, on random code: every counter and every episode is the same."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.models.timing.simulator import Access, Exit, ExitKind, Kind, Simulator
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.exact.rawfile import parse_exact

from .paths import sorted_chains
from .reference import LINE, Code, Core

START = 1 << 20
SPAN = 1 << 15
# Objects: (number, first byte, bytes) from START on; the last lies around the others.
OBJECTS = ((3, 0, 9000), (4, 9000, 4096), (5, 16384, 8192), (9, 0, 2 * SPAN))
REGISTERS = 6

CONFIG = {
    "l1_bytes": 4096,
    "l1_ways": 1,
    "l2_bytes": 8192,
    "l2_ways": 2,
    "l3_bytes": 16384,
    "l3_ways": 4,
    "tlb1_entries": 2,
    "tlb1_ways": 1,
    "tlb2_entries": 4,
    "tlb2_ways": 2,
    "near_blocks": 8,
    "mid_pages": 4,
    "reuse_every": 0,
    "heat_bytes": 8192,
    "l1_cycles": 5,
    "l2_cycles": 14,
    "walk_cycles": 30,
    "tlb2_cycles": 7,
}

configs = st.fixed_dictionaries(
    {
        "cores": st.integers(1, 2),
        "issue_width": st.integers(1, 6),
        "window_instructions": st.sampled_from([8, 50, 200, 400]),
        "miss_buffers": st.sampled_from([1, 3, 8, 10]),
        "mispredict_cycles": st.integers(0, 20),
        "predictor_bits": st.integers(4, 8),
        "slice_instructions": st.sampled_from([1000, 1 << 30]),
        "prefetch_next_line": st.integers(0, 1),
        "prefetch_stream": st.integers(0, 1),
        "prefetch_stride": st.integers(0, 1),
    }
).map(lambda own: {**CONFIG, **own})


def flows(n_loads: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    sources = st.integers(0, REGISTERS - 1)
    if n_loads:
        sources |= st.integers(64, 64 + min(n_loads, 64) - 1)
    return st.lists(st.tuples(sources, st.integers(0, 9)), max_size=3).map(tuple)


@st.composite
def blocks(draw: st.DrawFn, address: int, most: int = 6) -> Code:
    rare = draw(st.sampled_from(Kind))
    kinds = st.sampled_from([Kind.LOAD] * 10 + [Kind.STORE] * 4 + [rare])
    n_accesses = draw(st.integers(0, most))
    sizes = st.sampled_from([1, 4, 8, 8, 8, 16, 32, 64, 200])
    accesses = [Access(draw(kinds), draw(sizes), address + 4 * k, draw(flows(k)), draw(flows(k))) for k in range(n_accesses)]
    n_exits = draw(st.integers(1, 3))
    reached = [*sorted(draw(st.lists(st.integers(0, n_accesses), min_size=n_exits - 1, max_size=n_exits - 1))), n_accesses]
    exits, instructions = [], 0
    for at, loads in enumerate(reached):
        instructions += draw(st.integers(0, 12))
        kind = ExitKind.BRANCH if at < n_exits - 1 else draw(st.sampled_from(list(ExitKind)))
        registers = draw(st.lists(st.integers(0, REGISTERS - 1), max_size=4, unique=True))
        transfers = tuple((register, draw(flows(loads))) for register in registers)
        exits.append(Exit(loads, instructions, kind, draw(flows(loads)), transfers))
    return Code(address, accesses, exits)


class Run(NamedTuple):
    thread: int
    block: int
    left: int
    places: list[int]


@st.composite
def programs(draw: st.DrawFn, most_accesses: int = 6) -> tuple[list[Code], list[Run]]:
    code = [draw(blocks(0x1000 * (k + 1), most_accesses)) for k in range(draw(st.integers(1, 4)))]
    seed, length = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 150))
    rng = np.random.default_rng(seed)
    # Few lines are shared by many accesses, so that they hit, miss together, and pass values on through memory.
    hot = rng.integers(0, SPAN, 6)
    runs = []
    for _ in range(length):
        block = int(rng.integers(len(code)))
        left = int(rng.integers(len(code[block].exits)))
        accesses = code[block].accesses[: code[block].exits[left].n_accesses]
        anywhere = rng.integers(0, SPAN, len(accesses))
        near = rng.choice(hot, len(accesses)) + rng.integers(0, 16, len(accesses))
        places = START + np.where(rng.random(len(accesses)) < 0.5, near, anywhere)
        places[rng.random(len(accesses)) < 0.05] = 0
        places[[access.kind == Kind.FENCE for access in accesses]] = 0
        runs.append(Run(int(rng.integers(3)), block, left, places.tolist()))
    return code, runs


def owner(address: int) -> int:
    for number, first, size in OBJECTS:
        if first <= address - START < first + size:
            return number
    raise ValueError(address)


def simulate(config: dict[str, int], code: list[Code], runs: list[Run]) -> bytes:
    simulator = Simulator(config)
    for number, first, size in reversed(OBJECTS):
        simulator.claim(START + first, size, number)
    made = [simulator.block(*block) for block in code]
    for run in runs:
        simulator.feed(run.thread, np.array([made[run.block].exits[run.left].word, *run.places], np.uint64))
    return simulator.end()


def refer(config: dict[str, int], code: list[Code], runs: list[Run]) -> Core:
    core = Core(config, owner)
    for run in runs:
        core.run(run.thread, code[run.block], run.left, run.places)
    core.end_slice()
    core.caches.close()
    return core


THREAD_COUNTS = ("instructions", "base_cycles", "branches", "mispredicts", "fences")


def assert_same_heat(data: bytes, core: Core) -> None:
    file = parse_exact(np.frombuffer(data, np.uint8), "exact.1.0.bin")
    first = {number: first for number, first, _ in OBJECTS}
    owners = np.repeat(file.heat["object"], file.heat["n_granules"]).tolist()
    told: dict[tuple[int, int], Counter[str]] = {}
    for number, row in zip(owners, file.granules, strict=True):
        line = (START + first[number]) // LINE + int(row["granule"])
        told.setdefault((number, line), Counter()).update({name: int(row[name]) for name in ("reads", "writes", "misses")})
    large = {number for number, _, size in OBJECTS if size >= CONFIG["heat_bytes"]}
    assert told == {key: counts for key, counts in core.heat.items() if key[0] in large and any(counts.values())}


def assert_same(data: bytes, core: Core) -> None:
    profile = ExactProfile.from_bytes(data)
    assert_same_heat(data, core)
    # The tables number threads anew, in order.
    dense = {thread: at for at, thread in enumerate(sorted({thread for threads in core.slices for thread in threads}))}
    slices = [{dense[thread]: done for thread, done in threads.items()} for threads in core.slices]
    rows = {(row.slice, row.thread): row for row in profile.threads.itertuples()}
    assert set(rows) == {(slice_, thread) for slice_, threads in enumerate(slices) for thread in threads}
    objects = {(row["slice"], row["thread"], row["object"]): row for row in profile.objects.to_dict("records")}
    nodes: dict[int, list[tuple[int, int, int, int]]] = {}
    for node in profile.nodes.itertuples():
        nodes.setdefault(node.episode, []).append((node.chain, node.object, node.node_class, node.count))
    episodes: dict[Any, Counter[str]] = {}
    for row in profile.episodes.to_dict("records"):
        key = (row["slice"], row["thread"], sorted_chains(nodes[row["episode"]]))
        assert key not in episodes
        episodes[key] = Counter({name: row[name] for name in ("count", "base_cycles", "instructions", "misses")})
    n_objects = n_episodes = 0
    for slice_, threads in enumerate(slices):
        for number, thread in threads.items():
            row = rows[slice_, number]
            assert {name: getattr(row, name) for name in THREAD_COUNTS} == {name: thread.counts[name] for name in THREAD_COUNTS}
            total: Counter[str] = Counter()
            for name, counts in thread.by_object.items():
                total.update(counts)
                told = objects[slice_, number, name]
                assert {key: told[key] for key in counts} == dict(counts), name
                n_objects += 1
            assert (row.loads, row.stores) == (total["loads"], total["stores"] + total["nt_stores"])
            assert (row.tlb1_misses, row.walks) == (total["tlb1_misses"], total["walks"])
            for chains, counts in thread.episodes.items():
                assert episodes[slice_, number, chains] == counts
                n_episodes += 1
    assert (len(objects), len(episodes)) == (n_objects, n_episodes)


@settings(max_examples=150, deadline=None)
@given(configs, programs())
def test_random_code_comes_out_as_in_the_reference(config: dict[str, int], program: tuple[list[Code], list[Run]]) -> None:
    # GIVEN random blocks on three threads, on a machine of a few lines and pages
    code, runs = program
    # WHEN both models run them
    data, core = simulate(config, code, runs), refer(config, code, runs)
    # THEN every slice, counter, episode and place is the same
    assert_same(data, core)


@settings(max_examples=15, deadline=None)
@given(configs, programs(most_accesses=80))
def test_loads_beyond_the_last_number_share_it(config: dict[str, int], program: tuple[list[Code], list[Run]]) -> None:
    # GIVEN blocks with more accesses than have a number of their own
    code, runs = program
    # WHEN both models run them
    data, core = simulate(config, code, runs[:30]), refer(config, code, runs[:30])
    # THEN what waits for one of the last waits for all of them, in both
    assert_same(data, core)
