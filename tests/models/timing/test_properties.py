"""What must hold for any run on any machine."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.slices import TOLERANCE, slice_times
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile

RandomProfile = Callable[[int], ExactProfile]

# A tier that is slower in all respects: what is taken from the fast one must not make up for it.
SLOWER = """
base = "cxl-emulated"
[fast]
name = "quick"
loaded = [{ read_share = 1.0, utilisation = [1.0], multiple = [1.0], source = "test" }]
read_gb_s = { value = 100000, source = "test" }
write_gb_s = { value = 100000, source = "test" }
bus_gb_s = { value = 100000, source = "test" }
"""


@pytest.fixture(scope="session")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    path = tmp_path_factory.mktemp("machines") / "slower.toml"
    path.write_text(SLOWER)
    return Machine.load(path)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_more_on_a_tier_that_is_slower_in_all_respects_is_never_faster(random_profile: RandomProfile, slower: Machine, seed: int) -> None:
    # GIVEN plans that put more and more on the slow tier, object by object and in parts
    timing = Timing(random_profile(seed), slower, threads_factor=16)
    n = len(timing.objects)
    order = np.random.default_rng(seed).permutation(n)
    shares = np.clip(np.linspace(0, n, 4 * n + 1)[:, None] - np.argsort(order)[None, :], 0, 1)
    # WHEN they are timed THEN no step makes the run faster
    seconds = timing.run(shares).seconds
    assert np.all(np.diff(seconds) >= -1e-8 * seconds[:-1])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), name=st.sampled_from(["optane100-x6", "optane100-x1", "cxl-far", "nvme-nand"]), factor=st.integers(1, 64)
)
def test_the_solver_ends_at_the_load_that_its_own_time_brings_about(
    random_profile: RandomProfile, name: str, factor: int, seed: int
) -> None:
    # GIVEN any run, plan and machine
    timing = Timing(random_profile(seed), Machine.load(name), threads_factor=factor)
    plans = np.random.default_rng(seed).random((len(timing.objects), 5))
    # WHEN it is solved THEN the gap is closed, and the parts make up the whole
    times = slice_times(timing.work(plans), timing.lanes)
    assert times.gap <= TOLERANCE
    parts = (times.compute_ns, times.latency_ns, times.occupancy_ns, times.bandwidth_ns)
    assert all(np.all(part >= -1e-6) for part in parts)
    assert sum(parts) == pytest.approx(times.total_ns)


def test_many_plans_are_timed_as_each_by_itself(random_profile: RandomProfile) -> None:
    timing = Timing(random_profile(7), Machine.load("optane100-x6"), threads_factor=4)
    plans = np.random.default_rng(1).random((9, len(timing.objects)))
    timing.chunk_doubles = 1
    each = [float(timing.run(plan).seconds) for plan in plans]
    assert timing.run(plans).seconds == pytest.approx(each)
    timing.chunk_doubles = 10_000_000
    assert timing.run(plans).seconds == pytest.approx(each)
    assert float(timing.run(plans)[3].seconds) == pytest.approx(each[3])
