"""One object at a time, in one pass."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile

RandomProfile = Callable[[int], ExactProfile]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.sampled_from([1, 4, 24]), chunk=st.sampled_from([1, 4_000_000]))
def test_each_object_alone_takes_as_long_as_a_run_of_that_plan(
    random_profile: RandomProfile, rising: Machine, seed: int, factor: int, chunk: int
) -> None:
    # GIVEN any run, on tiers whose latency depends on who else is there
    timing = Timing(random_profile(seed), rising, threads_factor=factor)
    timing.chunk_doubles = chunk
    n = len(timing.objects)
    # WHEN every object is timed alone THEN it is as if each plan had been run by itself
    alone = timing.alone()
    assert alone.alone_slow_s == pytest.approx(timing.run(np.eye(n)).seconds if n else np.zeros(0), rel=1e-7)
    assert alone.alone_fast_s == pytest.approx(timing.run(1 - np.eye(n)).seconds if n else np.zeros(0), rel=1e-7)
    assert alone.all_fast_s == pytest.approx(float(timing.run(np.zeros(n)).seconds))
    assert alone.all_slow_s == pytest.approx(float(timing.run(np.ones(n)).seconds))


@pytest.mark.parametrize("name", ["optane100-x6", "cxl", "nvme-3dxp"])
def test_on_real_machines_too(random_profile: RandomProfile, name: str) -> None:
    machine = Machine.load(name)
    for seed in range(20):
        timing = Timing(random_profile(seed), machine, threads_factor=8)
        assert timing.alone().alone_slow_s == pytest.approx(timing.run(np.eye(len(timing.objects))).seconds, rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.sampled_from([1, 24]))
def test_pairs_are_what_both_cost_beyond_each(random_profile: RandomProfile, rising: Machine, seed: int, factor: int) -> None:
    # GIVEN a run with at least two objects
    timing = Timing(random_profile(seed), rising, threads_factor=factor)
    n = len(timing.objects)
    if n < 2:
        return
    # WHEN the interaction of the two costliest is asked for
    pairs = timing.pairs(2)
    # THEN it is the difference that four runs show
    both = np.isin(timing.objects, pairs.index).astype(float)
    one, other = (np.where(timing.objects == each, 1.0, 0.0) for each in pairs.index)
    none_s, one_s, other_s, both_s = timing.run([0 * both, one, other, both]).seconds
    assert pairs.to_numpy() == pytest.approx(np.array([[0, 1], [1, 0]]) * (both_s - one_s - other_s + none_s), abs=1e-6 * both_s)


def test_pairs_of_two_that_wait_for_each_other_are_not_coupled_and_of_two_side_by_side_are(
    profile_of: Callable[..., ExactProfile], plain: Machine
) -> None:
    # GIVEN objects 1 and 2 one after the other on a chain, and 3 and 4 on chains side by side
    chains = ([[(1, 3, 1), (2, 3, 1)]], [[(3, 3, 1)], [(4, 3, 1)]])
    profile = profile_of([{}], [], [{"count": 1000, "base_cycles": 0, "chains": each} for each in chains])
    # WHEN pairs are asked for THEN the first two add up, and of the others one covers the other's 300 us
    pairs = Timing(profile, plain).pairs(4)
    assert pairs.loc[1, 2] == pytest.approx(0, abs=1e-12)
    assert pairs.loc[3, 4] == pytest.approx(-300e-6)
