"""The published rows: their halves, their ratios, and errors against a model that is known."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def rows_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import validation_rows

    return validation_rows


def test_every_published_figure_is_a_row(rows_module: ModuleType) -> None:
    # GIVEN the table as it was published, WHEN it is read
    rows = rows_module.read_rows()
    # THEN each throughput and each latency is a row of its own, each known by its identifier
    assert rows["unit"].value_counts().to_dict() == {"GB/s": 306, "Mops": 132, "ns": 60}
    assert rows["id"].is_unique
    assert (rows["published"] > 0).all()


def test_configurations_are_never_split_between_halves(rows_module: ModuleType) -> None:
    # GIVEN the rows, WHEN they are grouped by configuration
    rows = rows_module.read_rows()
    configurations = rows.groupby(["benchmark", "variant", "threads", "unit"])
    # THEN each configuration has its six memories in one half, and the halves are as large as they can be
    assert (configurations["memory"].nunique() == 6).all()
    assert (configurations["half"].nunique() == 1).all()
    by_half = rows[rows["unit"] != "ns"]["half"].value_counts()
    assert by_half.to_dict() == {"development": 222, "evaluation": 216}


def test_ratio_is_optane_against_the_dram_of_the_same_machine(rows_module: ModuleType) -> None:
    # GIVEN a model that is 10 % high on one generation's DRAM and right everywhere else
    rows = rows_module.read_rows()
    rows["model"] = rows["published"] * np.where(rows["memory"] == "dram-of-optane100", 1.1, 1.0)
    # WHEN ratios are made
    pairs = rows_module.ratios(rows)
    # THEN only that generation's are low, and DRAM rows are no ratios
    assert len(pairs) == 332
    assert not pairs["memory"].str.startswith("dram").any()
    generation = pairs["memory"].str.startswith("optane100")
    np.testing.assert_allclose(pairs.loc[generation, "error"], 1 / 1.1 - 1)
    np.testing.assert_allclose(pairs.loc[~generation, "error"], 0, atol=1e-12)


def test_median_absolute_error_ignores_signs(rows_module: ModuleType) -> None:
    # GIVEN errors to both sides, THEN the median is that of their sizes
    assert rows_module.median_absolute(pd.Series([-0.5, 0.1, 0.2])) == 0.2
    assert np.isnan(rows_module.median_absolute(pd.Series([], dtype=float)))
