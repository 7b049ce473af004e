"""Heat by block: what is counted where, in blocks of which size."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.base.schema import HEAT, TABLES
from tierprof.profiler.heat import MOST_BLOCKS, heat_of, in_blocks, sampled_heat
from tierprof.profiler.trace import Trace

KIB, MIB = 1 << 10, 1 << 20
PAGE = 4096
BASE = 1 << 32


def allocations(*sizes: int) -> pd.DataFrame:
    """One after the other in address and time, each of a site of its own."""
    starts = BASE + np.concatenate(([0], np.cumsum(sizes)[:-1]))
    table = pd.DataFrame({"address": starts.astype(np.uint64), "size_bytes": np.array(sizes, np.uint64), "site": range(len(sizes))})
    table = table.assign(
        allocation=range(len(sizes)), pid=1, tid=1, birth_ns=0, kind="malloc", weight=1.0, tier="dram", inherited=False, name=None
    )
    return table.assign(death_ns=pd.array([None] * len(sizes), dtype="Int64"), resident_bytes=np.nan)


def samples(allocation: int, addresses: "np.ndarray | list[int]", **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"address": np.asarray(addresses, np.uint64), "allocation": allocation})
    return table.assign(**{"event": "clock", "access": "load", "confidence": "exact", "weight_s": 0.001, **columns})


def test_samples_count_in_the_block_that_they_fell_in() -> None:
    # GIVEN an object of 1 MiB whose pages 3 and 200 are hit again and again
    hot = samples(0, [BASE + 3 * PAGE + 8 * k for k in range(300)])
    warm = samples(0, [BASE + 200 * PAGE] * 100, access="update", weight_s=0.002)
    heat = sampled_heat(allocations(MIB), pd.concat([hot, warm], ignore_index=True))
    # THEN its blocks are pages, and these two have all
    assert heat[["allocation", "site", "block_bytes", "block"]].to_numpy().tolist() == [[0, 0, PAGE, 3], [0, 0, PAGE, 200]]
    assert heat["samples"].tolist() == [300, 100]
    assert heat["stall_s"].tolist() == pytest.approx([0.3, 0.2])
    assert heat["writes"].tolist() == [0, 100]
    assert list(heat.columns) == HEAT.names


def test_samples_without_an_exact_address_are_told_and_left_out() -> None:
    # GIVEN samples of which a quarter know only the object, and page faults
    known = samples(0, [BASE] * 30)
    base = samples(0, [BASE + 5 * PAGE] * 10, confidence="base")
    faults = samples(0, [BASE + PAGE * k for k in range(50)], event="fault")
    heat = sampled_heat(allocations(MIB), pd.concat([known, base, faults], ignore_index=True))
    # THEN they are in no block
    assert (heat["samples"].sum(), heat["block"].tolist(), heat["located_share"].tolist()) == (30, [0], [0.75])


def test_hardware_samples_are_heat_and_no_time() -> None:
    heat = sampled_heat(allocations(MIB), samples(0, [BASE] * 5, event="load", weight_s=1000.0))
    assert (heat["samples"].tolist(), heat["stall_s"].tolist()) == ([5.0], [0.0])


def test_what_is_small_or_no_object_has_no_heat() -> None:
    # GIVEN samples of an object below the threshold, and of none
    mixed = pd.concat([samples(0, [BASE] * 5), samples(-1, [0x1000] * 5)], ignore_index=True)
    heat = sampled_heat(allocations(MIB - 1), mixed)
    # THEN the table is empty, and has its columns
    assert (len(heat), list(heat.columns)) == (0, HEAT.names)
    assert len(sampled_heat(allocations(MIB), mixed.iloc[:0])) == 0


def block_bytes(size: int, offsets: np.ndarray) -> int:
    heat = sampled_heat(allocations(size), samples(0, BASE + offsets))
    assert heat["samples"].sum() == len(offsets)
    return int(heat["block_bytes"].iloc[0])


def test_blocks_are_as_large_as_the_samples_allow() -> None:
    rng = np.random.default_rng(1)
    # GIVEN heat that is even THEN nothing is lost with the largest blocks, however many samples
    for count in (1, 50, 5000):
        assert block_bytes(256 * MIB, rng.integers(0, 256 * MIB, count)) == 2 * MIB
    # GIVEN heat in 64 scattered pages THEN there are pages if there are samples to tell them
    pages = rng.choice(256 * MIB // PAGE, 64, replace=False)
    assert block_bytes(256 * MIB, rng.choice(pages, 5000) * PAGE) == PAGE
    # GIVEN heat in one piece of 16 MiB THEN its blocks are smaller than it, and larger than pages
    piece = 64 * MIB + rng.integers(0, 16 * MIB, 2000)
    assert 16 * KIB <= block_bytes(256 * MIB, piece) <= 2 * MIB
    # GIVEN an object smaller than the largest block THEN no block is larger than it
    assert block_bytes(MIB + PAGE, rng.integers(0, MIB, 1)) == MIB


def test_a_histogram_is_bounded() -> None:
    # GIVEN counts that tell every page of 64 MiB apart
    pages = np.arange(64 * MIB // PAGE)
    table = pd.DataFrame(
        {"first": 0, "page": pages, "samples": 1000.0 * (1 + pages // 4 % 2), "stall_s": 0.0, "writes": 0.0, "misses": np.nan}
    )
    about = pd.DataFrame({"size_bytes": [64 * MIB], "allocations": 1, "located_share": 1.0, "granule_bytes": 1})
    heat = in_blocks(table, allocations(64 * MIB), about)
    # THEN there are no more blocks than that, and nothing is lost
    assert len(heat) == MOST_BLOCKS
    assert heat["samples"].sum() == table["samples"].sum()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(0, 2**40), max_size=60)), min_size=1, max_size=4))
def test_every_sample_is_in_one_block_of_its_own_allocation(drawn: list[tuple[int, list[int]]]) -> None:
    # GIVEN allocations of any sizes and samples anywhere in them
    sizes = [size * MIB + 123 * size for size, _ in drawn]
    table = allocations(*sizes)
    starts = table["address"].to_numpy()
    places = [np.array(own, np.uint64) % np.uint64(size) for size, (_, own) in zip(sizes, drawn, strict=True)]
    heat = sampled_heat(table, pd.concat([samples(at, starts[at] + own) for at, own in enumerate(places)], ignore_index=True))
    for at, own in enumerate(places):
        mine = heat[heat["allocation"] == at]
        # THEN each block has the samples that lie in it
        if len(own) == 0:
            assert len(mine) == 0
            continue
        assert mine["block_bytes"].nunique() == 1
        expected = pd.Series(own.astype(np.int64) // mine["block_bytes"].iloc[0]).value_counts().sort_index()
        assert mine["block"].tolist() == expected.index.tolist()
        assert mine["samples"].tolist() == expected.tolist()


def test_a_trace_without_the_table_has_it_made(tmp_path: Path) -> None:
    # GIVEN a trace that was recorded before there was such a table
    trace = Trace(tmp_path, {})
    trace.write("allocations", allocations(MIB))
    told = samples(0, [BASE] * 7).assign(time_ns=0, pid=1, tid=1, ip=0, module=-1, offset=0, where="object", site=0, latency_cycles=0)
    trace.write("samples", told)
    made = heat_of(trace)
    # THEN it is the same as with it
    trace.write("heat", made)
    pd.testing.assert_frame_equal(heat_of(trace), made, check_dtype=False)
    assert trace.table("heat").schema.equals(TABLES["heat"])
