"""Tiers as people write them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import TierError
from tierprof.placer import binary, machine, tiers
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
        ("slow=emulated:2,4GiB/s", TierSpec("slow", "emulated", factor=2.0, bandwidth_bytes_per_s=4.0 * 2**30)),
        ("cxl=node:1,bind", TierSpec("cxl", "node", node=1, bind=True)),
        ("kmem", TierSpec("kmem", "kmem", policy="nearest")),
        ("pm=kmem:all", TierSpec("pm", "kmem", policy="all")),
        ("pm=kmem:preferred", TierSpec("pm", "kmem", policy="preferred")),
        ("both=interleave:0=3,1=1", TierSpec("both", "interleave", weights=((0, 3), (1, 1)))),
        ("interleave:0=1", TierSpec("interleave", "interleave", weights=((0, 1),))),
        ("hugetlb", TierSpec("hugetlb", "hugetlb", page_bytes=2 << 20)),
        ("large=hugetlb:1GiB", TierSpec("large", "hugetlb", page_bytes=1 << 30)),
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
        ("slow=emulated:2,fast", "'fast' is no bandwidth"),
        ("slow=emulated:2,4GiB", "'4GiB' is no bandwidth"),
        ("slow=emulated:2,0/s", "'0/s' is no bandwidth"),
        ("slow=emulated:2,", "'' is no bandwidth"),
        ("slow=node:1,prefer", "not how a tier of kind node"),
        ("slow=node:1,", "not how a tier of kind node"),
        ("slow=node:1024", "not how a tier of kind node"),
        ("slow=kmem:", "not how a tier of kind kmem"),
        ("slow=kmem:far", "not how a tier of kind kmem"),
        ("slow=interleave", "not how a tier of kind interleave"),
        ("slow=interleave:0,1", "not how a tier of kind interleave"),
        ("slow=interleave:0=1,0=2", "or one twice"),
        ("slow=interleave:" + ",".join(f"{node}=1" for node in range(17)), "more than 16 nodes"),
        ("slow=interleave:0=0", "outside 1 to 255"),
        ("slow=interleave:0=256", "outside 1 to 255"),
        ("slow=huge:1GiB", "not how a tier of kind huge"),
        ("slow=hugetlb:large", "not how a tier of kind hugetlb"),
        ("slow=hugetlb:3MiB", "no processor has huge pages of 3.0MiB"),
        ("slow=hugetlb:4096", "no processor has huge pages of 4.0KiB"),
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


_NUMBERS = st.integers(0, 1023)
_TIERS = st.one_of(
    st.builds(
        TierSpec,
        st.just("slow"),
        st.just("emulated"),
        factor=st.floats(min_value=1.01, max_value=3.0).map(lambda factor: round(factor, 3)),
        bandwidth_bytes_per_s=st.none() | st.integers(1, 2**50).map(float),
    ),
    st.builds(TierSpec, st.just("slow"), st.just("node"), node=_NUMBERS, bind=st.booleans()),
    st.builds(TierSpec, st.just("slow"), st.just("kmem"), policy=st.sampled_from(tiers.KMEM_POLICIES)),
    st.builds(
        TierSpec,
        st.just("slow"),
        st.just("interleave"),
        weights=st.lists(st.tuples(_NUMBERS, st.integers(1, 255)), min_size=1, max_size=16, unique_by=lambda pair: pair[0]).map(tuple),
    ),
    st.builds(TierSpec, st.just("slow"), st.just("hugetlb"), page_bytes=st.integers(13, 40).map(lambda bits: 2**bits)),
)


@given(_TIERS)
def test_a_tier_is_read_as_it_was_written(tier: TierSpec) -> None:
    assert parse_tier(f"slow={tier.spec}") == tier
    assert parse_tier(tier.spec) == replace(tier, name=tier.kind)


def test_each_kind_that_is_offered_can_be_read_and_the_shim_has_a_number_for_it() -> None:
    offered = {re.match("[a-z]+", kind).group() for kind in tiers.KINDS}  # type: ignore[union-attr]
    assert offered == tiers._PARSERS.keys() == tiers._DETAILS.keys() == binary._KINDS.keys()


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
    monkeypatch.setattr(machine, "HUGE_SETTING", setting)
    with pytest.raises(TierError, match="set to never"):
        check_tier(TierSpec("huge", "huge"))


def test_an_interleaved_tier_needs_all_of_its_nodes() -> None:
    check_tier(TierSpec("both", "interleave", weights=((nodes()[0], 1),)))
    with pytest.raises(TierError, match="no NUMA node 999"):
        check_tier(TierSpec("both", "interleave", weights=((nodes()[0], 1), (999, 1))))


def test_kmem_needs_a_device_or_memkinds_own_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine whose KMEM driver has no device
    monkeypatch.delenv("MEMKIND_DAX_KMEM_NODES", raising=False)
    monkeypatch.setattr(machine, "KMEM_DRIVER", tmp_path)
    with pytest.raises(TierError, match="no device is under"):
        check_tier(TierSpec("pm", "kmem", policy="all"))
    # WHEN one is added
    (tmp_path / "dax0.0").mkdir()
    (tmp_path / "dax0.0" / "target_node").write_text("2\n")
    # THEN its node is the tier's
    check_tier(TierSpec("pm", "kmem", policy="all"))
    assert machine.kmem_nodes() == [2]


def test_a_pool_that_is_missing_or_empty_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a kernel with a pool of 2 MiB pages, which are all taken
    pool = tmp_path / "hugepages-2048kB"
    pool.mkdir()
    for name, value in (("nr_hugepages", "4"), ("free_hugepages", "0"), ("nr_overcommit_hugepages", "0")):
        (pool / name).write_text(value)
    monkeypatch.setattr(machine, "HUGE_POOLS", tmp_path)
    with pytest.raises(TierError, match="the pool has 4 pages, none of them free"):
        check_tier(TierSpec("large", "hugetlb", page_bytes=2 << 20))
    with pytest.raises(TierError, match=r"no pool of 1GiB pages \(it has 2MiB\)"):
        check_tier(TierSpec("large", "hugetlb", page_bytes=1 << 30))
    (pool / "free_hugepages").write_text("1")
    check_tier(TierSpec("large", "hugetlb", page_bytes=2 << 20))


def test_what_the_kernel_says_of_a_node_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a node without CPUs, of which firmware states latencies but no bandwidth
    initiators = tmp_path / "node1" / "access0" / "initiators"
    initiators.mkdir(parents=True)
    for name, value in (("read_latency", "250"), ("write_latency", "300"), ("read_bandwidth", "0")):
        (initiators / name).write_text(f"{value}\n")
    (tmp_path / "has_memory").write_text("0-1\n")
    (tmp_path / "has_cpu").write_text("0\n")
    (tmp_path / "node1" / "meminfo").write_text("Node 1 MemTotal:  1024 kB\nNode 1 MemFree:  512 kB\n")
    monkeypatch.setattr(machine, "NODES", tmp_path)
    assert machine.nodes_without_cpus() == [1]
    assert machine.node_timing(1) == machine.NodeTiming(250, 300, None, None)
    assert machine.node_bytes(1) == (1 << 20, 512 << 10)
    assert machine.node_bytes(0) is None


def test_file_systems_on_persistent_memory_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/pmem0 /mnt/a\\040b ext4 rw,relatime,dax=always 0 0\n/dev/sda / ext4 rw 0 0\n/dev/pmem1 /p xfs rw,dax=never 0 0\n"
    )
    monkeypatch.setattr(machine, "MOUNTS", mounts)
    assert machine.dax_folders() == [Path("/mnt/a b")]
