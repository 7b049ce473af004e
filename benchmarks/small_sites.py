"""What malloc and free cost under a plan, by one thread and by two: at a site whose small objects have memory of their own, and at others.

Run `python benchmarks/small_sites.py`. One C loop allocates and frees 64 bytes, 4096 times 64 bytes that are alive together, and 64 KiB;
CPU time a pair, in interleaved rounds. "of glibc" is the ratio of the medians with its 95 % bootstrap interval over rounds, "1 to 2" how
many times as much two threads do as one, by the clock on the wall: 2 is what can be had. Beside it stand other allocators, and the two that
could have given a site memory of its own in the place of slabs: an arena of jemalloc's for each site, and a kind of memkind's.
"""

import argparse
import ctypes.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import Timing, format_interval, paired_interval, run_rounds, timed

from tierprof.base.native import native_path
from tierprof.console import emit_json, say, table
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.site_key import NOWHERE, module_identity, site_stem
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.raw import read_allocations, read_meta

PLAIN = "glibc"
TRAFFICS = ("64B", "64B-kept", "64KiB")
TITLES = {"64B": "64 B", "64B-kept": "64 B, 4096 alive", "64KiB": "64 KiB"}
TARGETS = "targets, of glibc: a plan that matches nothing 1.25 at 64 B and 2 at 64 KiB; a placed site 1.5 at 64 B"
SLAB_TOTAL = 10  # enum tp_record_type of native/common/records.h
OTHER_SITE = "1" * 32
OTHER_STEM = 2  # no stack begins so


class Contender(NamedTuple):
    """A way to run the loop; `missing` says why it cannot be run."""

    name: str
    words: tuple[str, ...]
    env: dict[str, str]
    missing: str | None = None


def small_objects(loop: Path, shim: str, folder: Path) -> list[PlannedObject]:
    """The sites of the loop whose small objects get memory of their own, as a plan has them that has been matched to the loop."""
    raw = folder / "sites"
    raw.mkdir()
    every = {"TIERPROF_SMALL_PERIOD": "1", "TIERPROF_SMALL_SITE": "1"}
    env = {**os.environ, **every, "LD_PRELOAD": shim, "TIERPROF_DIR": str(raw)}
    subprocess.run([loop, "once"], env=env, stdout=subprocess.DEVNULL, check=True)
    records = read_allocations(next(raw.glob("alloc.*.bin")))
    meta = read_meta(next(raw.glob("meta.*.bin")))
    modules = {module.module: module_identity(module.path, bytes.fromhex(module.build_id)) for module in meta.modules}
    sites = [meta.sites[number] for number in set(records["site"][records["type"] == SLAB_TOTAL].tolist())]
    stems = [site_stem([(modules.get(frame["module"], NOWHERE), int(frame["offset"])) for frame in site.frames]) for site in sites]
    return [PlannedObject(site.key, "", small=True, stem=stem) for site, stem in zip(sites, stems, strict=True)]


def plan_env(shim: str, folder: Path, objects: list[PlannedObject]) -> dict[str, str]:
    """What makes the shim follow a plan that sends these objects to another tier."""
    memory = folder / "memory"
    memory.mkdir(exist_ok=True)
    tier = TierSpec("capacity", "pmem", folder=memory)
    plan = Plan((TierSpec("dram"), tier), "dram", tuple(replace(own, tier=tier.name) for own in objects))
    file = Path(tempfile.mkstemp(suffix=".plan", dir=folder)[1])
    file.write_bytes(plan_bytes(plan, {}))
    return {"LD_PRELOAD": shim, "TIERPROF_PLAN": str(file)}


def shim_contenders(loop: Path, folder: Path) -> Iterator[Contender]:
    """The shim in all its states."""
    shim = str(native_path("libtierprof.so"))
    own = small_objects(loop, shim, folder)
    other = PlannedObject(OTHER_SITE, "", small=True, stem=(OTHER_STEM,))
    raw = folder / "raw"
    raw.mkdir()
    recorded = {"TIERPROF_DIR": str(raw)}
    nothing = plan_env(shim, folder, [replace(other, small=False)])
    yield Contender("plan, no match", ("malloc",), nothing)
    yield Contender("plan of other small objects", ("malloc",), plan_env(shim, folder, [other]))
    yield Contender("the same, of unknown stacks", ("malloc",), plan_env(shim, folder, [replace(other, stem=())]))
    yield Contender("placed site", ("malloc",), plan_env(shim, folder, own))
    yield Contender("plan, no match, recorded", ("malloc",), nothing | recorded)
    yield Contender("recorded", ("malloc",), {"LD_PRELOAD": shim, **recorded, "TIERPROF_SMALL_SITE": "0"})
    yield Contender("recorded, site on", ("malloc",), {"LD_PRELOAD": shim, **recorded, "TIERPROF_SMALL_SITE": "1"})


