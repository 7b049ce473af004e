"""Causes of missed rows: attached by rule, in order, and never to rows that hold."""

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import validation_reasons

    return validation_reasons


def rows(*cases: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(cases, columns=["benchmark", "variant", "error"])


def test_only_rows_beyond_the_limit_have_a_cause(reasons: ModuleType) -> None:
    # GIVEN the same row within the limit, at it, and beyond it to both sides
    found = reasons.causes(rows(*(("sequential_writes", "256 B store", error) for error in (0.1, 0.35, 0.36, -0.36))))
    # THEN only those beyond it have a cause, and that of one direction does not stand for the other
    assert found.tolist() == ["", "", "plain stores in order", reasons.UNKNOWN]


def test_none_is_invented(reasons: ModuleType) -> None:
    # GIVEN rows of one pattern that miss to either side, and one of a benchmark that nobody knows
    found = reasons.causes(rows(("random_writes", "256 B ntstore", -1.0), ("random_writes", "256 B ntstore", 1.0), ("other", "64 B", 1.0)))
    # THEN only what a rule names has a cause
    assert found.tolist() == ["fenced non-temporal writes", reasons.UNKNOWN, reasons.UNKNOWN]
