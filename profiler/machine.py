"""The machine that a run was recorded on, as far as its figures depend on it."""

import platform
from pathlib import Path
from typing import Any

import psutil

from tierprof.base.errors import TierprofError
from tierprof.base.units import parse_size_bytes

_CPU = Path("/sys/devices/system/cpu")
_NODES = Path("/sys/devices/system/node")


def describe() -> dict[str, Any]:
    """cpu, cores, llc_bytes (0: unknown), memory_bytes, kernel, numa_nodes, hypervisor (whether a hypervisor runs this machine)."""
    cpuinfo = _cpuinfo()
    return {
        "cpu": cpuinfo.get("model name", platform.processor() or platform.machine()),
        "cores": psutil.cpu_count(logical=True) or 1,
        "llc_bytes": last_level_cache_bytes(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "numa_nodes": len(list(_NODES.glob("node[0-9]*"))) or 1,
        "hypervisor": "hypervisor" in cpuinfo.get("flags", "").split(),
    }


def last_level_cache_bytes() -> int:
    """Size of the largest cache that the first core shares in, as the kernel tells it; 0 where it does not."""
    sizes = []
    for size in _CPU.glob("cpu0/cache/index*/size"):
        try:
            sizes.append(parse_size_bytes(size.read_text().strip()))
        except (OSError, TierprofError):
            continue
    return max(sizes, default=0)


def _cpuinfo() -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
