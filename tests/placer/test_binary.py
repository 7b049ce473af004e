"""The plan and the recipes as the shim maps them. That the shim reads them is test_placement.py's matter."""

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tierprof.base.schema import RECIPES
from tierprof.placer.binary import EMULATION_PERIOD_NS, plan_bytes, recipes_bytes, tier_order
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec, parse_tier

HEADER_BYTES, TIER_BYTES, SITE_BYTES, STEM_BYTES = 40, 408, 24, 32


def test_the_plans_layout() -> None:
    # GIVEN a plan whose fastest tier is not DRAM, with sites that are not in order
    low, high = "00000000000000010000000000000002", "f" * 32
    tiers = (
        TierSpec("pm", "pmem", folder=Path("/mnt/pmem"), capacity_bytes=5, spill="slow"),
        TierSpec("slow", "emulated", factor=2.5),
        TierSpec("ram"),
    )
    plan = Plan(tiers, "slow", (PlannedObject(high, "ram", stem=(7, 8)), PlannedObject(low, "pm", stem=(3, 4, 5, 6))))
    # WHEN it is written
    data = plan_bytes(plan, {"slow": 1.5})
    # THEN DRAM is tier 0, tiers refer to each other by number, and sites are sorted
    assert len(data) == HEADER_BYTES + 3 * TIER_BYTES + 2 * SITE_BYTES + 2 * STEM_BYTES
    assert struct.unpack_from("<8sIIIIQII", data) == (b"TPPLAN\0\0", 4, 3, 2, 2, EMULATION_PERIOD_NS, 0, 0)
    found = [struct.unpack_from("<32sIIQQddII64s264s", data, HEADER_BYTES + TIER_BYTES * number) for number in range(3)]
    assert [(one[0].rstrip(b"\0"), one[1], one[2], one[3], one[5], one[10].rstrip(b"\0")) for one in found] == [
        (b"ram", 0, 2**32 - 1, 2**64 - 1, 0.0, b""),
        (b"pm", 1, 2, 5, 0.0, b"/mnt/pmem"),
        (b"slow", 4, 2**32 - 1, 2**64 - 1, 1.5, b""),
    ]
    sites = [struct.unpack_from("<QQII", data, HEADER_BYTES + 3 * TIER_BYTES + SITE_BYTES * number) for number in range(2)]
    assert sites == [(1, 2, 1, 0), (2**64 - 1, 2**64 - 1, 0, 0)]
    # AND so are their stems
    assert struct.unpack("<8Q", data[-2 * STEM_BYTES :]) == (3, 4, 5, 6, 7, 8, 0, 0)


@pytest.mark.parametrize(
    ("text", "kind", "number", "flags", "weights"),
    [
        ("node:3", 2, 3, 0, ()),
        ("node:3,bind", 2, 3, 1, ()),
        ("kmem", 5, 0, 0, ()),
        ("kmem:all", 5, 1, 0, ()),
        ("kmem:preferred", 5, 2, 0, ()),
        ("interleave:0=3,7=1", 6, 0, 0, (0, 3, 7, 1)),
        ("hugetlb", 7, 2 << 20, 0, ()),
        ("hugetlb:1GiB", 7, 1 << 30, 0, ()),
    ],
)
def test_what_each_kind_needs_is_told(text: str, kind: int, number: int, flags: int, weights: tuple[int, ...]) -> None:
    data = plan_bytes(Plan((TierSpec("dram"), parse_tier(text)), "dram"), {})
    tier = struct.unpack_from("<32sIIQQddII32H264s", data, HEADER_BYTES + TIER_BYTES)
    assert (tier[1], tier[4], tier[7]) == (kind, number, flags)
    assert tier[9:41] == (*weights, *[0] * (32 - len(weights)))


def test_a_bandwidth_is_told_beside_the_factor() -> None:
    data = plan_bytes(Plan((parse_tier("slow=emulated:2,1.5GiB/s"),), "slow"), {"slow": 0.5})
    assert struct.unpack_from("<dd", data, HEADER_BYTES + TIER_BYTES + 56) == (0.5, 1.5 * 2**30)


def test_dram_is_there_even_if_the_plan_has_none() -> None:
    slow = TierSpec("slow", "emulated", factor=2.0)
    assert tier_order(Plan((slow,), "slow")) == [TierSpec("dram"), slow]
    named = TierSpec("dram", "node", node=0)
    assert [tier.name for tier in tier_order(Plan((named,), "dram"))] == ["system", "dram"]


def test_the_recipes_layout() -> None:
    # GIVEN recipes of two modules, out of order, one twice, and one of a module that has no build-id and is gone
    def row(build_id: str, offset: int) -> dict[str, object]:
        numbers = {"base": -2, "index": 3, "shift": 2, "displacement": -8, "access": 1, "confidence": 3}
        return {"path": "p", "build_id": build_id, "offset": offset, "hint": "", **numbers}

    table = pa.Table.from_pylist([row("bb" * 20, 9), row("aa" * 20, 7), row("aa" * 20, 5), row("aa" * 20, 7), row("", 1)], RECIPES)
    # WHEN they are written
    data = recipes_bytes(table)
    # THEN modules have their recipes side by side, sorted by offset, each once
    assert struct.unpack_from("<8sIIQQ", data) == (b"TPRECIP\0", 1, 2, 3, 0)
    modules = [struct.unpack_from("<32sIIQQQ", data, 32 + 64 * number) for number in range(2)]
    assert modules == [(b"\xaa" * 20 + bytes(12), 20, 2, 0, 0, 0), (b"\xbb" * 20 + bytes(12), 20, 1, 2, 0, 0)]
    assert [struct.unpack_from("<QqbbBBB3x", data, 160 + 24 * number) for number in range(3)] == [
        (5, -8, -2, 3, 2, 1, 3),
        (7, -8, -2, 3, 2, 1, 3),
        (9, -8, -2, 3, 2, 1, 3),
    ]
    assert len(data) == 160 + 3 * 24


def test_a_module_without_a_build_id_goes_by_its_files_name_and_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    numbers = {"offset": 1, "base": -1, "index": -1, "shift": 0, "displacement": 0, "access": 1, "confidence": 3}
    table = pa.Table.from_pylist([{"path": str(tmp_path / "a"), "build_id": "", "hint": "", **numbers}], RECIPES)
    # FNV-1a of "a" is in the hash's published test vectors
    assert struct.unpack_from("<QQ16xI", recipes_bytes(table), 32) == (0xAF63DC4C8601EC8C, 5, 16)


def test_no_recipes_are_a_file_too() -> None:
    assert np.frombuffer(recipes_bytes(RECIPES.empty_table()), np.uint8).size == 32
