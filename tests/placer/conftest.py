"""Programs run under plans, with tiers that any machine has."""

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_meta

from .placed import ALLOC, MIB, POOL, POOL_PAGES, Placed, RunPlaced


@pytest.fixture
def tier_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[str], TierSpec]:
    """The tier `slow` of a kind."""
    folder = tmp_path / "memory"
    folder.mkdir()
    details: dict[str, dict[str, Any]] = {
        "pmem": {"folder": folder},
        "node": {"node": 0},
        "bind": {"kind": "node", "node": 0, "bind": True},
        "kmem": {"policy": "all"},
        "interleave": {"weights": ((0, 1),)},
        "huge": {},
        "hugetlb": {"page_bytes": 2 * MIB},
        "emulated": {"factor": 2.0},
    }

    def tier(kind: str) -> TierSpec:
        if kind == "kmem":  # node 0 stands for a device's, as memkind itself lets it
            monkeypatch.setenv("MEMKIND_DAX_KMEM_NODES", "0")
        if kind == "hugetlb":
            request.getfixturevalue("huge_pool")
        return TierSpec("slow", **{"kind": kind, **details[kind]})

    return tier


@pytest.fixture
def huge_pool() -> Iterator[None]:
    """A pool of 128 MiB in pages of 2 MiB."""
    before = POOL.read_text()
    POOL.write_text(str(POOL_PAGES))
    try:
        if int(POOL.read_text()) < POOL_PAGES:
            pytest.skip("the kernel finds no room for a pool of huge pages")
        yield
    finally:
        POOL.write_text(before)


@pytest.fixture
def run_placed(tmp_path: Path, run_shim: Callable[..., Any]) -> RunPlaced:
    """`run_placed(program, *args, plan=..., env={})`: run it under the shim and the plan."""

    def run_one(program: Path | str, *args: str, plan: Plan, env: dict[str, str] | None = None, **options: Any) -> Placed:
        file = tmp_path / "plan.bin"
        file.write_bytes(plan_bytes(plan, {}))
        run = run_shim(program, *args, env={"TIERPROF_PLAN": str(file), **(env or {})}, **options)
        metas = sorted(run.raw.glob("meta.*.bin"), key=lambda path: path.stat().st_ino)
        records = np.concatenate([read_allocations(path) for path in run.raw.glob("alloc.*.bin")])
        counters = counters_of(run.raw)
        tiers = tiers_achieved(counters, plan).set_index("tier")
        completed = run.completed
        return Placed(
            completed.stdout.decode(), completed.returncode, tiers, read_meta(metas[0]), records[records["type"] == ALLOC], counters
        )

    return run_one


@pytest.fixture(scope="module")
def two_sites(compile_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, shim_library: Path) -> tuple[str, str]:
    """Keys of the two sites of place_sites, left and right."""
    raw = tmp_path_factory.mktemp("raw")
    env = {**os.environ, "LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(raw)}
    subprocess.run([compile_program("place_sites"), "1"], env=env, check=True, capture_output=True)
    records = read_allocations(next(raw.glob("alloc.*.bin")))
    sites = read_meta(next(raw.glob("meta.*.bin"))).sites
    left, right = (sites[site].key for site in records["site"][(records["type"] == ALLOC) & (records["size"] == MIB)])
    return left, right


@pytest.fixture(scope="module")
def sites_of(tmp_path_factory: pytest.TempPathFactory, shim_library: Path) -> Callable[..., list[str]]:
    """`sites_of(program, *args, kind=ALLOC)`: keys of the sites of 1 MiB or more, from a run without a plan."""

    @functools.cache
    def find(program: Path, *args: str, kind: int = ALLOC) -> list[str]:
        raw = tmp_path_factory.mktemp("raw")
        env = {**os.environ, "LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(raw)}
        subprocess.run([program, *args], env=env, check=True, capture_output=True)
        path = max(raw.glob("alloc.*.bin"), key=lambda one: one.stat().st_size)
        records = read_allocations(path)
        sites = read_meta(path.with_name(path.name.replace("alloc", "meta", 1))).sites
        large = records[(records["type"] == kind) & (records["size"] >= MIB)]
        return [sites[number].key for number in np.unique(large["site"])]

    return find
