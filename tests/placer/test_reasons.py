"""Each difference from the plan has its reason, from what the run left as evidence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tierprof.placer.plan import Plan
from tierprof.placer.reasons import COMMAND, PHASE, Evidence, reason_of
from tierprof.placer.tiers import TierSpec

MIB = 1 << 20
SITE = "1" * 32
DRAM, SLOW = TierSpec("dram"), TierSpec("slow", "pmem", folder=Path("/pm"), capacity_bytes=8 * MIB)
CXL = TierSpec("cxl", "node", node=1)
PLAN = Plan((DRAM, SLOW, CXL), "dram")


def tiers(**slow: object) -> pd.DataFrame:
    row = {"allocations": 0, "peak_of_one_bytes": 0, "spilled_allocations": 0, "spilled_bytes": 0}
    rows = [{"tier": tier.name, "capacity_bytes": float(tier.capacity_bytes or "nan"), **row} for tier in PLAN.tiers]
    return pd.DataFrame([own | slow if own["tier"] == "slow" else own for own in rows]).set_index("tier")


NOTHING = Evidence(tiers())
FULL = replace(NOTHING, tiers=tiers(peak_of_one_bytes=8 * MIB, spilled_allocations=3, spilled_bytes=6 * MIB))


def row(tier: str | None, planned: str = "slow", **more: object) -> dict[str, Any]:
    sizes = {"peak_bytes": 2 * MIB, "astray_bytes": 0.0, "absent_bytes": 0.0}
    return {"site": SITE, "planned": planned, "tier": tier, "as_planned": tier == planned, **sizes, **more}


@pytest.mark.parametrize(
    ("found", "evidence", "reason"),
    [
        (row("slow"), NOTHING, ""),
        (row("slow", absent_bytes=MIB), NOTHING, "1.0MiB never touched, or given back"),
        (row(None), NOTHING, "never allocated in this run"),
        (row(None), replace(NOTHING, complete=False), "not met in this run, whose record is not complete"),
        (
            row(None),
            replace(NOTHING, small_bytes={SITE: 5.0 * MIB}, threshold_bytes=4096),
            "its allocations are smaller than 4.0KiB (5.0MiB in all, estimated): they stay in the C library's heap",
        ),
        (row(None), replace(NOTHING, notes=[("shim 6", "libjemalloc.so.2")]), "malloc is not the C library's: libjemalloc.so.2"),
        (row("dram"), FULL, "slow was full (8.0MiB of 8.0MiB): 3 allocations (6.0MiB) of all objects went on"),
        (
            row("dram"),
            replace(FULL, notes=[("shim 3", "tier cxl: no such node"), ("shim 3", "tier slow: the folder does not exist")]),
            "it could not be used: tier slow: the folder does not exist",
        ),
        (
            row("dram"),
            replace(NOTHING, mapped=frozenset({(SITE, "dram")})),
            "a mapping of the program's own, of a kind that a tier in a folder (slow) cannot hold",
        ),
        (
            row("dram"),
            replace(NOTHING, notes=[("shim 6", "x")]),
            "malloc is not the C library's: x",
        ),
        (row("dram"), NOTHING, "the record does not say why"),
        (row("cxl"), replace(FULL, moved={(SITE, "cxl"): (2 * MIB, COMMAND)}), "2.0MiB moved here by `tierprof move`"),
        (row("cxl"), replace(NOTHING, moved={(SITE, "cxl"): (MIB, PHASE)}), "1.0MiB moved here by a phase of the plan"),
        (
            row("cxl", planned="cxl", astray_bytes=float(MIB)),
            NOTHING,
            "1.0MiB found elsewhere: the kernel put pages on another node, since the tier's policy prefers its node and does not insist",
        ),
        (
            row("slow", as_planned=False, absent_bytes=MIB),
            replace(NOTHING, inherited_bytes={SITE: 2 * MIB}),
            "1.0MiB never touched, or given back; forked children held 2.0MiB of it, too",
        ),
        (row("slow"), replace(NOTHING, inherited_bytes={SITE: 2 * MIB}), ""),
        (
            row("slow"),
            replace(NOTHING, small_bytes={SITE: 5.0 * MIB}, threshold_bytes=4096),
            "those smaller than 4.0KiB (5.0MiB, estimated) stay in the C library's heap",
        ),
        (row("dram", planned="dram"), replace(NOTHING, small_bytes={SITE: 5.0 * MIB}, threshold_bytes=4096), ""),
    ],
)
def test_a_difference_has_its_reason(found: dict, evidence: Evidence, reason: str) -> None:
    assert reason_of(found, PLAN, evidence) == reason


def test_a_tier_without_a_limit_that_spilled_had_no_memory() -> None:
    plan = replace(PLAN, tiers=(DRAM, replace(SLOW, capacity_bytes=None), CXL))
    spilled = tiers(peak_of_one_bytes=MIB, spilled_allocations=1, spilled_bytes=MIB, capacity_bytes=float("nan"))
    reason = "slow had no memory left (1.0MiB held): 1 allocations (1.0MiB) of all objects went on"
    assert reason_of(row("dram"), plan, replace(NOTHING, tiers=spilled)) == reason
