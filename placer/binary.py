"""The plan and the recipes as the shim maps them; the layout is native/common/planfile.h's."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from tierprof.placer.plan import Plan
from tierprof.placer.site_key import STEM_FRAMES
from tierprof.placer.tiers import DEFAULT_HUGE_PAGE_BYTES, KMEM_POLICIES, MAX_WEIGHTS, TierSpec

PLAN_VERSION = 4
RECIPES_VERSION = 1
EMULATION_PERIOD_NS = 1_000_000  # useful CPU time between two looks at a thread

_NO_TIER = 2**32 - 1
_NO_LIMIT = 2**64 - 1
_KINDS = {"dram": 0, "pmem": 1, "node": 2, "huge": 3, "emulated": 4, "kmem": 5, "interleave": 6, "hugetlb": 7}
_BIND = 1
_SMALL = 1
_WEIGHTS = struct.Struct(f"<{2 * MAX_WEIGHTS}H")

_PLAN_HEADER = struct.Struct("<8sIIIIQII")
_TIER = struct.Struct("<32sIIQQddII64s264s")
_SITE = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("tier", "<u4"), ("flags", "<u4")])
_MOVE = np.dtype([("site", "<u8", (2,)), ("trigger", "<u8", (2,)), ("at", "<u8"), ("when", "<u4"), ("tier", "<u4")])
_PART = np.dtype([("site", "<u8", (2,)), ("start", "<u8"), ("end", "<u8"), ("tier", "<u4"), ("pad", "<u4")])
_STEM = np.dtype([("prefixes", "<u8", (STEM_FRAMES,))])
_TO_THE_END = 2**64 - 1
_AT_TIME, _AT_ALLOCATION = 0, 1
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
_RECIPE_COLUMNS = ["offset", "displacement", "base", "index", "shift", "access", "confidence"]
_MAX_BUILD_ID_BYTES = 32


def tier_order(plan: Plan) -> list[TierSpec]:
    """The plan's tiers in the shim's order: DRAM is number 0, whether the plan names it or not."""
    system = next(
        (tier for tier in plan.tiers if tier.kind == "dram"), TierSpec("dram" if all(t.name != "dram" for t in plan.tiers) else "system")
    )
    return [system, *(tier for tier in plan.tiers if tier.kind != "dram")]


def _number(tier: TierSpec, line_ns: float) -> int:
    """What the tier's kind needs, as one number."""
    if tier.kind == "emulated":
        return round(line_ns * 1000)
    if tier.kind == "kmem":
        return KMEM_POLICIES.index(tier.policy or KMEM_POLICIES[0])
    if tier.kind == "hugetlb":
        return tier.page_bytes or DEFAULT_HUGE_PAGE_BYTES
    return tier.node or 0


def _pack_weights(tier: TierSpec) -> bytes:
    """Pairs of node and weight; a weight of 0 ends them."""
    flat = [number for pair in tier.weights for number in pair]
    return _WEIGHTS.pack(*flat, *[0] * (2 * MAX_WEIGHTS - len(flat)))


def _pack_tier(tier: TierSpec, numbers: Mapping[str, int], delay_ratio: float, line_ns: float) -> bytes:
    return _TIER.pack(
        tier.name.encode(),
        _KINDS[tier.kind],
        _NO_TIER if tier.spill is None else numbers[tier.spill],
        _NO_LIMIT if tier.capacity_bytes is None else tier.capacity_bytes,
        _number(tier, line_ns),
        delay_ratio,
        tier.bandwidth_bytes_per_s or 0.0,
        _BIND if tier.bind else 0,
        0,
        _pack_weights(tier),
        bytes(tier.folder) if tier.folder is not None else b"",
    )


def _halves(keys: list[str]) -> np.ndarray:
    """The two words of each key; zeroes for an empty one."""
    return np.array([(int(key[:16] or "0", 16), int(key[16:] or "0", 16)) for key in keys], np.uint64).reshape(-1, 2)


def _moves(plan: Plan, numbers: Mapping[str, int]) -> np.ndarray:
    """The plan's moves in its own order, which decides between two that are due at once."""
    moves = np.zeros(len(plan.moves), dtype=_MOVE)
    moves["site"] = _halves([move.site for move in plan.moves])
    moves["trigger"] = _halves([move.of or "" for move in plan.moves])
    moves["at"] = [move.at_allocation if move.after_ns is None else move.after_ns for move in plan.moves]
    moves["when"] = [_AT_ALLOCATION if move.after_ns is None else _AT_TIME for move in plan.moves]
    moves["tier"] = [numbers[move.tier] for move in plan.moves]
    return moves


