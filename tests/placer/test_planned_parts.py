"""Parts of objects in a plan: read, checked, written, and handed to the shim."""

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import PlanError
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.planned_parts import MAX_PARTS, PlannedPart, bytes_by_tier
from tierprof.placer.tiers import TierSpec

KEY, OTHER = "0123456789abcdef" * 2, "f" * 32
MIB, KIB = 1 << 20, 1 << 10

GOOD = f"""
format = 1
default = "slow"
[tiers.dram]
spec = "dram"
[tiers.slow]
spec = "emulated:2.5"
[[object]]
site = "{KEY}"
tier = "slow"
[[object.part]]
start = "4MiB"
end = "6MiB"
tier = "dram"
[[object.part]]
start = 8388608
tier = "dram"
[[object]]
site = "{OTHER}"
tier = "dram"
"""


def load(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "pr.plan"
    path.write_text(text, encoding="utf-8")
    return Plan.load(path)


def test_parts_written_by_hand_are_read(tmp_path: Path) -> None:
    plan = load(tmp_path, GOOD)
    assert plan.objects[0].parts == (PlannedPart(4 * MIB, 6 * MIB, "dram"), PlannedPart(8 * MIB, None, "dram"))
    assert plan.objects[1].parts == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('end = "6MiB"', 'end = "4MiB"'), "it ends at 4MiB, and starts at 4MiB"),
        (('end = "6MiB"', 'end = "9MiB"'), "part 2: it starts at 8MiB, before the end of the part above"),
        (('end = "6MiB"', ""), "part 2: it starts at 8MiB, before the end of the part above"),
        (('end = "6MiB"', 'end = "6145KiB"'), "6145KiB is no multiple of 4KiB"),
        (('end = "6MiB"', 'end = "1024TiB"'), "is no multiple of 4KiB inside an object"),
        (("start = 8388608", "start = -4096"), "-4KiB is no multiple of 4KiB inside an object"),
        (("start = 8388608", ""), "object 1, part 2: start is missing"),
        (("start = 8388608", 'start = "some"'), "is no size"),
        (("start = 8388608", "begin = 8388608"), "unknown key 'begin'"),
        (('end = "6MiB"\ntier = "dram"', 'end = "6MiB"\ntier = "drma"'), "there is no tier 'drma'; did you mean 'dram'?"),
        (("[[object.part]]\nstart = 8388608", "[object.part]\nstart = 8388608"), "it is no TOML"),
        ((f'site = "{KEY}"', f'site = "{KEY}"\nsmall = true'), "its small objects are placed, which have none"),
    ],
)
def test_bad_parts_are_refused_in_one_line_that_names_the_place(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(PlanError) as caught:
        load(tmp_path, GOOD.replace(*change))
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"plan {tmp_path / 'pr.plan'}")
    assert "\n" not in str(caught.value)


def test_more_parts_than_the_shim_knows_are_refused() -> None:
    parts = tuple(PlannedPart(8 * KIB * number, 8 * KIB * number + 4 * KIB, "dram") for number in range(MAX_PARTS + 1))
    with pytest.raises(PlanError, match="more than 65535 parts"):
        Plan((TierSpec("dram"),), "dram", (PlannedObject(KEY, "dram", parts=parts),))


@st.composite
def parts(draw: st.DrawFn, tiers: tuple[str, ...] = ("dram", "slow", "far")) -> tuple[PlannedPart, ...]:
    edges = draw(st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted))
    open_end = draw(st.booleans()) and len(edges) > 1
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    effect = st.none() | st.floats(0, 100)
    ends = [None if open_end and number == len(pairs) - 1 else 4096 * end for number, (_, end) in enumerate(pairs)]
    return tuple(
        PlannedPart(4096 * start, end, draw(st.sampled_from(tiers)), draw(effect)) for (start, _), end in zip(pairs, ends, strict=True)
    )


@given(parts())
def test_parts_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, own: tuple[PlannedPart, ...]) -> None:
    tiers = (TierSpec("dram"), TierSpec("slow", "emulated", factor=2.0), TierSpec("far", "node", node=0))
    plan = Plan(tiers, "dram", (PlannedObject(KEY, "slow", parts=own), PlannedObject(OTHER, "dram")))
    path = tmp_path_factory.getbasetemp() / "parts.plan"
    plan.save(path)
    assert Plan.load(path) == plan


@given(parts(), st.lists(st.tuples(st.integers(0, 200000), st.integers(0, 200000)), min_size=1, max_size=5))
def test_bytes_of_ranges_are_those_of_a_slow_count(own: tuple[PlannedPart, ...], ranges: list[tuple[int, int]]) -> None:
    start, end = np.array([min(pair) for pair in ranges]), np.array([max(pair) for pair in ranges])
    found = bytes_by_tier(own, "slow", start, end)
    for row, (low, high) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        slow = dict.fromkeys(found, 0)
        edges = sorted({low, high, *(edge for part in own for edge in (part.start, part.end) if edge is not None and low < edge < high)})
        for begin, stop in itertools.pairwise(edges):
            tier = next((part.tier for part in own if part.start <= begin and (part.end is None or begin < part.end)), "slow")
            slow[tier] += stop - begin
        assert {tier: int(size[row]) for tier, size in found.items()} == slow


def test_what_a_plan_leaves_outside_its_fast_tier_is_told() -> None:
    split = (PlannedPart(0, 4096, "dram", 3.0), PlannedPart(8192, None, "dram", 1.0))
    assert PlannedObject(KEY, "slow", predicted_effect_s=5.0, parts=split).effect_outside_s("dram") == 1.0
    assert PlannedObject(KEY, "dram", predicted_effect_s=5.0).effect_outside_s("dram") == 0.0
    assert PlannedObject(KEY, "slow", predicted_effect_s=5.0).effect_outside_s("dram") == 5.0
    assert PlannedObject(KEY, "dram", predicted_effect_s=5.0, parts=(PlannedPart(0, 4096, "slow", 2.0),)).effect_outside_s("dram") == 2.0


def test_the_parts_layout() -> None:
    # GIVEN objects with parts whose sites are not in order
    tiers = (TierSpec("dram"), TierSpec("slow", "emulated", factor=2.5))
    low = "00000000000000010000000000000002"
    objects = (
        PlannedObject(OTHER, "slow", parts=(PlannedPart(4096, None, "dram"),)),
        PlannedObject(low, "dram", parts=(PlannedPart(0, 8192, "slow"), PlannedPart(12288, 16384, "slow"))),
    )
    data = plan_bytes(Plan(tiers, "dram", objects), {"slow": 1.5})
    # THEN they are before the stems of two sites, sorted by site and start, and the header says how many
    assert struct.unpack_from("<8sIIIIQII", data)[1:] == (4, 2, 2, 0, 1_000_000, 0, 3)
    found = [struct.unpack_from("<QQQQII", data, len(data) - 2 * 32 - 120 + 40 * number) for number in range(3)]
    everything = 2**64 - 1
    assert found == [(1, 2, 0, 8192, 1, 0), (1, 2, 12288, 16384, 1, 0), (everything, everything, 4096, everything, 0, 0)]
