"""Where accesses fall in large allocations: lanes, granules, weights and forks of the simulator's counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.models.timing.simulator import Access, Exit, ExitKind, Kind, Simulator
from tierprof.profiler.exact import layout
from tierprof.profiler.exact.rawfile import ExactFile, parse_exact
from tierprof.profiler.overlay import lowest_free

from .test_slices import Host, forked

MIB, GIB = 1 << 20, 1 << 30
START = 1 << 40
CONFIG = {"timing": 0, "reuse_every": 0, "prefetch_next_line": 0, "prefetch_stream": 0, "prefetch_stride": 0}

Counts = dict[tuple[int, int, int], tuple[float, float, float]]  # (bytes, lane, granule) -> reads, writes, misses


class Runs:
    """A simulator with a block for each kind of access."""

    def __init__(self, **config: int) -> None:
        self.simulator = Simulator({**CONFIG, **config})
        self.blocks = {
            kind: self.simulator.block(0x1000 * (1 + kind), [Access(kind, 4)], [Exit(1, 1, ExitKind.JUMP)])
            for kind in (Kind.LOAD, Kind.STORE, Kind.UPDATE, Kind.STORE_NT, Kind.PREFETCH)
        }

    def run(self, *addresses: int, kind: Kind = Kind.LOAD) -> None:
        words = np.empty((len(addresses), 2), np.uint64)
        words[:, 0], words[:, 1] = self.blocks[kind].exits[0].word, addresses
        self.simulator.feed(0, words)

    def counts(self) -> Counts:
        return counts(parse_exact(np.frombuffer(self.simulator.end(), np.uint8), "exact.1.0.bin"))


def counts(file: ExactFile) -> Counts:
    assert file.damage == []
    found: Counts = {}
    rows = np.repeat(file.heat, file.heat["n_granules"])
    for row, granule in zip(rows, file.granules, strict=True):
        key = (int(row["bytes"]), int(row["lane"]), int(granule["granule"]))
        before = found.get(key, (0.0, 0.0, 0.0))
        added = (row["weight"] * granule[name] for name in ("reads", "writes", "misses"))
        found[key] = (before[0] + next(added), before[1] + next(added), before[2] + next(added))
    return found


def test_each_kind_of_access_counts_in_its_line() -> None:
    # GIVEN an allocation that begins in the middle of a line
    runs = Runs()
    runs.simulator.claim(START + 16, MIB, 1)
    # WHEN its third line is accessed in every way
    for kind in runs.blocks:
        runs.run(START + 16 + 130, kind=kind)
    # THEN an update is a read and a write, a prefetch is nothing, and the line was fetched once for a load
    assert runs.counts() == {(MIB, 0, 2): (2, 3, 1)}


def test_what_is_small_pseudo_or_nobody_s_is_not_counted() -> None:
    runs = Runs()
    runs.simulator.claim(START, MIB - 1, 1)
    runs.simulator.claim(START + GIB, MIB, layout.FIRST_PSEUDO)
    runs.run(START, START + GIB, START + 2 * GIB)
    assert runs.counts() == {}


def test_it_can_be_turned_off() -> None:
    runs = Runs(heat_bytes=0)
    runs.simulator.claim(START, GIB, 1)
    runs.run(START)
    assert runs.counts() == {}


@pytest.mark.parametrize(("size", "granule_bytes"), [(16 * MIB, 64), (16 * MIB + 1, 128), (GIB, 4096), (3 * GIB, 16384)])
def test_granules_are_as_small_as_so_many_of_them_allow(size: int, granule_bytes: int) -> None:
    # GIVEN an allocation, and accesses to both ends of it
    runs = Runs()
    runs.simulator.claim(START, size, 1)
    runs.run(START, START + granule_bytes - 1, START + granule_bytes, START + size - 1)
    # THEN they are in the granules that they should be in
    reads = {granule: told[0] for (_, _, granule), told in runs.counts().items()}
    assert reads == {0: 2, 1: 1, (size - 1) // granule_bytes: 1}


def test_memory_is_bounded_however_much_is_allocated() -> None:
    # GIVEN many allocations of 64 MiB that all live
    runs = Runs()
    for number in range(300):
        runs.simulator.claim(START + number * GIB, 64 * MIB, 1)
        runs.run(START + number * GIB + 64 * MIB - 1)
    file = parse_exact(np.frombuffer(runs.simulator.end(), np.uint8), "exact.1.0.bin")
    granules = 64 * MIB // file.heat["granule_bytes"].astype(np.int64)
    # THEN those that come late are counted more coarsely
    assert granules.sum() <= 1 << 24
    assert (granules[0], granules[-1]) == (1 << 18, 1 << 8)
    counted = {int(row["lane"]): int(last) for row, last in zip(file.heat, file.granules["granule"], strict=True)}
    assert counted == {lane: int(many) - 1 for lane, many in zip(file.heat["lane"], granules, strict=True)}
    # AND the last are left out, which is told
    left_out = 300 - len(counted)
    assert 0 < left_out < 150
    assert file.notes == [(layout.NoteCode.HEAT, left_out, "")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 15)), min_size=1, max_size=20))
def test_lanes_are_those_that_the_tables_give(drawn: list[tuple[int, int]]) -> None:
    # GIVEN allocations of one site and size, with any lives
    lives = sorted((birth, birth + length) for birth, length in drawn)
    lanes = lowest_free([birth for birth, _ in lives], [death for _, death in lives])
    runs = Runs()
    # WHEN each is read once while it lives, at a place that tells it from the others
    for time in range(lives[-1][0] + 1):
        for number, (_, death) in enumerate(lives):
            if death == time:
                runs.simulator.release(START + number * GIB, MIB)
        for number, (birth, _) in enumerate(lives):
            if birth == time:
                runs.simulator.claim(START + number * GIB, MIB, 1)
                runs.run(START + number * GIB + 64 * number)
    # THEN it is counted in the lane that the tables' reader gives it
    assert {(lane, granule) for _, lane, granule in runs.counts()} == set(zip(lanes, range(len(lives)), strict=True))


def test_an_allocation_that_takes_another_s_place_takes_its_lane() -> None:
    # GIVEN an allocation whose free was never seen, claimed again
    runs = Runs()
    for _ in range(3):
        runs.simulator.claim(START, MIB, 1)
        runs.run(START)
    assert runs.counts() == {(MIB, 0, 0): (3, 0, 1)}


def test_a_part_that_is_unmapped_takes_no_count_with_it() -> None:
    # GIVEN a mapping of which the first half goes
    runs = Runs()
    runs.simulator.claim(START, 2 * MIB, 1)
    runs.run(START)
    runs.simulator.release(START, MIB)
    # WHEN the rest is read, and what was the first half too
    runs.run(START, START + MIB)
    # THEN its place still counts from where it began
    assert {key: told[0] for key, told in runs.counts().items()} == {(2 * MIB, 0, 0): 1, (2 * MIB, 0, MIB // 64): 1}


def test_only_what_is_measured_counts_with_its_weight() -> None:
    runs = Runs()
    runs.simulator.claim(START, MIB, 1)
    for mode, weight in (("measure", 1.0), ("warm", 5.0), ("measure", 5.0), ("skip", 5.0), ("measure", 5.0)):
        runs.simulator.mode(mode, weight)
        runs.run(START)
    # THEN the three measured reads stand for one, five and five
    assert runs.counts()[MIB, 0, 0][0] == 11


def test_a_forked_child_counts_its_own() -> None:
    # GIVEN a run that has counted
    runs = Runs()
    runs.simulator.claim(START, MIB, 1)
    runs.run(START)
    host = Host()
    # WHEN it goes on in a child
    forked(runs.simulator, host)
    runs.run(START + 64)
    runs.simulator.end()
    # THEN the child has its own counts alone, of the allocation that it inherited
    assert counts(parse_exact(np.frombuffer(bytes(host.data), np.uint8), "exact.1.0.bin")) == {(MIB, 0, 1): (1, 0, 1)}
