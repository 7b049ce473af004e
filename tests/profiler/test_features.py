"""Features of small traces whose answer can be counted on fingers."""

import numpy as np
import pandas as pd
import pytest

from tierprof.base.schema import ALLOCATIONS, SAMPLES, SITES
from tierprof.profiler.features import COLUMNS, compute_features, evenness, peak_bytes, stride_regularity

SECOND = 10**9
GIB = 1 << 30


def sites(count: int) -> pd.DataFrame:
    table = SITES.empty_table().to_pandas()
    rows = [
        {"site": s, "key": f"{s:032x}", "kind": "malloc", "name": f"site {s}", "function": "f", "file": "", "line": 0} for s in range(count)
    ]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def allocations(*rows: dict) -> pd.DataFrame:
    default = {
        "pid": 1,
        "tid": 1,
        "kind": "malloc",
        "weight": 1.0,
        "resident_bytes": None,
        "tier": "dram",
        "inherited": False,
        "death_ns": None,
    }
    table = pd.DataFrame([{**default, "allocation": number, **row} for number, row in enumerate(rows)], columns=ALLOCATIONS.names)
    return table.astype({"death_ns": "Int64", "address": np.uint64, "size_bytes": np.uint64})


def samples(*rows: dict) -> pd.DataFrame:
    default = {"pid": 1, "tid": 1, "event": "clock", "ip": 1, "module": 0, "offset": 1, "address": 4096, "access": "load"}
    more = {"confidence": "exact", "where": "object", "site": 0, "allocation": 0, "latency_cycles": 0, "weight_s": 1.0, "time_ns": 0}
    table = pd.DataFrame([{**default, **more, **row} for row in rows], columns=SAMPLES.names)
    return table.astype({"address": np.uint64, "ip": np.uint64, "offset": np.uint64})


def features(allocated: pd.DataFrame, sampled: pd.DataFrame, duration_s: float = 10.0, system_s: float = 0.0) -> pd.DataFrame:
    count = int(allocated["site"].max()) + 1
    table = compute_features(sites(count), allocated, sampled, int(duration_s * SECOND), system_s)
    assert tuple(table.columns) == COLUMNS
    assert not table[[c for c in COLUMNS if c not in ("key", "name", "kind", "function", "file")]].isna().any().any()
    return table


def test_sizes_and_lifetimes() -> None:
    # GIVEN a site with 100 bytes for 1 s, then 300 for the last 5 of 10 s
    allocated = allocations(
        {"site": 0, "address": 4096, "size_bytes": 100, "birth_ns": 0, "death_ns": SECOND},
        {"site": 0, "address": 8192, "size_bytes": 300, "birth_ns": 5 * SECOND},
    )
    row = features(allocated, samples()).iloc[0]
    assert (row["peak_bytes"], row["total_bytes"], row["allocations"], row["largest_bytes"]) == (300, 400, 2, 300)
    assert row["mean_size_bytes"] == 200
    assert row["lifetime_s"] == (100 * 1 + 300 * 5) / 400
    assert row["live_share"] == pytest.approx(0.6)


def test_peak_counts_what_lives_together_and_deaths_before_births() -> None:
    birth, death = np.array([0, 5, 10]), np.array([10, 15, 20])
    assert peak_bytes(np.array([1, 1, 1]), birth, death, np.array([3.0, 4.0, 8.0]))[1] == 12


def test_sampled_small_allocations_stand_for_many() -> None:
    allocated = allocations({"site": 0, "address": 1, "size_bytes": 64, "birth_ns": 0, "kind": "small", "weight": 1000.0})
    row = features(allocated, samples()).iloc[0]
    assert (row["allocations"], row["total_bytes"], row["peak_bytes"], row["largest_bytes"]) == (1000, 64000, 64000, 64)


def test_what_a_child_inherited_is_not_counted_again() -> None:
    allocated = allocations(
        {"site": 0, "address": 4096, "size_bytes": 100, "birth_ns": 0},
        {"site": 0, "address": 4096, "size_bytes": 100, "birth_ns": SECOND, "pid": 2, "inherited": True, "weight": 0.0},
    )
    row = features(allocated, samples({"pid": 2, "allocation": 1})).iloc[0]
    assert (row["allocations"], row["total_bytes"], row["peak_bytes"]) == (1, 100, 100)
    assert row["samples"] == 1


def test_stalls_are_shares_of_all_sampled_time_and_faults_of_all_faults() -> None:
    # GIVEN two objects, 3 s and 1 s of stalls, 4 s elsewhere; faults 30 and 10
    allocated = allocations(
        {"site": 0, "address": 4096, "size_bytes": GIB, "birth_ns": 0},
        {"site": 1, "address": 2 * GIB, "size_bytes": 2 * GIB, "birth_ns": 0},
    )
    sampled = samples(
        {"weight_s": 3.0},
        {"site": 1, "allocation": 1, "address": 2 * GIB},
        {"site": -1, "allocation": -1, "where": "compute", "weight_s": 4.0},
        {"event": "fault", "weight_s": 30.0, "tid": 7, "access": "none"},
        {"event": "fault", "weight_s": 10.0, "site": 1, "allocation": 1, "address": 2 * GIB, "access": "none"},
    )
    table = features(allocated, sampled, system_s=2.0)
    assert table["stall_s"].tolist() == [3.0, 1.0]
    assert table["stall_share"].tolist() == [0.375, 0.125]
    assert table["stall_density"].tolist() == [0.375, 0.0625]
    assert table["faults"].tolist() == [30, 10]
    assert table["kernel_s"].tolist() == [1.5, 0.5]
    assert table["touched_share"].tolist() == [30 / (GIB / 4096), 10 / (2 * GIB / 4096)]
    assert table["first_touch_tid"].tolist() == [7, 1]
    assert table["first_touch_main"].tolist() == [0, 1]


