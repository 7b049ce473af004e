"""Pools and residency: what the shim knows of memory beyond who asked for it."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tierprof.profiler.raw import read_allocations, read_meta

PYTHON = """
def make(n):
    return [object() for _ in range(n)]
def words(n):
    return [str(k) * 3 for k in range(n)]
kept = make(60000), words(60000), make(60000)
"""

FREE, MAP, RESIDENT = 2, 3, 6
PAGES = 1024
# CPython's stacks of frames are mapped by the same function, and are smaller.
ARENA_BYTES = 1024 * 1024


def test_python_arenas_are_one_site_whoever_made_them_grow(run_shim: Callable) -> None:
    keys = []
    for _ in range(2):
        # GIVEN a Python program whose small objects need arenas from several functions
        run = run_shim(sys.executable, "-I", "-S", "-c", PYTHON)
        assert run.completed.returncode == 0
        # THEN all arenas are of one site, a pool, whose stack is the allocator alone
        stream = read_meta(next(run.raw.glob("meta.*.bin")))
        pools = [site for site in stream.sites.values() if site.pool]
        assert len(pools) == 1
        assert len(pools[0].frames) == 1
        assert not pools[0].truncated
        records = read_allocations(next(run.raw.glob("alloc.*.bin")))
        arenas = records[(records["type"] == MAP) & (records["site"] == pools[0].site)]
        assert (arenas["size"] == ARENA_BYTES).sum() > 4
        keys.append(pools[0].key)
    # THEN the site is the same in both runs
    assert keys[0] == keys[1]


def test_an_allocation_tells_at_its_end_how_many_pages_were_touched(run_shim: Callable, compile_program: Callable) -> None:
    # GIVEN a program that touches every other page of one allocation and frees it, and all pages of one that it keeps
    run = run_shim(compile_program("resident"), str(PAGES))
    assert run.completed.returncode == 0
    records = read_allocations(next(Path(run.raw).glob("alloc.*.bin")))
    # THEN the free says half of the pages (and the one with malloc's header), and the orderly exit all of the other's
    freed = records[(records["type"] == FREE) & (records["aux"] > 0)]
    assert np.isin(freed["aux"] - 1, (PAGES // 2, PAGES // 2 + 1)).all()
    assert len(freed) == 1
    kept = records[records["type"] == RESIDENT]
    assert len(kept) == 1
    assert kept["aux"][0] - 1 == PAGES + 1
