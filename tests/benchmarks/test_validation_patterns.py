"""The published patterns as the simulator runs them: what an operation moves, what it waits for, who does which one."""

import pandas as pd
import pytest

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.patterns import ADDRESSES, CASCADE_LAKE, ICE_LAKE, REGION, Run, custom, reads, simulate, writes

LINES = 4096
SMALL_CACHES = {"l2_bytes": 1 << 17, "l3_bytes": 1 << 19, "l3_ways": 16}


@pytest.fixture(scope="module")
def config() -> dict[str, int]:
    return {**Machine.load("optane100-x6").config(), **SMALL_CACHES}


def objects(run: Run) -> pd.DataFrame:
    """Counts by object, over all threads."""
    return run.profile.objects.groupby("object").sum()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("size", [64, 256, 1024])
def test_reads_touch_every_line_of_each_operation_once(config: dict[str, int], size: int, threads: int) -> None:
    # GIVEN a list of reads, WHEN some threads work it off
    run = simulate(reads(size, threads), config, lines=LINES)
    # THEN each operation loads its pointer and its lines, and nothing is stored
    counted = objects(run)
    assert counted.loc[REGION, "loads"] == run.operations * size // 64
    assert counted.loc[REGION, "load_bytes"] == run.operations * size
    assert counted.loc[ADDRESSES, "loads"] == run.operations
    assert counted[["stores", "nt_stores", "writeback_lines"]].to_numpy().sum() == 0
    assert run.profile.threads["thread"].nunique() == threads


def test_sequential_operations_are_dealt_out_to_threads_without_gaps(config: dict[str, int]) -> None:
    # GIVEN prefetchers that are off, so that only what is asked for is fetched
    plain = {**config, "prefetch_next_line": 0, "prefetch_stream": 0, "prefetch_stride": 0}
    # WHEN four threads read one region in order
    run = simulate(reads(256, 4, sequential=True), plain, lines=LINES)
    # THEN together they read each block and each line once: had they overlapped, the shared cache would have answered
    region = objects(run).loc[REGION]
    assert region["l2_misses"] == run.operations * 4
    assert region["l3_hits"] == 0
    assert region["read_blocks"] == run.operations


@pytest.mark.parametrize("size", [64, 256])
def test_non_temporal_writes_are_fenced_and_pass_the_caches(config: dict[str, int], size: int) -> None:
    # GIVEN writes of `nocache`, WHEN two threads make them in order
    run = simulate(writes(size, 2, temporal=False, sequential=True), config, lines=LINES)
    # THEN every line goes to memory at once, nothing is fetched for it, and each operation has its fence
    region = objects(run).loc[REGION]
    assert region["nt_stores"] == region["writeback_lines"] == run.operations * size // 64
    assert region[["rfo_lines", "prefetched_lines"]].sum() == 0
    assert run.profile.threads["fences"].sum() == run.operations


def test_plain_stores_are_measured_with_caches_full_of_dirty_lines(config: dict[str, int]) -> None:
    # GIVEN plain stores, which reach memory only when something else needs their place
    run = simulate(writes(256, 1, temporal=True, sequential=True), config, lines=LINES)
    # THEN as many lines leave the caches as come in, within what one turn of the threads shifts
    region = objects(run).loc[REGION]
    assert abs(region["writeback_lines"] - run.operations * 4) <= 1024 * 4
    assert region["rfo_lines"] + region["prefetched_lines"] == run.operations * 4
    assert run.profile.threads["fences"].sum() == 0


def test_custom_operations_overlap_as_far_as_the_window_holds_them(config: dict[str, int]) -> None:
    # GIVEN one read an operation, of as many micro-operations as a division makes them
    pattern = custom("rp_64", 1, CASCADE_LAKE)
    run = simulate(pattern, {**config, "prefetch_next_line": 0}, lines=LINES)
    # THEN an episode spans the operations that begin within the window
    episodes = run.profile.episodes
    overlapped = -(-config["window_instructions"] // pattern.uops)
    assert overlapped == 3
    assert episodes["misses"].sum() / episodes["count"].sum() == pytest.approx(overlapped, rel=0.05)


def test_timed_operations_do_not_overlap(config: dict[str, int]) -> None:
    # GIVEN operations that are timed one by one
    run = simulate(custom("rp_64", 1, ICE_LAKE, clocked=True, alone=True), {**config, "prefetch_next_line": 0}, lines=LINES)
    # THEN each miss is an episode of its own
    assert run.profile.episodes["count"].sum() == run.profile.episodes["misses"].sum()


@pytest.mark.parametrize("kind", ["cache", "cacheinv", "nocache", "none"])
def test_custom_writes_go_where_the_read_was(config: dict[str, int], kind: str) -> None:
    # GIVEN a write after each read, flushed or not
    run = simulate(custom(f"rp_256,wp_256_{kind}", 1, CASCADE_LAKE), {**config, "prefetch_next_line": 0}, lines=LINES)
    # THEN it stores as many bytes, and never has to fetch a line: the read has it
    region = objects(run).loc[REGION]
    assert region["store_bytes"] == region["load_bytes"] == run.operations * 256
    assert region["rfo_lines"] == 0
    assert run.profile.threads["fences"].sum() == (0 if kind == "none" else run.operations)


def test_division_costs_a_window_more_on_the_older_core() -> None:
    # GIVEN the same operation on two generations, THEN only its division differs; a clocked loop has two
    for clocked, divisions in ((False, 1), (True, 2)):
        older, newer = (custom("rp_64", 1, core, clocked=clocked) for core in (CASCADE_LAKE, ICE_LAKE))
        assert older.uops - newer.uops == divisions * 32
