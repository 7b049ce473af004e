"""The hierarchy against the plain one in reference.py, on random machines and accesses: every figure after every access."""

from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .binding import Caches
from .parts import Access, Kind
from .reference import Hierarchy, Outcome

SET_BYTES = 64 * 64  # as far apart lines of one set lie in the smallest level
BASES = (0, 0x7F12_3456_7000, (1 << 48) - (1 << 21))


@st.composite
def _level(draw: st.DrawFn, name: str, tree: bool, odd_sets: bool = False) -> dict[str, int]:
    sets = draw(st.sampled_from([64, 128, 96, 100] if odd_sets else [64, 128]))
    ways = draw(st.sampled_from([1, 1, 2, 2, 4, 16, 32] if tree else [1, 1, 2, 2, 3, 3, 4, 15, 16, 17]))
    return {f"{name}_bytes": sets * ways * 64, f"{name}_ways": ways}


@st.composite
def machines(draw: st.DrawFn) -> dict[str, int]:
    tree = draw(st.booleans())
    second_tlb = draw(st.sampled_from([0, 1, 2]))
    config = {
        "cores": draw(st.sampled_from([1, 1, 2, 2, 3])),
        "pseudo_lru": int(tree),
        **draw(_level("l1", tree)),
        **draw(_level("l2", tree)),
        **draw(_level("l3", tree, odd_sets=True)),
        "prefetch_next_line": draw(st.integers(0, 1)),
        "prefetch_stream": draw(st.integers(0, 1)),
        "prefetch_stream_depth": draw(st.integers(1, 64)),
        "prefetch_stride": draw(st.integers(0, 1)),
        "page_bytes": draw(st.sampled_from([4096, 4096, 1 << 21])),
        "tlb1_entries": 4,
        "tlb1_ways": draw(st.sampled_from([1, 2, 4])),
        "tlb2_entries": 12 * second_tlb,
        "tlb2_ways": draw(st.sampled_from([3, 6, 12])),
        "near_blocks": draw(st.sampled_from([0, 1, 5, 16, 40])),
        "mid_pages": draw(st.sampled_from([0, 2, 17, 64])),
        "miss_buffers": draw(st.integers(1, 4)),
        "reuse_every": 0,
    }
    if draw(st.integers(0, 4)) == 0:
        config["l2_bytes"] = 0
    return config


@st.composite
def runs(draw: st.DrawFn) -> list[Access]:
    """Lone accesses to few sets and pages, and walks that prefetchers follow."""
    pc, owner = draw(st.sampled_from([0, 256, 3])), draw(st.sampled_from([0, 5, (1 << 24) - 1]))
    kind = draw(st.sampled_from([Kind.LOAD] * 5 + [Kind.STORE] * 4 + list(Kind)[2:]))
    size = draw(st.sampled_from([1, 4, 8, 8, 16, 32, 64, 64, 150, 4096]))
    line = draw(st.integers(0, 3)) + SET_BYTES // 64 * draw(st.integers(0, 40))
    address = draw(st.sampled_from(BASES)) + 64 * line + draw(st.sampled_from([0, 0, 16, 32, 60]))
    if draw(st.booleans()):
        return [Access(0, address, size, kind, pc, owner)]
    stride = draw(st.sampled_from([8, 32, 48, 64, 72, 96, 200, 1024, 2048, 2056, 4096, 4096, -8, -64, -320, -2048]))
    count = draw(st.integers(2, 30))
    start = address if stride > 0 else address - stride * count
    return [Access(0, start + stride * i, size, kind, pc, owner) for i in range(count)]


@st.composite
def programs(draw: st.DrawFn) -> tuple[dict[str, int], list[Access]]:
    """A few runs, again and again, as they are or as loads or stores, on this core or that."""
    config = draw(machines())
    pool = draw(st.lists(runs(), min_size=1, max_size=8))
    kinds = st.sampled_from([None, None, Kind.LOAD, Kind.STORE])
    turn = st.tuples(st.sampled_from(pool), st.integers(0, config["cores"] - 1), kinds, st.sampled_from([None, 0, 5]))
    accesses = []
    for piece, core, kind, owner in draw(st.lists(turn, min_size=15, max_size=60)):
        for access in piece:
            accesses.append(
                access._replace(core=core, kind=access.kind if kind is None else kind, owner=access.owner if owner is None else owner)
            )
    return config, accesses


def _run_both(config: dict[str, int], accesses: list[Access]) -> tuple[list[Any], list[Any]]:
    expected_written: list[tuple[int, bool]] = []
    reference = Hierarchy(config, lambda owner, new_block: expected_written.append((owner, new_block)))
    caches = Caches(config)
    found, expected = [], []
    for access in accesses:
        expected_written.clear()
        caches.written.clear()
        outcome = asdict(reference.access(access))
        # What the quick look takes for a plain hit is one, and changes nothing: the caches never hear of it.
        seen = asdict(Outcome()) if caches.is_hit(access) else caches.access(access)
        found.append((access, seen, list(caches.written)))
        expected.append((access, outcome, list(expected_written)))
    for core in range(config["cores"]):
        expected_written.clear()
        caches.written.clear()
        reference.drain(core)
        caches.drain(core)
        found.append(list(caches.written))
        expected.append(list(expected_written))
    return found, expected


@settings(max_examples=150, deadline=None)
@given(programs())
def test_every_access_comes_out_as_in_the_reference(program: tuple[dict[str, int], list[Access]]) -> None:
    # GIVEN a machine and what its cores access
    config, accesses = program
    # WHEN both hierarchies see it
    found, expected = _run_both(config, accesses)
    # THEN they agree on every outcome and on every line written to memory, in order
    assert found == expected


@st.composite
def quarrels(draw: st.DrawFn) -> tuple[dict[str, int], list[Access]]:
    """Cores that store to and load from a handful of lines of one set."""
    tree = draw(st.booleans())
    ways = st.sampled_from([1, 2, 4] if tree else [1, 2, 3, 4, 17])
    config = {"cores": draw(st.sampled_from([2, 3, 70])), "pseudo_lru": int(tree), "miss_buffers": 2, "reuse_every": 0}
    for level in ("l1", "l2", "l3"):
        config[f"{level}_ways"] = draw(ways)
        config[f"{level}_bytes"] = 64 * 64 * config[f"{level}_ways"]
    config |= dict.fromkeys(("prefetch_next_line", "prefetch_stream", "prefetch_stride"), 0)
    config |= {
        "prefetch_stream_depth": 1,
        "tlb1_entries": 4,
        "tlb1_ways": 4,
        "tlb2_entries": 12,
        "tlb2_ways": 12,
        "page_bytes": 4096,
        "near_blocks": 4,
        "mid_pages": 4,
    }
    core = st.sampled_from([0, 1, config["cores"] - 1])
    kind = st.sampled_from([Kind.LOAD, Kind.LOAD, Kind.STORE, Kind.STORE, Kind.PREFETCH, Kind.STORE_NT])
    access = st.builds(Access, core, st.integers(0, 6).map(lambda line: line * SET_BYTES), st.just(64), kind, st.just(0), st.integers(0, 3))
    return config, draw(st.lists(access, min_size=40, max_size=150))


@settings(max_examples=100, deadline=None)
@given(quarrels())
def test_cores_that_share_lines_do_as_in_the_reference(program: tuple[dict[str, int], list[Access]]) -> None:
    # GIVEN cores that take lines from one another, WHEN both hierarchies see it, THEN they agree
    config, accesses = program
    found, expected = _run_both(config, accesses)
    assert found == expected
