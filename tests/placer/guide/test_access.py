"""What samples and exact counts tell of reading and writing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.patterns import REGION, reads, simulate, writes
from tierprof.placer.guide.access import BOTH, CHASE, GATHER, MIXED, SCATTER, STREAMING, UNCLEAR, kind_of, tensor_access
from tierprof.placer.guide.exact_access import line_shares
from tierprof.placer.guide.loops import wilson, with_loops
from tierprof.profiler.exact.features import object_counts
from tierprof.profiler.trace import Trace

from .made import GRADIENT, ITEM, MIB, MOMENT, SEEN, USER, Seen, random_places, swept_places

MakeGnn = Callable[..., Trace]


def test_the_ways_that_samples_show(gnn: MakeGnn) -> None:
    # GIVEN loads at random, updates at random by two threads, and stores that sweep
    found = tensor_access(gnn(), [USER, ITEM, GRADIENT, MOMENT])
    # THEN each is told, with the samples that it rests on
    assert [found[site].kind for site in (USER, ITEM, GRADIENT, MOMENT)] == [GATHER, GATHER, SCATTER, STREAMING]
    assert found[GRADIENT].writer_threads == 2
    assert found[GRADIENT].write_share == 1.0
    assert found[USER].write_share == 0.0
    assert found[USER].seen == 200
    assert found[USER].why.startswith("200 samples; gather 100%")
    assert found[MOMENT].shares["stream"] == pytest.approx(1.0)


def test_what_is_too_small_for_its_sweeps_to_show_is_unclear(gnn: MakeGnn) -> None:
    # GIVEN sweeps of a small allocation, many between two samples: any place is as likely as any other
    seen = (Seen(1, ITEM, random_places(4 * MIB)),)
    trace = gnn(seen=seen)
    allocations = trace.frame("allocations")
    allocations.loc[1, "size_bytes"] = 4 * MIB
    trace.write("allocations", allocations)
    assert tensor_access(trace, [ITEM])[ITEM].kind == UNCLEAR


def test_hot_places_in_a_small_allocation_tell_a_gather(gnn: MakeGnn) -> None:
    # GIVEN the same, with half of the samples on two hot rows
    places = random_places(4 * MIB, 400)
    places[::2] = np.where(np.arange(200) % 3 == 0, MIB, 3 * MIB)
    trace = gnn(seen=(Seen(1, ITEM, places),))
    allocations = trace.frame("allocations")
    allocations.loc[1, "size_bytes"] = 4 * MIB
    trace.write("allocations", allocations)
    assert tensor_access(trace, [ITEM])[ITEM].kind == GATHER


def test_a_loop_is_known_wherever_it_runs(gnn: MakeGnn) -> None:
    # GIVEN five samples of a loop that swept another tensor
    few = Seen(1, ITEM, random_places(64 * MIB, 5), access="store", offset=0x3010)
    found = tensor_access(gnn(seen=(SEEN[3], few)), [ITEM])
    assert found[ITEM].kind == STREAMING


def test_addresses_that_were_just_loaded_are_chases_and_none_seen_is_said(gnn: MakeGnn) -> None:
    chased = Seen(0, USER, random_places(256 * MIB), confidence="chase")
    found = tensor_access(gnn(seen=(chased,)), [USER, ITEM])
    assert found[USER].kind == CHASE
    assert (found[ITEM].kind, found[ITEM].why) == (UNCLEAR, "no sample fell on it")


def test_a_base_register_alone_tells_no_kind(gnn: MakeGnn) -> None:
    found = tensor_access(gnn(seen=(SEEN[0]._replace(confidence="base"),)), [USER])
    assert (found[USER].kind, found[USER].shares["unclear"]) == (UNCLEAR, 1.0)


@pytest.mark.parametrize(
    ("shares", "kind"),
    [
        ({"stream": 0.8, "gather": 0.2}, STREAMING),
        ({"stream": 0.5, "gather": 0.5}, MIXED),
        ({"gather": 0.5, "scatter": 0.4, "stream": 0.1}, BOTH),
        ({"gather": 0.39, "unclear": 0.61}, UNCLEAR),
        ({"gather": 0.41, "unclear": 0.59}, GATHER),
        ({"scatter": 1.0}, SCATTER),
    ],
)
def test_kinds_by_shares(shares: dict[str, float], kind: str) -> None:
    assert kind_of({**dict.fromkeys(("stream", "gather", "scatter", "chase"), 0.0), **shares}) == kind


def test_loops_are_instructions_that_lie_close_together() -> None:
    rows = [(0, 0x100), (0, 0x140), (0, 0x1C1), (1, 0x1C2), (-1, 8), (-1, 9)]
    table = with_loops(pd.DataFrame(rows, columns=["module", "offset"]).astype({"offset": np.uint64}))
    assert table["loop"].nunique() == 5
    assert table["loop"].iloc[0] == table["loop"].iloc[1]


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_an_interval_holds_its_share_and_narrows(count: int, share: float) -> None:
    low, high = wilson(np.array([share]), np.array([float(count)]))
    more_low, more_high = wilson(np.array([share]), np.array([4.0 * count]))
    assert -1e-9 <= low[0] <= share + 1e-9 and share - 1e-9 <= high[0] <= 1 + 1e-9
    assert more_high[0] - more_low[0] <= high[0] - low[0]


PATTERNS = {
    "sequential reads": (reads(256, 2, sequential=True), STREAMING),
    "random lines": (reads(64, 2), GATHER),
    "random rows of 256 B": (reads(256, 2), GATHER),
    "random rows of 128 B": (reads(128, 2), GATHER),
    "random rows of 512 B": (reads(512, 2), GATHER),
    "random pages": (reads(4096, 2), STREAMING),
    "sequential writes": (writes(256, 1, temporal=True, sequential=True), STREAMING),
    "random writes of lines": (writes(64, 2, temporal=True), SCATTER),
    "random writes of rows of 256 B": (writes(256, 2, temporal=True), SCATTER),
}


@pytest.mark.parametrize("name", list(PATTERNS))
def test_exact_counts_of_known_patterns_tell_them(name: str) -> None:
    # GIVEN a loop of a known way through memory, simulated
    pattern, kind = PATTERNS[name]
    machine = Machine.load("optane100-x6")
    profile = simulate(pattern, {**machine.config(), "l3_bytes": 11 * 2**17}, lines=20_000).profile
    frames = {"exact_objects": profile.objects, "exact_threads": profile.threads}
    row = line_shares(object_counts(frames), profile.objects).loc[REGION]
    # THEN its counts are told to be that way, by as many threads
    assert kind_of({key: float(row[key]) for key in ("stream", "gather", "scatter", "chase", "unclear")}) == kind
    assert row["writer_threads"] == (pattern.threads if "write" in name else 0)


def test_swept_places_are_what_they_say() -> None:
    assert np.diff(swept_places(256 * MIB)).max() == 5_000_000
