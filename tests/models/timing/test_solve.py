"""Run times that can be reckoned by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tierprof.base.errors import ModelError
from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile

ProfileOf = Callable[..., ExactProfile]

L3, NEAR, MID, FAR = range(4)
GIB = 1 << 30


def test_a_chase_takes_its_misses_times_the_latency(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN a million loads that wait for each other, each 20 cycles of compute, in episodes of one miss
    episodes = [{"count": 1_000_000, "base_cycles": 20_000_000, "chains": [[(7, FAR, 1)]]}]
    profile = profile_of(
        [{"base_cycles": 20_000_000}], [{"object": 7, "loads": 1_000_000, "far_loads": 1_000_000, "read_blocks": 1_000_000}], episodes
    )
    timing = Timing(profile, plain)
    # WHEN it is timed on either tier and half on each THEN every miss takes the tier's latency: the compute is within it
    assert timing.run([0.0]).seconds == pytest.approx(0.1)
    assert timing.run([1.0]).seconds == pytest.approx(0.4)
    assert timing.run([0.5]).seconds == pytest.approx(0.25)
    assert timing.objects.tolist() == [7]


def test_a_gather_overlaps_as_much_as_the_buffers_hold(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN 100 000 episodes of ten independent misses each, with 50 cycles of compute
    episodes = [{"count": 100_000, "base_cycles": 5_000_000, "chains": [[(1, FAR, 1)]]}]
    objects = [{"object": 1, "loads": 1_000_000, "far_loads": 1_000_000, "read_blocks": 1_000_000}]
    timing = Timing(profile_of([{"base_cycles": 5_000_000}], objects, episodes), plain)
    # WHEN it is timed THEN an episode takes one latency, ten misses share it
    assert timing.run([1.0]).seconds == pytest.approx(0.04)
    assert timing.run([0.0]).seconds == pytest.approx(0.01)


def test_misses_that_follow_each_other_through_the_buffers_cost_their_mean(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN episodes that ended as ten misses had used up all buffers, three of four of them near and one far; the chain kept is the far one
    met = [{"object": 1, "near_loads": 750_000, "far_loads": 250_000, "read_blocks": 250_000}]
    episode = {"count": 100_000, "base_cycles": 1_000_000, "misses": 1_000_000, "chains": [[(1, FAR, 1)]]}
    timing = Timing(profile_of([{"base_cycles": 1_000_000}], met, [episode]), plain)
    # WHEN they are timed THEN an episode takes (3 x 200 + 400) / 4 ns, as Little's law has it
    assert timing.run([1.0]).seconds == pytest.approx(250e-9 * 100_000)
    # BUT fewer misses, which a full window ended, take as long as the farthest
    fewer = Timing(profile_of([{"base_cycles": 1_000_000}], met, [episode | {"misses": 900_000}]), plain)
    assert fewer.run([1.0]).seconds == pytest.approx(400e-9 * 100_000)
    # AND so do chains that come back to their object, as a chase does
    chase = Timing(profile_of([{"base_cycles": 1_000_000}], met, [episode | {"chains": [[(1, NEAR, 1), (1, FAR, 1)]]}]), plain)
    assert chase.run([1.0]).seconds == pytest.approx(600e-9 * 100_000)


def test_chains_from_one_object_to_another_overlap_as_far_as_the_window_holds_them(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN episodes of ten misses, each of 1 then 2 and 100 instructions of a window of 224
    met = [{"object": o, "far_loads": 500_000, "read_blocks": 500_000} for o in (1, 2)]
    episode = {"count": 100_000, "base_cycles": 0, "misses": 1_000_000, "chains": [[(1, FAR, 1), (2, FAR, 1)]]}
    # WHEN they are timed THEN the buffers bound them, one latency each, and with more instructions the window, of two latencies
    for instructions, latencies in ((100, 1.0), (200, 2 * 200 / 224)):
        profile = profile_of([{}], met, [episode | {"instructions": 100_000 * instructions}])
        assert Timing(profile, plain).run([1.0, 1.0]).seconds == pytest.approx(400e-9 * 100_000 * latencies)


def test_the_slowest_chain_counts_and_a_plan_changes_which_it_is(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN episodes of two chains: two misses on object 1 after an L3 hit, or three on object 2
    chains = [[(0, L3, 1), (1, FAR, 2)], [(2, FAR, 3)]]
    profile = profile_of([{"base_cycles": 0}], [], [{"count": 1000, "base_cycles": 0, "chains": chains}])
    timing = Timing(profile, plain)
    # WHEN both are fast, or either is slow THEN the longer chain is the time
    runs = timing.run([[0, 0], [1, 0], [0, 1], [1, 1]])
    assert runs.seconds == pytest.approx(np.array([300, 820, 1200, 1200]) * 1e-6)


def test_compute_within_an_episode_hides_latency(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN 250 cycles of compute meanwhile, more than the fast tier takes and less than the slow one
    profile = profile_of([{"base_cycles": 250_000}], [], [{"count": 1000, "base_cycles": 250_000, "chains": [[(1, FAR, 1)]]}])
    # WHEN it is timed THEN only the slow tier is felt
    assert Timing(profile, plain).run([[0], [1]]).seconds == pytest.approx([250e-6, 400e-6])


def test_a_stream_that_the_prefetchers_keep_up_with_takes_its_bytes_over_the_bandwidth(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN sixteen threads that each read 1 GiB in order, all of it prefetched
    lines = GIB // 64
    objects = [{"thread": t, "object": 1, "prefetched_lines": lines, "read_blocks": lines // 4} for t in range(16)]
    timing = Timing(profile_of([{"thread": t, "base_cycles": 1} for t in range(16)], objects), plain)
    # WHEN it is timed THEN the tiers bound it, at 100 and 40 GB/s
    runs = timing.run([[0], [1]])
    assert runs.seconds == pytest.approx([16 * GIB / 100e9, 16 * GIB / 40e9])
    assert runs.slow_read_bytes == pytest.approx([0, 16 * GIB])
    assert runs.slow_utilisation == pytest.approx([0, 1])
    assert (runs.bandwidth_share + runs.occupancy_share + runs.latency_share + runs.compute_share) == pytest.approx([1, 1])


def test_a_line_read_at_random_moves_a_whole_block(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN a million lines, each of another block, on enough threads
    objects = [{"thread": t, "object": 1, "far_loads": 1_000_000, "read_blocks": 1_000_000} for t in range(20)]
    # WHEN they are read from the slow tier THEN 256 B each go at its 40 GB/s
    timing = Timing(profile_of([{"thread": t} for t in range(20)], objects), plain)
    assert timing.run([1.0]).seconds == pytest.approx(20 * 1_000_000 * 256 / 40e9)


def test_evicted_lines_are_scattered_and_non_temporal_ones_combine(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN the same bytes stored in order with and without the caches
    lines = 1_000_000
    common = {"object": 1, "store_bytes": lines * 64, "writeback_lines": lines, "write_blocks": lines // 4}
    past = profile_of([{"thread": t} for t in range(8)], [{"thread": t, "nt_stores": lines} | common for t in range(8)])
    through = profile_of([{"thread": t} for t in range(8)], [{"thread": t, "stores": lines} | common for t in range(8)])
    # WHEN they are timed on the slow tier THEN combined lines take a quarter of a block, evicted ones half a block each
    assert Timing(past, plain).run([1.0]).seconds == pytest.approx(8 * lines * 64 / 10e9)
    assert Timing(through, plain).run([1.0]).seconds == pytest.approx(8 * lines * 128 / 10e9)


def test_stores_occupy_the_miss_buffers(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN a million lines that stores fetch at random: no load waits for them
    profile = profile_of([{"base_cycles": 1000}], [{"object": 1, "stores": 1_000_000, "rfo_lines": 1_000_000, "read_blocks": 1_000_000}])
    # WHEN it is timed THEN ten at a time are under way
    run = Timing(profile, plain).run([1.0])
    assert run.seconds == pytest.approx(1_000_000 * 400e-9 / 10)
    assert run.occupancy_share == pytest.approx(1, abs=1e-3)


def test_threads_take_as_long_as_the_slowest_and_share_the_bandwidth(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN two threads, one with twice the work, in two slices; in the second they swap
    work = [{"slice": s, "thread": t, "base_cycles": cycles} for s, t, cycles in ((0, 0, 100), (0, 1, 200), (1, 0, 400), (1, 1, 50))]
    # WHEN it is timed THEN each slice takes its slowest thread
    assert Timing(profile_of(work, [{"object": 1}]), plain).run([0.0]).seconds == pytest.approx(600e-9)


def test_a_factor_of_threads_multiplies_the_traffic_and_not_the_threads_own_time(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN one thread that reads 1 000 000 random lines, bound by its buffers
    profile = profile_of([{}], [{"object": 1, "far_loads": 1_000_000, "read_blocks": 1_000_000}])
    # WHEN more and more such threads run THEN they take as long as one, until the tier is busy: 6.4 GB/s of blocks each, 40 in all
    seconds = [float(Timing(profile, plain, threads_factor=factor).run([1.0]).seconds) for factor in (1, 3, 12)]
    assert seconds == pytest.approx([0.04, 0.04, 12 * 0.256 / 40])


def test_latency_rises_with_the_load_that_it_allows(profile_of: ProfileOf, rising: Machine) -> None:
    # GIVEN random reads bound by the buffers: 40 ns a line idle, of which a busy tier needs 6.4 ns
    profile = profile_of([{}], [{"object": 1, "far_loads": 1_000_000, "read_blocks": 1_000_000}])
    for factor in (1, 2, 4, 5):
        # WHEN it is solved THEN T = 40 (1 + busy / T), which is a quadratic equation
        seconds = float(Timing(profile, rising, threads_factor=factor).run([1.0]).seconds)
        busy = 6.4e-3 * factor
        assert seconds == pytest.approx((0.04 + np.sqrt(0.04**2 + 4 * 0.04 * busy)) / 2, rel=1e-6)


def test_a_fence_waits_for_non_temporal_stores(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN 1000 of them, with a fence after each, and another run with fences and nothing to wait for
    stores = {"object": 1, "nt_stores": 1000, "store_bytes": 64000, "writeback_lines": 1000, "write_blocks": 1000}
    fenced = Timing(profile_of([{"fences": 1000}], [stores]), plain)
    idle = Timing(profile_of([{"fences": 1000}], [{"object": 1, "stores": 1000}]), plain)
    # WHEN they are timed THEN each fence costs what the machine's file says (90.4 and 86.9 ns)
    assert fenced.run([[0], [1]]).seconds == pytest.approx([86.9e-6, 90.4e-6])
    assert idle.run([1.0]).seconds == 0


def test_sampled_intervals_stand_for_the_rest_and_say_how_sure_they_are(profile_of: ProfileOf, plain: Machine) -> None:
    # GIVEN four intervals of 1000 instructions that stand for ten times as many, at 1, 1, 1 and 3 cycles each
    threads = [{"slice": s, "weight": 10.0, "instructions": 1000, "base_cycles": 1000 * c} for s, c in enumerate((1, 1, 1, 3))]
    run = Timing(profile_of(threads, [{"object": 1}]), plain).run([0.0])
    # WHEN it is timed THEN the whole is the weighted sum, and the interval is Student's with 3 degrees of freedom
    assert run.seconds == pytest.approx(60e-6)
    error = np.sqrt(0.9 * 4 / 3 * (3 * 5e-6**2 + 15e-6**2))
    assert run.high_s - run.seconds == pytest.approx(3.182446 * error)
    # AND alike intervals leave no doubt, nor does a run that was measured whole
    alike = [row | {"base_cycles": 1000} for row in threads]
    assert Timing(profile_of(alike, [{"object": 1}]), plain).run([0.0]).high_s == pytest.approx(40e-6)
    whole = [row | {"weight": 1.0} for row in threads]
    assert Timing(profile_of(whole, [{"object": 1}]), plain).run([0.0]).low_s == pytest.approx(6e-6)


def test_a_plan_of_another_shape_or_beyond_the_whole_is_refused(profile_of: ProfileOf, plain: Machine) -> None:
    timing = Timing(profile_of([{}], [{"object": 1}, {"object": 2}]), plain)
    for plan in ([0.5], [[0.5]], [0.5, 1.5], [np.nan, 0.0]):
        with pytest.raises(ModelError):
            timing.run(plan)


def test_nothing_measured_is_refused(profile_of: ProfileOf, plain: Machine) -> None:
    empty = profile_of([{}])
    empty = replace(empty, threads=empty.threads.iloc[:0])
    with pytest.raises(ModelError, match="nothing of it was measured"):
        Timing(empty, plain)
