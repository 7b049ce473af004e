"""The plan and the recipes as the shim maps them; the layout is native/common/planfile.h's."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

VERSION = 1
EMULATION_PERIOD_NS = 1_000_000  # useful CPU time between two looks at a thread

_NO_TIER = 2**32 - 1
_NO_LIMIT = 2**64 - 1
_KINDS = {"dram": 0, "pmem": 1, "node": 2, "huge": 3, "emulated": 4}

_PLAN_HEADER = struct.Struct("<8sIIIIQQ")
_TIER = struct.Struct("<32sIIQQd264s")
_SITE = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("tier", "<u4"), ("pad", "<u4")])
_RECIPES_HEADER = struct.Struct("<8sIIQQ")
_MODULE = struct.Struct("<32sIIQQQ")
_RECIPE = np.dtype(
    [
        ("offset", "<u8"),
        ("displacement", "<i8"),
        ("base", "i1"),
        ("index", "i1"),
        ("shift", "u1"),
        ("access", "u1"),
        ("confidence", "u1"),
        ("pad", "u1", 3),
    ]
)
_MAX_BUILD_ID_BYTES = 32


def tier_order(plan: Plan) -> list[TierSpec]:
    """The plan's tiers in the shim's order: DRAM is number 0, whether the plan names it or not."""
    system = next(
        (tier for tier in plan.tiers if tier.kind == "dram"), TierSpec("dram" if all(t.name != "dram" for t in plan.tiers) else "system")
    )
    return [system, *(tier for tier in plan.tiers if tier.kind != "dram")]


def _pack_tier(tier: TierSpec, numbers: Mapping[str, int], delay_ratio: float) -> bytes:
    return _TIER.pack(
        tier.name.encode(),
        _KINDS[tier.kind],
        _NO_TIER if tier.spill is None else numbers[tier.spill],
        _NO_LIMIT if tier.capacity_bytes is None else tier.capacity_bytes,
        tier.node or 0,
        delay_ratio,
        bytes(tier.folder) if tier.folder is not None else b"",
    )


def plan_bytes(plan: Plan, delay_ratios: Mapping[str, float]) -> bytes:
    """The plan's binary form.

    Parameters
    ----------
    plan
        The plan.
    delay_ratios
        For each emulated tier by name: seconds of delay for each second that falls on it.
    """
    tiers = tier_order(plan)
    numbers = {tier.name: number for number, tier in enumerate(tiers)}
    sites = np.zeros(len(plan.objects), dtype=_SITE)
    sites["hi"] = [int(own.site[:16], 16) for own in plan.objects]
    sites["lo"] = [int(own.site[16:], 16) for own in plan.objects]
    sites["tier"] = [numbers[own.tier] for own in plan.objects]
    sites.sort(order=["hi", "lo"])
    period_ns = EMULATION_PERIOD_NS if any(tier.kind == "emulated" for tier in tiers) else 0
    header = _PLAN_HEADER.pack(b"TPPLAN", VERSION, len(tiers), len(sites), numbers[plan.default], period_ns, 0)
    return header + b"".join(_pack_tier(tier, numbers, delay_ratios.get(tier.name, 0.0)) for tier in tiers) + sites.tobytes()


def recipes_bytes(table: pa.Table) -> bytes:
    """The binary form of a trace's recipes; modules without a build-id cannot be recognised again and are left out."""
    frame = table.select(["build_id", "offset", "displacement", "base", "index", "shift", "access", "confidence"]).to_pandas()
    frame = frame[frame["build_id"].str.len().between(2, 2 * _MAX_BUILD_ID_BYTES)].drop_duplicates(["build_id", "offset"])
    frame = frame.sort_values(["build_id", "offset"], ignore_index=True)
    recipes = np.zeros(len(frame), dtype=_RECIPE)
    for name in ("offset", "displacement", "base", "index", "shift", "access", "confidence"):
        recipes[name] = frame[name].to_numpy()
    counts = frame.groupby("build_id", sort=True).size()
    firsts = counts.cumsum() - counts
    modules = [
        _MODULE.pack(bytes.fromhex(build_id), len(build_id) // 2, count, first, 0, 0)
        for build_id, count, first in zip(counts.index, counts, firsts, strict=True)
    ]
    header = _RECIPES_HEADER.pack(b"TPRECIP", VERSION, len(modules), len(recipes), 0)
    return header + b"".join(modules) + recipes.tobytes()


def write_plan(path: Path, plan: Plan, delay_ratios: Mapping[str, float]) -> None:
    """Write the plan for the shim."""
    path.write_bytes(plan_bytes(plan, delay_ratios))


def write_recipes(path: Path, table: pa.Table) -> None:
    """Write the recipes for the shim."""
    path.write_bytes(recipes_bytes(table))
