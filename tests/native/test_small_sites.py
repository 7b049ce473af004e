"""Small objects as objects: a site that is switched on has memory of its own, whatever the program does to it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.site_key import NOWHERE, module_identity, site_stem
from tierprof.placer.tiers import TierSpec

CompileProgram = Callable[..., Path]
RunShim = Callable[..., Any]  # (raw folder, completed process)
ReadRaw = Callable[[Path], list[Any]]  # a list of (meta, records, counters)

PROGRAMS = Path(__file__).parents[1] / "programs"
ALLOC, FREE, SMALL, SLAB, TOTAL = 1, 2, 5, 9, 10
FLAG_SPILL = 2
MIB = 1 << 20
CHUNK_SHARE = 4  # TPI_CHUNK_SHARE
LEAST_CHUNK, MOST_CHUNK = 64 * 1024, 2 * MIB
NODES, NODE_BYTES = 50000, 48
VERTICES, VERTEX_BYTES = 20000, 24
TWINS = 1000
KEPT, DEPTHS = 50000, 400  # of small_stems.c
SLOTS = 64
#: Every small allocation is a sample, and the first one of a site switches it on.
ON = {"TIERPROF_SMALL_PERIOD": "1", "TIERPROF_SMALL_SITE": "1"}
SOON_ON = {"TIERPROF_SMALL_PERIOD": "65536", "TIERPROF_SMALL_SITE": "262144"}


@pytest.fixture(scope="session")
def small_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/programs/small_sites.cpp, compiled."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        pytest.skip(f"no C++ compiler: {compiler} is not in PATH")
    output = tmp_path_factory.mktemp("small_sites") / "small_sites"
    subprocess.run([compiler, "-O2", "-g", "-o", str(output), str(PROGRAMS / "small_sites.cpp")], check=True)
    return output


def totals(records: np.ndarray) -> dict[int, tuple[int, int]]:
    """What each site's small objects were in all: number and bytes, by site."""
    found = records[records["type"] == TOTAL]
    return {int(row["site"]): (int(row["address"]), int(row["size"])) for row in found}


def sites_planned(process: Any, tier: TierSpec) -> Plan:
    """A plan that sends the small objects of every site that was switched on in a run to a tier."""
    keys = [site.key for site in process.meta.sites.values() if site.site in totals(process.records)]
    return Plan((TierSpec("dram"), tier), "dram", tuple(PlannedObject(key, tier.name, small=True) for key in keys))


def run_planned(run_shim: RunShim, program: Path, plan: Plan, folder: Path, **env: str) -> Any:
    file = folder / "plan.bin"
    file.write_bytes(plan_bytes(plan, {}))
    return run_shim(program, env={"TIERPROF_PLAN": str(file), **env})


@pytest.mark.parametrize("program", ["small_threads", "small_fork", "small_signal"])
def test_programs_do_the_same_with_objects_from_slabs(
    program: str, compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw
) -> None:
    # GIVEN a program that frees in other threads, in forked children or in a signal handler, and checks every byte
    # WHEN its sites are switched on by their first allocations
    raw, completed = run_shim(compile_program(program), env=ON)
    # THEN it finds nothing wrong, and its objects came from slabs
    assert completed.returncode == 0, completed.stderr
    first = read_raw(raw)[0]
    assert first.counters["small_site_allocations"] > 1000
    assert first.meta.exited


