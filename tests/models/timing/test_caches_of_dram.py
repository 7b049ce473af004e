"""DRAM as a cache in front of the slow tier: Memory Mode, and pages of a device."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.base.errors import ModelError
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.reuse import ReuseDistances, direct_mapped, least_recently_used
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile

ProfileOf = Callable[..., ExactProfile]

FAR = 3


def _distances(rows: list[tuple[int, int, float, int, float]], objects: list[int]) -> ReuseDistances:
    return ReuseDistances(pd.DataFrame(rows, columns=["object", "granule_bytes", "cold", "bin", "weight"]), 64, np.array(objects))


@settings(max_examples=30, deadline=None)
@given(distance=st.integers(1, 60), places=st.integers(1, 40))
def test_the_chance_of_a_conflict_is_what_random_places_give(distance: int, places: int) -> None:
    # GIVEN many lines that fall on random places of a small cache
    rng = np.random.default_rng(distance * 100 + places)
    fell = rng.integers(0, places, (4000, distance))
    # WHEN it is asked how often one of them falls on place 0 THEN it is Smith's formula
    found = float(np.mean((fell == 0).any(axis=1)))
    assert found == pytest.approx(float(direct_mapped(np.array(distance), np.array(places))), abs=0.04)


def test_an_lru_cache_misses_what_lies_farther_than_it_holds() -> None:
    distance = np.array([1.0, 100.0, 1e6])
    assert least_recently_used(distance, np.array(1000.0)) == pytest.approx([0, 0, 1])


def test_distances_shrink_with_what_does_not_lie_behind_the_cache() -> None:
    # GIVEN two objects of 1000 lines, both used at distances about 1448 (bin 10), and a cache that holds 1000
    distances = _distances([(1, 64, 1000.0, 10, 9000.0), (2, 64, 1000.0, 10, 9000.0)], [1, 2])
    plans = np.array([[1.0, 1.0], [1.0, 0.0]]).T
    # WHEN both, or one, lie behind it
    ratio = distances.miss_ratio(plans, 1000.0, least_recently_used)
    # THEN all uses miss with both; by itself an object fits, in which half a bin is not certain
    assert ratio[:, 0] == pytest.approx([1.0, 1.0])
    assert ratio[0, 1] == pytest.approx((0.9 * (10.5 - np.log2(2000) + 0.5) + 0.1 * 0.5), abs=1e-6)


def test_an_object_without_distances_is_like_all_others_together() -> None:
    distances = _distances([(1, 64, 10.0, 3, 100.0)], [1, 2])
    ratio = distances.miss_ratio(np.ones((2, 1)), 8.0, direct_mapped)
    assert ratio[0] == pytest.approx(ratio[1])


def _chase(profile_of: ProfileOf, granule: int, footprint: float, distance_bin: int) -> ExactProfile:
    episodes = [{"count": 100_000, "base_cycles": 0, "chains": [[(1, FAR, 1)]]}]
    objects = [{"object": 1, "far_loads": 100_000, "read_blocks": 100_000}]
    return profile_of([{}], objects, episodes, [(1, granule, footprint, distance_bin, footprint * 99)])


def test_memory_mode_costs_dram_where_all_fits_and_both_where_nothing_does(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN a chase over a footprint of 2^20 lines
    profile = _chase(profile_of, 64, 2.0**20, 19)
    # WHEN the cache is far larger, or far smaller
    large, small = (float(Timing(profile, plain, memory_mode_dram_bytes=64 * lines).run([1.0]).seconds) for lines in (2**34, 2**6))
    # THEN a miss takes DRAM's latency, or DRAM's and then Optane's
    assert large == pytest.approx(100e-9 * 100_000, rel=1e-3)
    assert small == pytest.approx((100e-9 + 400e-9) * 100_000, rel=1e-3)
    # AND what the plan keeps in DRAM has no Optane behind it
    assert float(Timing(profile, plain, memory_mode_dram_bytes=64 * 2**6).run([0.0]).seconds) == pytest.approx(100e-9 * 100_000)


def test_memory_mode_moves_lines_in_and_dirty_ones_out(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN 1000 lines read and 500 written that all miss
    counts = [{"object": 1, "far_loads": 1000, "read_blocks": 1000, "stores": 500, "writeback_lines": 500, "write_blocks": 500}]
    profile = profile_of([{"base_cycles": 1}], counts, [], [(1, 64, 1e9, 29, 1e9)])
    # WHEN it runs in Memory Mode THEN DRAM reads and fills every line and takes every write, Optane reads and writes what misses
    run = Timing(profile, plain, memory_mode_dram_bytes=64).run([1.0])
    assert (run.fast_read_bytes, run.fast_write_bytes) == pytest.approx((64_000, 64_000 + 32_000))
    assert (run.slow_read_bytes, run.slow_write_bytes) == pytest.approx((64_000, 32_000))


def test_a_page_fault_costs_the_device_and_the_way_to_it_and_faults_do_not_overlap(profile_of: ProfileOf) -> None:
    # GIVEN 100 000 scattered lines in episodes of ten, over pages of which none stays
    machine = Machine.load("nvme-3dxp")
    episodes = [{"count": 10_000, "base_cycles": 0, "chains": [[(1, FAR, 1)]]}]
    objects = [{"object": 1, "far_loads": 100_000, "read_blocks": 100_000}]
    profile = profile_of([{}], objects, episodes, [(1, 4096, 2.0**30, 29, 2.0**30)])
    # WHEN it is timed with next to no cache THEN each line is a fault of 10 us and 3 us, at nearly no load
    run = Timing(profile, machine, page_cache_bytes=4096).run([1.0])
    assert float(run.seconds) == pytest.approx(100_000 * 13e-6, rel=0.05)
    assert run.slow_read_bytes == pytest.approx(100_000 * 4096)
    # AND with room for all of it there are none
    assert float(Timing(profile, machine, page_cache_bytes=2.0**50).run([1.0]).seconds) < 0.01


def test_readahead_waits_less_often_for_a_stream(profile_of: ProfileOf) -> None:
    # GIVEN pages of which each is met once, scattered or in order
    machine = Machine.load("nvme-nand")
    reuse = [(1, 4096, 2.0**30, 29, 2.0**30)]
    scattered = profile_of([{}], [{"object": 1, "far_loads": 1000, "read_blocks": 1000}], [], reuse)
    ordered = profile_of([{}], [{"object": 1, "prefetched_lines": 1000, "read_blocks": 250}], [], reuse)
    # WHEN both are timed THEN the stream waits for one page in 32
    slow, quick = (float(Timing(each, machine, page_cache_bytes=4096).run([1.0]).seconds) for each in (scattered, ordered))
    assert quick < slow / 10


def test_what_does_not_fit_together_is_refused(profile_of: ProfileOf, plain: Machine) -> None:
    bare = profile_of([{}], [{"object": 1}])
    with pytest.raises(ModelError, match="the trace has no reuse distances of 64 B"):
        Timing(bare, plain, memory_mode_dram_bytes=1 << 30)
    with pytest.raises(ModelError, match="the trace has no reuse distances of 4096 B"):
        Timing(bare, Machine.load("nvme-nand"))
    with pytest.raises(ModelError, match="cannot be timed in Memory Mode"):
        Timing(bare, Machine.load("nvme-nand"), memory_mode_dram_bytes=1 << 30)
