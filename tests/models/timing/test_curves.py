"""Curves of machine files."""

import numpy as np
import pytest

from tierprof.models.timing.curves import Curve, LoadedLatency


def test_a_curve_is_straight_between_its_points_and_level_outside() -> None:
    assert Curve((1.0, 3.0), (10.0, 20.0))(np.array([0, 1, 2, 3, 9])) == pytest.approx([10, 10, 15, 20, 20])


def test_loaded_latency_is_blended_between_read_shares_and_starts_at_one() -> None:
    # GIVEN curves at no reads, half and all, in any order
    ends = {0.0: 5.0, 1.0: 2.0, 0.5: 3.0}
    loaded = LoadedLatency.of([(share, Curve((0.5, 1.0), (1.0, end))) for share, end in ends.items()])
    # WHEN it is asked between and beyond THEN the neighbours are blended by nearness
    share = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0])
    utilisation = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.0])
    assert loaded(utilisation, share) == pytest.approx([5, 4, 3, 2.5, 2, 1.5, 1])
    assert loaded.highest == 5.0
