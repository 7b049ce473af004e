"""Objects with parts, and what programs do to them: nothing that they could notice differs, and the accounts come out even."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.placer.tiers import TierSpec

from .placed import KINDS, MAP, MIB, RunPlaced, everything_in
from .test_placed_parts import split

TierOf = Callable[[str], TierSpec]
Compile = Callable[..., Path]


@pytest.mark.parametrize("kind", KINDS)
def test_programs_do_to_objects_with_parts_what_they_do_to_others(
    kind: str, compile_program: Compile, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    # GIVEN a plan that splits the objects of every site of a program, at boundaries that huge pages have not
    program = compile_program("place_parts_hazards")
    own, other = ("dram", "slow") if kind in ("bind", "huge", "interleave") else ("slow", "dram")
    parts = [(MIB, 3 * MIB, other), (5 * MIB + 4096, 9 * MIB, other), (12 * MIB, None, other)]
    run = run_placed(program, plan=split(sites_of(program, "plain"), tier_of(kind), parts, own))
    # THEN nothing that it does to them is wrong
    assert (run.output, run.status) == ("wrong 0\n", 0)
    # and when all are freed, nothing is left in the accounts of any process
    assert max(tier["live_bytes"] for one in run.counters for tier in one["tiers"]) < MIB
    assert run.tiers.loc["slow", "peak_bytes"] > 4 * MIB


@pytest.mark.parametrize("kind", KINDS)
def test_mappings_of_the_programs_own_have_parts_and_keep_their_semantics(
    kind: str, compile_program: Compile, run_placed: RunPlaced, tier_of: TierOf, sites_of: Callable[..., list[str]]
) -> None:
    slow = tier_of(kind)
    # GIVEN a plan that splits every mapping of programs that unmap, discard, protect, move and fork with parts of theirs
    for name, said in (("place_map", "zeroes 1 kept 1\n"), ("place_map_semantics", "good\n")):
        program = compile_program(name)
        parts = [(0, 64 << 10, "dram"), (512 << 10, 2 * MIB, "dram")]
        run = run_placed(program, plan=split(sites_of(program, kind=MAP), slow, parts))
        # THEN they find no difference, and the tier has had its parts of them
        assert (run.output, run.status) == (said, 0)
        # and as many bytes are left in the accounts as without parts: what is mapped at the end
        whole = run_placed(program, plan=everything_in(slow))
        assert run.tiers["live_bytes"].sum() == whole.tiers["live_bytes"].sum()
        served = "spilled_bytes" if kind == "hugetlb" else "total_bytes"
        assert run.tiers.loc["slow", served] >= 2 * MIB