def test_sites_carry_the_exact_counts(small_sites: Path, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a std::map and a vector for each vertex
    # WHEN their sites are on from their second allocation on
    raw, completed = run_shim(small_sites, env=ON)
    # THEN each site has been handed out exactly what the program asked for, but for the one block that was the sample
    assert completed.returncode == 0
    [process] = read_raw(raw)
    exact = {(NODES - 1, (NODES - 1) * NODE_BYTES), (VERTICES - 1, (VERTICES - 1) * VERTEX_BYTES)}
    assert set(totals(process.records).values()) == exact
    # AND memory of its own, no more than a chunk above what it holds, every chunk of which has one end at most
    slabs = process.records[process.records["type"] == SLAB]
    for site, (count, _) in totals(process.records).items():
        held = count * (NODE_BYTES if count == NODES - 1 else 32)  # 24 bytes take 32
        own = int(slabs["size"][slabs["site"] == site].sum())
        assert held <= own <= held * (1 + 1 / CHUNK_SHARE) + 3 * LEAST_CHUNK
    assert not slabs["size"].astype(int).tolist() or max(slabs["size"].tolist()) <= MOST_CHUNK
    ends = process.records[process.records["type"] == FREE]["address"]
    assert np.isin(ends, slabs["address"]).sum() <= len(slabs)


def test_chunks_are_given_back_when_they_are_empty(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that keeps 150000 blocks of 64 bytes and frees them all
    raw, completed = run_shim(compile_program("small"), env=ON)
    # WHEN it has ended
    [process] = read_raw(raw)
    slabs = process.records[process.records["type"] == SLAB]
    ends = process.records[process.records["type"] == FREE]
    # THEN all chunks but the last ones of each site have ended, in order of time
    assert completed.returncode == 0
    ended = slabs[np.isin(slabs["address"], ends["address"])]
    assert ended["size"].sum() > 0.7 * slabs["size"].sum() > 7 * MIB
    for chunk in ended:
        assert ends["time_ns"][ends["address"] == chunk["address"]].max() > chunk["time_ns"]


def test_a_plan_places_small_objects_from_the_first(small_sites: Path, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path) -> None:
    # GIVEN a plan that names the small objects of both sites
    [recorded] = read_raw(run_shim(small_sites, env=ON).raw)
    folder = tmp_path / "memory"
    folder.mkdir()
    plan = sites_planned(recorded, TierSpec("slow", "pmem", folder=folder))
    # WHEN the program runs under it
    raw, completed = run_planned(run_shim, small_sites, plan, tmp_path)
    # THEN its output is the same, and every byte of the sites is in the tier
    assert (completed.returncode, completed.stdout) == (0, run_shim(small_sites).completed.stdout)
    [process] = read_raw(raw)
    assert set(totals(process.records).values()) == {(NODES, NODES * NODE_BYTES), (VERTICES, VERTICES * VERTEX_BYTES)}
    slabs = process.records[process.records["type"] == SLAB]
    assert set(slabs["tier"].tolist()) == {1}
    assert process.counters["tiers"][1]["peak_bytes"] == slabs["size"].sum()
    # AND nothing is left in its folder
    assert list(folder.iterdir()) == []


def test_a_full_tier_spills(small_sites: Path, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path) -> None:
    # GIVEN the same plan, and room for 1 MiB in the tier
    [recorded] = read_raw(run_shim(small_sites, env=ON).raw)
    folder = tmp_path / "memory"
    folder.mkdir()
    plan = sites_planned(recorded, TierSpec("slow", "pmem", folder=folder, capacity_bytes=MIB))
    # WHEN the program runs under it
    raw, completed = run_planned(run_shim, small_sites, plan, tmp_path)
    # THEN what does not fit is in DRAM, and marked
    assert completed.returncode == 0
    [process] = read_raw(raw)
    slabs = process.records[process.records["type"] == SLAB]
    assert set(totals(process.records).values()) == {(NODES, NODES * NODE_BYTES), (VERTICES, VERTICES * VERTEX_BYTES)}
    assert slabs["size"][slabs["tier"] == 1].sum() <= MIB
    assert (slabs["flags"][slabs["tier"] == 0] & FLAG_SPILL).all()
    assert process.counters["tiers"][1]["spilled_bytes"] > MIB


def test_a_plan_without_small_objects_leaves_them_alone(small_sites: Path, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path) -> None:
    # GIVEN a plan that names the sites, but not their small objects
    [recorded] = read_raw(run_shim(small_sites, env=ON).raw)
    plan = sites_planned(recorded, TierSpec("slow", "emulated", factor=2.0))
    plain = Plan(plan.tiers, plan.default, tuple(PlannedObject(own.site, own.tier) for own in plan.objects))
    # WHEN the program runs under it
    raw, _ = run_planned(run_shim, small_sites, plain, tmp_path, TIERPROF_SMALL_SITE="0")
    # THEN there are no slabs
    [process] = read_raw(raw)
    assert process.counters["small_sites"] == 0
    assert not np.isin(process.records["type"], [SLAB, TOTAL]).any()


def test_call_paths_with_the_same_key_are_told_apart(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN two call paths of one height, whose two innermost return addresses are the same
    # WHEN each allocates in turn, large blocks and then small ones
    raw, completed = run_shim(compile_program("small_twins"), env=ON)
    # THEN each site has all of its large blocks and none of the other's
    assert completed.returncode == 0
    [process] = read_raw(raw)
    births = process.records[(process.records["type"] == ALLOC) & np.isin(process.records["size"], [8192, 12288])]
    sites = {(int(row["site"]), int(row["size"])) for row in births}
    assert len(sites) == 2 and len({site for site, _ in sites}) == 2
    assert [int((births["size"] == size).sum()) for size in (8192, 12288)] == [TWINS, TWINS]
    assert 1 <= process.counters["context_mismatches"] <= 4  # from the first confusion on a word of the stack tells them apart
    # AND of its small ones, all but the one that was the sample
    assert set(totals(process.records).values()) == {(TWINS - 1, (TWINS - 1) * 64), (TWINS - 1, (TWINS - 1) * 192)}


def test_a_plan_alone_passes_on_what_it_does_not_name(
    compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path
) -> None:
    # GIVEN two call paths that share a key, a plan that names one of them, and no recording
    program = compile_program("small_plain")
    [recorded] = read_raw(run_shim(program).raw)
    births = np.sort(recorded.records[(recorded.records["type"] == ALLOC) & (recorded.records["size"] == 8192)], order="time_ns")
    key = recorded.meta.sites[int(births["site"][0])].key
    folder = tmp_path / "memory"
    folder.mkdir()
    plan = Plan((TierSpec("dram"), TierSpec("slow", "pmem", folder=folder)), "dram", (PlannedObject(key, "slow"),))
    file = tmp_path / "plan.bin"
    file.write_bytes(plan_bytes(plan, {}))
    # WHEN they allocate in turn, often enough for the shim to know them by their keys
    raw, completed = run_shim(program, str(folder), env={"TIERPROF_PLAN": str(file), "TIERPROF_DIR": ""})
    # THEN every block of the one is in its tier, and no block of the other
    assert (completed.returncode, completed.stdout) == (0, b"500 0\n")
    assert list(raw.iterdir()) == []


def test_a_call_path_is_unwound_once(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that allocates 150 times each at two sites of one thread
    raw, _ = run_shim(compile_program("small_twins"), env={"TIERPROF_SMALL_PERIOD": "0"})
    [process] = read_raw(raw)
    # THEN there are as many unwindings as paths, not as allocations
    assert process.counters["tracked_allocations"] == 2 * TWINS
    assert process.counters["context_misses"] == process.counters["context_keys"] <= 4


def stem_of(process: Any, site: Any) -> tuple[int, ...]:
    """How a recorded site's stack begins, as a plan tells the shim."""
    modules = {module.module: module_identity(module.path, bytes.fromhex(module.build_id)) for module in process.meta.modules}
    return site_stem([(modules.get(int(frame["module"]), NOWHERE), int(frame["offset"])) for frame in site.frames])


def with_stems(process: Any, plan: Plan) -> Plan:
    """The plan as a run has it that knows how its sites' stacks begin."""
    stems = {site.key: stem_of(process, site) for site in process.meta.sites.values()}
    return replace(plan, objects=tuple(replace(own, stem=stems[own.site]) for own in plan.objects))


FRAMES = pytest.mark.parametrize("options", [(), ("-fno-omit-frame-pointer",)], ids=["stack pointer", "frame pointer"])


@FRAMES
def test_call_paths_that_begin_otherwise_are_not_looked_at(
    options: tuple[str, ...], compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw
) -> None:
    # GIVEN a program with one site of blocks that it keeps, and 800 other call paths that begin otherwise
    program = compile_program("small_stems", *options)
    # WHEN the site is switched on by its fourth sample, of which there are 49 in the mean
    raw, completed = run_shim(program, env=SOON_ON)
    # THEN it has its blocks from then on, and of the others only those few were looked at that are samples
    [process] = read_raw(raw)
    assert (completed.returncode, completed.stdout) == (0, b"160000\n")
    [(count, _)] = totals(process.records).values()
    assert KEPT / 2 < count < KEPT
    assert process.counters["context_misses"] < DEPTHS / 4


@FRAMES
@pytest.mark.parametrize("far", [False, True])
def test_a_plan_tells_how_its_stacks_begin(  # noqa: PLR0917
    options: tuple[str, ...], far: bool, compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path
) -> None:
    # GIVEN a plan that names the kept blocks, and says how the stack of their site begins
    program = compile_program("small_stems", *options)
    [recorded] = read_raw(run_shim(program, env=SOON_ON).raw)
    folder = tmp_path / "memory"
    folder.mkdir()
    plan = with_stems(recorded, sites_planned(recorded, TierSpec("slow", "pmem", folder=folder)))
    assert [len(own.stem) for own in plan.objects] == [4]
    # WHEN the program runs under it, without samples; and so that 400 more call paths begin as that one does
    file = tmp_path / "plan.bin"
    file.write_bytes(plan_bytes(plan, {}))
    raw, completed = run_shim(program, *(["far"] if far else []), env={"TIERPROF_PLAN": str(file), "TIERPROF_SMALL_PERIOD": "0"})
    # THEN exactly the kept blocks are in the tier, and only paths that begin so are looked at
    [process] = read_raw(raw)
    assert completed.returncode == 0
    assert list(totals(process.records).values()) == [(KEPT, KEPT * 64)]
    assert (process.counters["context_misses"] > DEPTHS) == far
    assert far or process.counters["context_misses"] < 8


def test_a_library_in_the_place_of_another_is_looked_at_anew(
    compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path
) -> None:
    # GIVEN two builds of a library that differ by their build-ids alone, and a plan that names the small objects of the second
    libraries = [compile_program("plugin", "-shared", "-fPIC", f"-Wl,--build-id=0x{digit * 40}") for digit in "12"]
    program = compile_program("small_plugins", "-ldl")
    [recorded] = read_raw(run_shim(program, *map(str, libraries), env=ON).raw)
    paths = {module.module: (module.path, module.start) for module in recorded.meta.modules}
    planned = sites_planned(recorded, TierSpec("slow", "pmem", folder=tmp_path))
    ours = [site.key for site in recorded.meta.sites.values() if paths.get(int(site.frames["module"][0]), ("",))[0] == str(libraries[1])]
    plan = replace(planned, objects=tuple(own for own in planned.objects if own.site in ours))
    # WHEN both allocate five times, the second where the first was
    file = tmp_path / "plan.bin"
    file.write_bytes(plan_bytes(with_stems(recorded, plan), {}))
    raw, completed = run_shim(program, *map(str, libraries), env={"TIERPROF_PLAN": str(file), "TIERPROF_SMALL_PERIOD": "0"})
    # THEN all blocks of the second are in the tier
    [process] = read_raw(raw)
    assert completed.returncode == 0
    assert len({start for path, start in paths.values() if path in map(str, libraries)}) == 1
    assert list(totals(process.records).values()) == [(100, 6400)]


slots = st.integers(0, SLOTS - 1)
sizes = st.one_of(st.integers(0, 200), st.integers(0, 200), st.integers(0, 5000), st.integers(0, 20000))
operations = st.one_of(
    st.tuples(st.sampled_from("mc"), slots, sizes),
    st.tuples(st.just("r"), slots, sizes.filter(bool)),
    st.tuples(st.just("a"), slots, sizes, st.sampled_from([8, 16, 32, 64, 256, 1024, 4096])),
    st.tuples(st.sampled_from("ft"), slots),
)


def expected(script: list[tuple[Any, ...]]) -> str:
    """What small_oracle prints."""
    blocks: dict[int, bytes] = {}
    for number, (kind, slot, *rest) in enumerate(script, 1):
        kept = blocks.get(slot, b"")[: rest[0]] if kind == "r" else b""
        if kind in "ft":
            blocks.pop(slot, None)
        else:
            blocks[slot] = kept + bytes([number & 0xFF]) * (rest[0] - len(kept))
    lines = []
    for slot in sorted(blocks):
        total = 0
        for byte in blocks[slot]:
            total = (total * 31 + byte) % 2**64
        lines.append(f"{slot} {len(blocks[slot])} {total % 1000000007}\n")
    return "".join(lines)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(operations, min_size=1, max_size=300), threshold=st.sampled_from([256, 4096, 16384]))
def test_any_sequence_of_calls_keeps_content(
    script: list[tuple[Any, ...]], threshold: int, compile_program: CompileProgram, run_shim: RunShim
) -> None:
    # GIVEN any sequence of malloc, calloc, posix_memalign, realloc and free, in this thread and others, and a threshold
    text = "\n".join(" ".join(map(str, step)) for step in script)
    # WHEN it is carried out with every site on
    _, completed = run_shim(compile_program("small_oracle"), env={**ON, "TIERPROF_THRESHOLD": str(threshold)}, input=text.encode())
    # THEN each block holds what it should, aligned and zeroed where it was to be
    assert (completed.returncode, completed.stdout.decode()) == (0, expected(script)), completed.stderr