def test_the_touched_share_is_exact_where_most_bytes_were_asked_for() -> None:
    # GIVEN a huge-paged object: one sampled fault, all of it resident; and one of which only the smaller part was asked for
    allocated = allocations(
        {"site": 0, "address": 1 << 30, "size_bytes": 1 << 21, "birth_ns": 0, "resident_bytes": 1 << 20},
        {"site": 1, "address": 1 << 31, "size_bytes": 1 << 22, "birth_ns": 0},
        {"site": 1, "address": 1 << 32, "size_bytes": 1 << 20, "birth_ns": 0, "resident_bytes": 1 << 20},
    )
    fault = {"event": "fault", "weight_s": 10.0}
    sampled = samples({**fault, "address": 1 << 30}, {**fault, "address": 1 << 31, "site": 1, "allocation": 1})
    table = features(allocated, sampled)
    # THEN the first is told exactly, the second by its faults
    assert table["touched_share"].tolist() == [0.5, 10 / ((1 << 22) + (1 << 20)) * 4096]


def test_kinds_of_access_are_shares_of_samples() -> None:
    allocated = allocations({"site": 0, "address": 4096, "size_bytes": 1 << 20, "birth_ns": 0})
    sampled = samples(
        {"access": "load"},
        {"access": "store", "tid": 2, "offset": 2},
        {"access": "update", "confidence": "base"},
        {"access": "load", "confidence": "chase"},
    )
    row = features(allocated, sampled).iloc[0]
    assert (row["samples"], row["accesses"], row["instructions"], row["threads"]) == (4, 4, 2, 2)
    assert (row["write_share"], row["chase_share"], row["exact_share"]) == (0.5, 0.25, 0.5)
    assert row["confidence"] == pytest.approx((1 + 1 + 0.7 + 0.4) / 4)


def test_hardware_events_count_accesses_by_their_weight() -> None:
    allocated = allocations({"site": 0, "address": 4096, "size_bytes": 4096, "birth_ns": 0})
    row = features(allocated, samples({"event": "load", "weight_s": 1000.0}, {"event": "store", "weight_s": 500.0})).iloc[0]
    assert row["accesses"] == 1500
    assert row["stall_s"] == 0


def test_entropy_is_one_when_even_and_zero_on_one_page() -> None:
    same = np.zeros(8, np.int64)
    assert evenness(same, np.arange(8))[0] == pytest.approx(1.0)
    assert evenness(same, same)[0] == 0.0
    assert 0.0 < evenness(same, np.array([0, 0, 0, 0, 0, 0, 0, 1]))[0] < 1.0
    assert evenness(np.zeros(1, np.int64), np.zeros(1, np.int64))[0] == 0.0


def test_burstiness_tells_a_moment_from_always() -> None:
    allocated = allocations(
        {"site": 0, "address": 0, "size_bytes": 4096, "birth_ns": 0}, {"site": 1, "address": 8192, "size_bytes": 4096, "birth_ns": 0}
    )
    always = [{"time_ns": t * SECOND // 10} for t in range(100)]
    moment = [{"time_ns": 5 * SECOND, "site": 1, "allocation": 1, "address": 8192} for _ in range(100)]
    table = features(allocated, samples(*sorted(always + moment, key=lambda row: row["time_ns"])))
    assert table["burstiness"][0] < 0.05
    assert table["burstiness"][1] == 1.0


def test_a_stream_is_regular_and_random_reads_are_not() -> None:
    random = np.random.default_rng(5).integers(0, 1 << 20, 400)
    stream = samples(*({"address": 64 * n, "time_ns": n} for n in range(400)))
    scattered = samples(*({"address": int(a), "time_ns": n} for n, a in enumerate(random)))
    assert stride_regularity(stream)[0] > 0.9
    assert stride_regularity(scattered)[0] < 0.1
    # Two threads that stream in turn are as regular as one.
    both = samples(*({"address": 64 * n, "time_ns": n, "tid": n % 2} for n in range(400)))
    assert stride_regularity(both)[0] > 0.9
    # Two samples say nothing.
    assert stride_regularity(samples({"address": 0}, {"address": 64, "time_ns": 1})).iloc[0] < 0.5


def test_a_trace_without_samples_has_sizes_and_zeros() -> None:
    allocated = allocations({"site": 0, "address": 4096, "size_bytes": 100, "birth_ns": 0})
    row = features(allocated, samples()).iloc[0]
    assert row["peak_bytes"] == 100
    assert row[["stall_s", "stall_share", "samples", "entropy", "confidence"]].tolist() == [0] * 5
