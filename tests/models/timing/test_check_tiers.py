"""The tiers against the figures that they were taken from: the promises of docs/validation.md about tiers.csv."""

from pathlib import Path

from tierprof.models.timing.check_tiers import check_tiers, unmodelled

TABLE = Path(__file__).parents[3] / "benchmarks" / "published" / "tiers.csv"


def test_idle_latencies_are_within_5_percent_and_loaded_ones_within_10() -> None:
    checks = check_tiers(TABLE)
    idle, loaded = (checks.loc[checks["kind"] == kind, "error"].abs() for kind in ("idle", "loaded"))
    assert (len(idle), len(loaded)) == (17, 41)
    assert idle.max() <= 0.05
    assert loaded.max() <= 0.10


def test_bandwidths_by_threads_are_near_but_for_those_that_the_model_lacks() -> None:
    # GIVEN the bandwidths, without the two patterns that docs name as not modelled: 4 KiB reads by many threads, explicit mixes
    rows = check_tiers(TABLE).query("kind == 'bandwidth'")
    known = rows[~rows["quantity"].str.contains("read bandwidth 4 KB|mixed")]
    assert (len(rows), len(known)) == (71, 60)
    # WHEN they are compared THEN half are within 5 %, and none beyond 30 %
    errors = known["error"].abs()
    assert errors.median() <= 0.05
    assert errors.max() <= 0.30


def test_rows_that_are_not_checked_are_named() -> None:
    assert [row.split(":")[0] for row in unmodelled(TABLE)] == ["dram-ddr4-2666", "optane100", "optane100-x6", "cxl (all)"]
