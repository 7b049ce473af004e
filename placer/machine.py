"""What the kernel says of this machine's memory: nodes and their timing, devices, pools of huge pages, and file systems with DAX."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NODES = Path("/sys/devices/system/node")
KMEM_DRIVER = Path("/sys/bus/dax/drivers/kmem")
HUGE_POOLS = Path("/sys/kernel/mm/hugepages")
HUGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MOUNTS = Path("/proc/self/mounts")

_DAX_OPTIONS = ("dax", "dax=always", "dax=inode")


@dataclass(frozen=True)
class NodeTiming:
    """What the firmware's HMAT states of a node, seen from the processors nearest to it; None: nothing."""

    read_latency_ns: int | None
    write_latency_ns: int | None
    read_bandwidth_mb_s: int | None
    write_bandwidth_mb_s: int | None


@dataclass(frozen=True)
class HugePool:
    """A reserved pool of huge pages of one size."""

    page_bytes: int
    total: int
    free: int
    surplus: int  # that the kernel may add when all are taken


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _numbers(text: str) -> list[int]:
    ranges = [part.partition("-") for part in text.strip().split(",") if part]
    return [number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)]


def nodes() -> list[int]:
    """Numbers of the NUMA nodes that have memory; [0] where the kernel does not tell."""
    try:
        return _numbers((NODES / "has_memory").read_text(encoding="ascii"))
    except OSError:
        return [0]


def nodes_without_cpus() -> list[int]:
    """Numbers of the nodes that are memory only, as CXL memory and KMEM devices are."""
    try:
        with_cpus = _numbers((NODES / "has_cpu").read_text(encoding="ascii"))
    except OSError:
        return []
    return [node for node in nodes() if node not in with_cpus]


def node_bytes(node: int) -> tuple[int, int] | None:
    """A node's bytes in all and free; None where the kernel does not tell."""
    try:
        lines = (NODES / f"node{node}" / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = {words[2].rstrip(":"): int(words[3]) * 1024 for words in map(str.split, lines) if len(words) > 3}
    return (found["MemTotal"], found["MemFree"]) if {"MemTotal", "MemFree"} <= found.keys() else None


def node_timing(node: int) -> NodeTiming:
    """What the firmware states of a node."""
    folder = NODES / f"node{node}" / "access0" / "initiators"
    names = ("read_latency", "write_latency", "read_bandwidth", "write_bandwidth")
    return NodeTiming(*(_number(folder / name) or None for name in names))


def kmem_nodes() -> list[int]:
    """Nodes that are devices under the kernel's KMEM driver, online or not."""
    found = {_number(path) for path in KMEM_DRIVER.glob("dax*/target_node")}
    return sorted(node for node in found if node is not None and node >= 0)


def huge_pools() -> list[HugePool]:
    """The pools of huge pages that this kernel has, smallest pages first."""

    def read() -> Iterator[HugePool]:
        for folder in HUGE_POOLS.glob("hugepages-*kB"):
            total, free, surplus = (_number(folder / name) or 0 for name in ("nr_hugepages", "free_hugepages", "nr_overcommit_hugepages"))
            yield HugePool(int(folder.name[len("hugepages-") : -len("kB")]) * 1024, total, free, surplus)

    return sorted(read(), key=lambda pool: pool.page_bytes)


def transparent_huge_pages() -> str | None:
    """How they are set: ``always``, ``madvise`` or ``never``; None: not in this kernel."""
    try:
        return HUGE_SETTING.read_text(encoding="ascii").partition("[")[2].partition("]")[0]
    except OSError:
        return None


def dax_folders() -> list[Path]:
    """Where file systems are mounted whose files map persistent memory directly."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    return [
        Path(os.fsdecode(os.fsencode(field[1]).decode("unicode_escape").encode("latin-1")))
        for field in fields
        if len(field) > 3 and any(option in _DAX_OPTIONS for option in field[3].split(","))
    ]