def _parts(plan: Plan, numbers: Mapping[str, int]) -> np.ndarray:
    """The parts of all objects, in order of their sites; those of a site are in order already."""
    rows = [(own.site, part) for own in sorted(plan.objects, key=lambda own: own.site) for part in own.parts]
    parts = np.zeros(len(rows), dtype=_PART)
    parts["site"] = _halves([site for site, _ in rows])
    parts["start"] = [part.start for _, part in rows]
    parts["end"] = [_TO_THE_END if part.end is None else part.end for _, part in rows]
    parts["tier"] = [numbers[part.tier] for _, part in rows]
    return parts


def plan_bytes(plan: Plan, delay_ratios: Mapping[str, float], line_ns: float = 0.0) -> bytes:
    """The plan's binary form.

    Parameters
    ----------
    plan
        The plan.
    delay_ratios
        For each emulated tier by name: seconds of delay for each second that falls on it.
    line_ns
        What a random read takes here without delay, for caps on bandwidth; 0: not known.
    """
    tiers = tier_order(plan)
    numbers = {tier.name: number for number, tier in enumerate(tiers)}
    objects = sorted(plan.objects, key=lambda own: own.site)
    sites = np.zeros(len(objects), dtype=_SITE)
    sites["hi"] = [int(own.site[:16], 16) for own in objects]
    sites["lo"] = [int(own.site[16:], 16) for own in objects]
    sites["tier"] = [numbers[own.tier] for own in objects]
    sites["flags"] = [_SMALL if own.small else 0 for own in objects]
    stems = np.zeros(len(objects), dtype=_STEM)
    for row, own in enumerate(objects):
        stems["prefixes"][row, : len(own.stem)] = own.stem
    period_ns = EMULATION_PERIOD_NS if any(tier.kind == "emulated" for tier in tiers) else 0
    moves, parts = _moves(plan, numbers), _parts(plan, numbers)
    counts = (len(tiers), len(sites))
    header = _PLAN_HEADER.pack(b"TPPLAN", PLAN_VERSION, *counts, numbers[plan.default], period_ns, len(moves), len(parts))
    return (
        header
        + b"".join(_pack_tier(tier, numbers, delay_ratios.get(tier.name, 0.0), line_ns) for tier in tiers)
        + sites.tobytes()
        + moves.tobytes()
        + parts.tobytes()
        + stems.tobytes()
    )


def _fnv1a(data: bytes) -> int:
    """The hash of Fowler, Noll and Vo, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def _identity(build_id: str, path: str) -> bytes:
    """By what the shim recognises a module: its build-id, or its file's name and size; nothing if it has neither any more."""
    if 2 <= len(build_id) <= 2 * _MAX_BUILD_ID_BYTES:
        return bytes.fromhex(build_id)
    try:
        return struct.pack("<QQ", _fnv1a(os.fsencode(Path(path).name)), Path(path).stat().st_size)
    except OSError:
        return b""


def recipes_bytes(table: pa.Table) -> bytes:
    """The binary form of a trace's recipes; modules that the shim could not recognise are left out."""
    frame = table.select([*_RECIPE_COLUMNS, "build_id", "path"]).to_pandas()
    kinds = frame[["build_id", "path"]].drop_duplicates()
    names = {(build_id, path): _identity(build_id, path) for build_id, path in kinds.itertuples(index=False)}
    frame["module"] = [names[pair] for pair in zip(frame["build_id"], frame["path"], strict=True)]
    frame = frame[frame["module"] != b""].drop_duplicates(["module", "offset"]).sort_values(["module", "offset"], ignore_index=True)
    recipes = np.zeros(len(frame), dtype=_RECIPE)
    for name in _RECIPE_COLUMNS:
        recipes[name] = frame[name].to_numpy()
    counts = frame.groupby("module", sort=True).size()
    firsts = counts.cumsum() - counts
    modules = [_MODULE.pack(name, len(name), count, first, 0, 0) for name, count, first in zip(counts.index, counts, firsts, strict=True)]
    header = _RECIPES_HEADER.pack(b"TPRECIP", RECIPES_VERSION, len(modules), len(recipes), 0)
    return header + b"".join(modules) + recipes.tobytes()


def write_plan(path: Path, plan: Plan, delay_ratios: Mapping[str, float], line_ns: float = 0.0) -> None:
    """Write the plan for the shim."""
    path.write_bytes(plan_bytes(plan, delay_ratios, line_ns))


def write_recipes(path: Path, table: pa.Table) -> None:
    """Write the recipes for the shim."""
    path.write_bytes(recipes_bytes(table))
