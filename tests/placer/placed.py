"""What tests of placement share: a run under a plan, and the kinds of tier that any machine has."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tierprof.placer import memkind
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import MetaStream

MIB = 1 << 20
ALLOC, MAP = 1, 3
SPILLED = 2
NOTE_TIER_FAILED, NOTE_PLAN_BAD, NOTE_OTHER = 3, 4, 99
HUGE_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")

needs_memkind = pytest.mark.skipif(not memkind.available(), reason="libmemkind is not installed")
needs_huge = pytest.mark.skipif(
    not HUGE_SETTING.exists() or "[never]" in HUGE_SETTING.read_text(), reason="transparent huge pages are not to be had"
)
POOL = Path("/proc/sys/vm/nr_hugepages")
POOL_PAGES = 64
needs_pool = pytest.mark.skipif(not os.access(POOL, os.W_OK), reason="the pool of huge pages may not be filled")
KINDS = [
    "pmem",
    "node",
    "bind",
    "kmem",
    "interleave",
    pytest.param("huge", marks=needs_huge),
    pytest.param("hugetlb", marks=needs_pool),
    "emulated",
]


class Placed(NamedTuple):
    """A run under a plan."""

    output: str
    status: int
    tiers: Any  # DataFrame of tiers_achieved, by tier name
    meta: MetaStream  # of the first process
    allocations: np.ndarray  # records of type ALLOC of all processes
    counters: list[dict[str, Any]]

    @property
    def notes(self) -> dict[int, str]:
        return {note.code: note.text for note in self.meta.notes}


RunPlaced = Callable[..., Placed]


def everything_in(tier: TierSpec) -> Plan:
    return Plan((TierSpec("dram"), tier), tier.name)
