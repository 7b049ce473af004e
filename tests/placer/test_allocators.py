"""Programs that have another allocator than the C library's linked in: what it maps goes to the plan's tier, as one object."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, parse_tier
from tierprof.profiler.raw import read_allocations, read_meta

MIB = 1 << 20
MAP = 3

#: By archive; tcmalloc's has its memory from sbrk, jemalloc's from mmap.
ALLOCATORS = {"libjemalloc.a": "jemalloc", "libtcmalloc_minimal.a": "tcmalloc"}
_WHOLE = ("-Wl,--whole-archive", "-Wl,--no-whole-archive")


@pytest.fixture(params=ALLOCATORS.items(), ids=ALLOCATORS.values())
def linked(request: pytest.FixtureRequest, compile_program: Callable[..., Path]) -> tuple[str, Callable[[str], Path]]:
    """An allocator's name, and how to build a program with it linked in."""
    archive, name = request.param
    found = subprocess.run([os.environ.get("CC", "cc"), f"-print-file-name={archive}"], capture_output=True, text=True, check=True).stdout
    if not Path(found.strip()).is_absolute():
        pytest.skip(f"{archive} is not installed")
    flags = ("-fno-builtin", _WHOLE[0], f"-l:{archive}", _WHOLE[1], "-lm", "-lstdc++")
    return name, lambda program: compile_program(program, *flags)


@pytest.mark.parametrize("spec", ["pmem:FOLDER", "node:0", "emulated:2"])
def test_what_a_linked_in_allocator_has_from_the_kernel_goes_to_its_tier(
    spec: str, linked: tuple[str, Callable[[str], Path]], tmp_path: Path, run_shim: Callable[..., Any]
) -> None:
    # GIVEN a program with its own allocator, and a plan that sends everything to one tier
    name, build = linked
    plan = Plan((TierSpec("dram"), parse_tier(f"slow={spec.replace('FOLDER', str(tmp_path))}")), "slow")
    file = tmp_path / "plan.bin"
    file.write_bytes(plan_bytes(plan, {"slow": 1.0}))
    # WHEN it allocates 40 objects of 1 MiB
    run = run_shim(build("place_sites"), "20", env={"TIERPROF_PLAN": str(file)})
    assert (run.completed.returncode, run.completed.stdout) == (0, b"right 20\n")
    # THEN they are in the tier, as the allocator's memory
    meta = read_meta(next(run.raw.glob("meta.*.bin")))
    assert f"has {name} linked in, whose mappings are one object" in meta.notes[0].text
    slow = tiers_achieved(counters_of(run.raw), plan).set_index("tier").loc["slow"]
    assert slow["peak_bytes"] >= 40 * MIB
    records = np.concatenate([read_allocations(path) for path in run.raw.glob("alloc.*.bin")])
    placed = records[(records["type"] == MAP) & (records["tier"] == 1)]
    sizes = {meta.sites[site].pool: placed["size"][placed["site"] == site].sum() for site in np.unique(placed["site"])}
    assert max(sizes, key=sizes.__getitem__) == f"{name}'s memory"


@pytest.mark.parametrize("program", ["place_fork", "place_threads", "place_basic"])
def test_its_program_works_with_all_of_that_in_a_folder(
    program: str, linked: tuple[str, Callable[[str], Path]], tmp_path: Path, run_shim: Callable[..., Any]
) -> None:
    _, build = linked
    plan = Plan((TierSpec("dram"), TierSpec("slow", "pmem", folder=tmp_path)), "slow")
    file = tmp_path / "plan.bin"
    file.write_bytes(plan_bytes(plan, {}))
    alone = subprocess.run([build(program)], capture_output=True, check=False)
    run = run_shim(build(program), env={"TIERPROF_PLAN": str(file)})
    assert (run.completed.returncode, run.completed.stdout) == (alone.returncode, alone.stdout)
    assert tiers_achieved(counters_of(run.raw), plan).set_index("tier").loc["slow", "peak_bytes"] > 0
