"""Prediction from stall shares: the middle by hand, the ends for the right reasons."""

from collections.abc import Callable

import numpy as np
import pytest

from tierprof.base.errors import TraceError
from tierprof.placer.predict.sampled import STACK, STATIC, LatencyRatio, SampledForecast
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 2**20
RATIO = LatencyRatio(near=2.0, far=3.0)

#: Of 10 s: 4 s of random waiting, 2 s of regular waiting, 0.5 s each of stack and static data, 1 s of computing.
OBJECTS = [
    {"peak_bytes": 100 * MIB, "stall_s": 4.0, "stride_regularity": 0.0},
    {"peak_bytes": 200 * MIB, "stall_s": 2.0, "stride_regularity": 1.0},
]


@pytest.fixture
def trace(make_trace: MakeTrace) -> Trace:
    return make_trace("bfs", OBJECTS, samples=1_000_000)


def _one(forecast: SampledForecast, *slow: int) -> np.ndarray:
    share = np.zeros((1, len(forecast.objects)))
    share[0, list(slow)] = 1.0
    return np.concatenate(forecast.run(share))


def test_an_object_costs_its_waiting_times_the_ratio(trace: Trace) -> None:
    forecast = SampledForecast(trace, RATIO, cache_bytes=0)
    assert forecast.objects.tolist() == [0, 1, STACK, STATIC]
    # WHEN nothing is slow THEN the run takes what it took
    assert _one(forecast).tolist() == [10.0, 10.0, 10.0]
    # AND scattered waiting is stretched by the far ratio, regular waiting by the near one
    assert _one(forecast, 0)[0] == pytest.approx(10 + 4 * 2)
    assert _one(forecast, 1)[0] == pytest.approx(10 + 2 * 1)
    assert _one(forecast, 0, 1, 2, 3)[0] == pytest.approx(10 + 8 + 2 + 2 * 0.5 * 2)


def test_half_an_object_costs_half(trace: Trace) -> None:
    forecast = SampledForecast(trace, RATIO, cache_bytes=0)
    assert forecast.run(np.array([[0.5, 0, 0, 0]])).seconds[0] == pytest.approx(14.0)


def test_the_low_end_lets_the_cache_hold_what_fits(trace: Trace) -> None:
    # GIVEN hardly any sampling error, and a cache of half of the one object and all of the stack
    forecast = SampledForecast(trace, RATIO, cache_bytes=50 * MIB)
    assert _one(forecast, 0)[1] == pytest.approx(10 + 4 * 1 * 0.5, rel=0.01)
    assert _one(forecast, 2)[1] == 10.0


def test_the_high_end_exposes_what_prefetching_hides_and_no_more_than_everything(trace: Trace) -> None:
    forecast = SampledForecast(trace, RATIO, cache_bytes=50 * MIB)
    # THEN random waiting hides nothing; regular waiting may hide all of the computing
    assert _one(forecast, 0)[2] == pytest.approx(10 + 4 * 2, rel=0.01)
    assert _one(forecast, 1)[2] == pytest.approx(10 + (2 + 1) * 2, rel=0.01)
    # AND the whole run is at most three times as long
    assert 10 + 8 < _one(forecast, 0, 1, 2, 3)[2] <= 30 * 1.01


def test_few_samples_widen_the_interval(make_trace: MakeTrace) -> None:
    many, few = (SampledForecast(make_trace(f"n{count}", OBJECTS, samples=count), RATIO, 0) for count in (100_000, 100))
    widths = [float(np.ptp(_one(forecast, 0)[1:])) for forecast in (many, few)]
    assert widths[1] > widths[0] + 1.0
    # AND both hold the middle
    for forecast in (many, few):
        middle, low, high = _one(forecast, 0)
        assert low <= middle <= high


def test_threads_that_wait_for_each_other_wait_in_proportion(make_trace: MakeTrace) -> None:
    # GIVEN a fifth of the time spinning at barriers
    shares = {"object": 0.6, "stack": 0.0, "static": 0.0, "runtime": 0.2, "compute": 0.2, "unknown": 0.0}
    forecast = SampledForecast(make_trace("omp", OBJECTS, samples=1_000_000, shares=shares), RATIO, 0)
    assert _one(forecast, 0)[2] == pytest.approx(10 + 4 / 0.8 * 2, rel=0.01)


def test_alone_in_either_tier_is_what_the_run_says(trace: Trace) -> None:
    forecast = SampledForecast(trace, RATIO, 0)
    anchors, one = forecast.anchors(), np.eye(4)
    assert (anchors.all_fast_s, anchors.all_slow_s) == pytest.approx((10.0, 22.0))
    assert anchors.alone_slow_s == pytest.approx(forecast.run(one).seconds)
    assert anchors.alone_fast_s == pytest.approx(forecast.run(1 - one).seconds)


def test_a_tier_that_is_faster_costs_nothing(trace: Trace) -> None:
    forecast = SampledForecast(trace, LatencyRatio(0.9, 0.8), 0)
    assert _one(forecast, 0, 1, 2, 3).tolist() == [10.0, 10.0, 10.0]


def test_a_trace_without_samples_of_time_is_refused(make_trace: MakeTrace) -> None:
    silent = make_trace("silent", [{"peak_bytes": MIB, "stall_s": 0.0}], samples=0, source="none", shares={})
    with pytest.raises(TraceError, match=r"neither exact counts nor samples of time \(source none\); record it with .*--source exact"):
        SampledForecast(silent, RATIO, 0)