def contenders(loop: Path, folder: Path) -> list[Contender]:
    """The loop by itself, under the shim, and under other allocators."""
    jemalloc, memkind, memtier = (ctypes.util.find_library(name) for name in ("jemalloc", "memkind", "memtier"))
    no_jemalloc = None if jemalloc else "not installed (Debian: libjemalloc2)"
    no_memkind = None if memkind and memtier else "not installed (Debian: libmemkind0)"
    kind = folder / "kind"
    kind.mkdir()
    tiers = {"LD_PRELOAD": memtier or "", "MEMKIND_MEM_TIERS": "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"}
    return [
        Contender(PLAIN, ("malloc",), {}),
        *shim_contenders(loop, folder),
        Contender("jemalloc", ("malloc",), {"LD_PRELOAD": jemalloc or ""}, no_jemalloc),
        Contender("jemalloc's arena", ("arena",), {"LD_PRELOAD": jemalloc or ""}, no_jemalloc),
        Contender("libmemtier", ("malloc",), tiers, no_memkind),
        # One thread mixing sizes in such a kind is safe; MEMKIND_HOG_MEMORY keeps two from crashing.
        Contender("memkind's kind", ("kind", str(kind)), {"MEMKIND_HOG_MEMORY": "1"}, no_memkind),
    ]


def build(folder: Path) -> Path:
    """Compile the loop."""
    loop = folder / "small_sites"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", str(loop), str(source)], check=True)
    return loop


def figures(timing: Timing) -> dict[tuple[str, int], tuple[float, float]]:
    """By traffic and threads: nanoseconds a pair, and pairs a microsecond."""
    lines = [line.split() for line in timing.output.splitlines()]
    return {(words[0], int(words[1])): (float(words[2]), float(words[3])) for words in lines if len(words) == 4 and words[0] in TRAFFICS}


def rows_of(name: str, mine: list[Timing], plain: list[Timing]) -> Iterator[dict[str, object]]:
    """A row for each traffic, of the rounds in which both ran."""
    pairs = [(figures(one), figures(other)) for one, other in zip(mine, plain, strict=True)]
    for traffic in TRAFFICS:
        both = [(a, b) for a, b in pairs if {(traffic, 1), (traffic, 2)} <= a.keys() & b.keys()]
        if not both:
            yield {"allocator": name, "traffic": traffic, "missing": "every run failed"}
            continue
        own = [a[traffic, 1][0] for a, _ in both]
        ratio = paired_interval(lambda a, b: a / b, own, [b[traffic, 1][0] for _, b in both])
        scaling = paired_interval(lambda two, one: two / one, [a[traffic, 2][1] for a, _ in both], [a[traffic, 1][1] for a, _ in both])
        row = {"allocator": name, "traffic": traffic, "median_ns": float(np.median(own)), "shown": (ratio, scaling)}
        two_ns = float(np.median([a[traffic, 2][0] for a, _ in both]))
        yield row | {"of_glibc": ratio._asdict(), "two_threads_median_ns": two_ns, "scaling": scaling._asdict()}


def cells_of(row: dict) -> list[str]:
    """A row as it is printed."""
    if "missing" in row:
        return [row["allocator"], TITLES[row["traffic"]], row["missing"], "", "", ""]
    ratio, scaling = row["shown"]
    times = [f"{row['median_ns']:.1f}", format_interval(ratio), f"{row['two_threads_median_ns']:.1f}", format_interval(scaling)]
    return [row["allocator"], TITLES[row["traffic"]], *times]


def main() -> int:
    """Time all contenders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", default="", help="glibc, and contenders with this in their name")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        folder = Path(name)
        loop = build(folder)
        every = [one for one in contenders(loop, folder) if one.name == PLAIN or args.only in one.name]
        present = {one.name: one for one in every if one.missing is None}

        def run(contender: str, number: int) -> Timing:
            return timed([str(loop), *present[contender].words], present[contender].env)

        timings = run_rounds(list(present), args.rounds, run, "malloc+free")
    rows = [row for name in present for row in rows_of(name, timings[name], timings[PLAIN])]
    rows += [{"allocator": one.name, "traffic": traffic, "missing": one.missing} for one in every if one.missing for traffic in TRAFFICS]
    if args.json:
        emit_json([{key: value for key, value in row.items() if key != "shown"} for row in rows])
        return 0
    heads = ["allocator", "traffic", "ns a pair", "of glibc", "2 threads, ns", "1 to 2"]
    table(f"one malloc + free, {args.rounds} interleaved rounds", heads, [cells_of(row) for row in rows])
    say(TARGETS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
