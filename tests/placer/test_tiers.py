"""Tiers as people write them."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import TierError
from tierprof.placer import tiers
from tierprof.placer.tiers import TierSpec, check_tier, nodes, parse_tier


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("dram", TierSpec("dram")),
        ("fast=dram", TierSpec("fast")),
        ("pm=pmem:/mnt/pmem", TierSpec("pm", "pmem", folder=Path("/mnt/pmem"))),
        ("cxl=node:1", TierSpec("cxl", "node", node=1)),
        ("huge", TierSpec("huge", "huge")),
        ("slow=emulated:2.5", TierSpec("slow", "emulated", factor=2.5)),
        ("slow=emulated:2.5x", TierSpec("slow", "emulated", factor=2.5)),
        ("emulated:3", TierSpec("emulated", "emulated", factor=3.0)),
    ],
)
def test_a_tier_is_read(text: str, tier: TierSpec) -> None:
    assert parse_tier(text) == tier


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("slow=", "there is no kind ''"),
        ("slow=tape", "there is no kind 'tape'"),
        ("slow=node:x", "'node:x' is not how a tier of kind node is written"),
        ("slow=node:", "not how a tier of kind node"),
        ("slow=pmem", "not how a tier of kind pmem"),
        ("slow=dram:1", "not how a tier of kind dram"),
        ("slow=emulated:fast", "'fast' is no factor"),
        ("slow=emulated:-2", "'-2' is no factor"),
        ("slow=emulated:1.0", "outside 1 to 3"),
        ("slow=emulated:3.01", "outside 1 to 3"),
        ("a b=dram", "'a b' is no name"),
        ("=dram", "'' is no name"),
        ("x" * 32 + "=dram", "is no name"),
        ("pm=pmem:/" + "x" * 300, "more than 255 bytes"),
    ],
)
def test_what_is_no_tier_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(TierError) as caught:
        parse_tier(text)
    assert why in caught.value.why


@given(st.floats(min_value=1.01, max_value=3.0).map(lambda factor: round(factor, 3)))
def test_a_tier_is_read_as_it_was_written(factor: float) -> None:
    tier = TierSpec("slow", "emulated", factor=factor)
    assert parse_tier(f"slow={tier.spec}") == tier


def test_this_machine_has_its_own_tiers(tmp_path: Path) -> None:
    check_tier(TierSpec("dram"))
    check_tier(TierSpec("pm", "pmem", folder=tmp_path))
    check_tier(TierSpec("near", "node", node=nodes()[0]))


def test_a_folder_that_is_missing_or_a_file_is_told(tmp_path: Path) -> None:
    tier = TierSpec("pm", "pmem", folder=tmp_path / "missing")
    with pytest.raises(TierError, match="does not exist"):
        check_tier(tier)
    (tmp_path / "file").touch()
    with pytest.raises(TierError, match="not a folder"):
        check_tier(replace(tier, folder=tmp_path / "file"))


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a folder that access(2) refuses (root is never refused, so the answer is set here)
    monkeypatch.setattr(tiers.os, "access", lambda *_: False)
    with pytest.raises(TierError, match="not writable"):
        check_tier(TierSpec("pm", "pmem", folder=tmp_path))


def test_a_node_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(TierError, match=r"no NUMA node 999 .*it has 0"):
        check_tier(TierSpec("cxl", "node", node=999))


def test_huge_pages_that_are_switched_off_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = tmp_path / "enabled"
    setting.write_text("always madvise [never]\n")
    monkeypatch.setattr(tiers, "_HUGE", setting)
    with pytest.raises(TierError, match="set to never"):
        check_tier(TierSpec("huge", "huge"))
