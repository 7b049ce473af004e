"""Live bytes over time, thinned for a plot."""

import numpy as np
import pandas as pd

from tierprof.placer.timeline import live_timeline


def _allocations(rows: list[tuple[int, int, float, float | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["site", "size_bytes", "birth_s", "death_s"])
    ends = (frame["death_s"].astype("Float64") * 1e9).astype("Int64")
    return frame.assign(birth_ns=(frame["birth_s"] * 1e9).astype("int64"), death_ns=ends, weight=1.0, inherited=False)


def test_each_interval_shows_its_fullest_moment() -> None:
    # GIVEN a that lives throughout, and b that is there for a hundredth of the third second
    live = live_timeline(_allocations([(0, 100, 0.0, None), (1, 50, 2.5, 2.51)]), 5.0, moments=5)
    # THEN b is seen in that interval and in no other
    assert live.sites.tolist() == [0, 1]
    assert live.live_bytes.tolist() == [[100, 100, 100, 100, 100], [0, 0, 50, 0, 0]]
    np.testing.assert_allclose(live.time_s, [0, 1, 2, 3, 4])


def test_an_interval_without_events_carries_on() -> None:
    live = live_timeline(_allocations([(4, 10, 1.2, 3.1)]), 5.0, moments=5)
    assert live.live_bytes.tolist() == [[0, 10, 10, 10, 0]]


def test_no_allocations() -> None:
    live = live_timeline(_allocations([]), 1.0, moments=3)
    assert live.live_bytes.shape == (0, 3)
