"""What the shim records of one process: which hook, how large, in which order, at which site."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CompileProgram = Callable[..., Path]
RunShim = Callable[..., Any]  # (raw folder, completed process)
ReadRaw = Callable[[Path], list[Any]]  # a list of (meta, records, counters)

ALLOC, FREE, MAP, UNMAP, SMALL = 1, 2, 3, 4, 5
FLAG_FILE = 1
PAGE = 4096
TRUNCATED_DEPTH = 48  # TP_MAX_FRAMES


def counted(records: np.ndarray) -> dict[int, int]:
    return dict(Counter(records["type"].tolist()))


def test_every_hook_leaves_its_record(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that calls each hooked function once, with sizes that tell them apart
    # WHEN it runs under the shim
    raw, completed = run_shim(compile_program("every_hook"))
    # THEN each allocation has one birth of its size and one death at its address, in order of time
    assert completed.returncode == 0
    [process] = read_raw(raw)
    records = process.records
    births = records[records["type"] == ALLOC]
    assert births["size"].tolist() == [100000, 101000, 102000, 103000, 104000, 105472, 106000, 107000, 108000]
    deaths = records[records["type"] == FREE]
    assert deaths["address"].tolist() == births["address"].tolist()
    assert (deaths["time_ns"] > births["time_ns"]).all()
    maps, unmaps = records[records["type"] == MAP], records[records["type"] == UNMAP]
    assert maps["size"].tolist() == [110592, 114688, 118784]
    assert unmaps["size"].tolist() == [110592, 118784, 114688]
    assert process.counters["tracked_allocations"] == process.counters["tracked_frees"] == 9


def test_a_moved_mapping_keeps_its_site(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a mapping that mremap makes larger
    raw, _ = run_shim(compile_program("every_hook"))
    # WHEN its records are read
    [process] = read_raw(raw)
    maps = process.records[process.records["type"] == MAP]
    # THEN old and new range are of one site, which is not that of the other mapping
    assert maps["site"][0] == maps["site"][2] != maps["site"][1]


def test_partial_replaced_moved_and_file_mappings(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN mappings that are cut in the middle, replaced in part, moved onto another, of a file; refused and not seen
    raw, completed = run_shim(compile_program("maps"))
    # WHEN the program has ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    records = process.records
    # THEN every range that was tracked ends when it was unmapped or replaced, and no other
    story = [(int(row["type"]), int(row["size"]) // PAGE, int(row["flags"])) for row in records]
    assert story == [
        (MAP, 10, 0),
        (UNMAP, 2, 0),
        (UNMAP, 10, 0),
        (MAP, 20, 0),
        (UNMAP, 7, 0),
        (MAP, 7, 0),
        (UNMAP, 20, 0),
        (MAP, 2, FLAG_FILE),
        (UNMAP, 2, 0),
        (MAP, 11, 0),
        (MAP, 13, 0),
        (UNMAP, 13, 0),
        (UNMAP, 11, 0),
        (MAP, 13, 0),
        (UNMAP, 13, 0),
        (MAP, 19, 0),
        (UNMAP, 2, 0),
        (UNMAP, 19, 0),
        (MAP, 19, 0),
    ]


def test_realloc_between_small_and_tracked(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN reallocs from small to tracked, larger, refused, smaller, to small, from NULL and to nothing
    raw, completed = run_shim(compile_program("reallocs"))
    # WHEN the program has checked that the content followed
    assert completed.returncode == 0
    # THEN each step is one death and one birth, and the refused one neither
    [process] = read_raw(raw)
    births = process.records[process.records["type"] == ALLOC]
    assert births["size"].tolist() == [100000, 100000, 300000, 200000, 400000]
    assert counted(process.records) == {ALLOC: 5, FREE: 5}


def test_refusals_and_errno_are_the_c_librarys(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN requests that must fail, and calls that must leave errno alone
    # WHEN the program checks them itself under the shim
    raw, completed = run_shim(compile_program("refused"))
    # THEN it finds what it finds without, and only the two that succeeded are recorded
    assert completed.returncode == 0
    [process] = read_raw(raw)
    assert counted(process.records) == {ALLOC: 1, FREE: 1, MAP: 1, UNMAP: 1}


def test_four_threads_lose_no_record(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN four threads that free one another's blocks
    raw, completed = run_shim(compile_program("threads"))
    # WHEN all have ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    records = process.records
    # THEN no record is missing, each thread has its own, and no address is born twice without dying in between
    assert counted(records) == {ALLOC: 20000, FREE: 20000}
    assert sorted(Counter(records["tid"][records["type"] == ALLOC].tolist()).values()) == [5000] * 4
    order = np.lexsort((records["time_ns"], records["address"]))
    types, addresses = records["type"][order], records["address"][order]
    same = addresses[1:] == addresses[:-1]
    assert (types[1:][same] != types[:-1][same]).all()
    assert (types[:-1][~same] == FREE).all()


def test_allocations_in_thread_destructors(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN ten threads, each allocating in three rounds of destructors
    raw, completed = run_shim(compile_program("thread_end"))
    # WHEN all have ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # THEN all are recorded, in the one chunk that the threads hand on
    assert counted(process.records) == {ALLOC: 30, FREE: 30}
    assert next(raw.glob("alloc.*.bin")).stat().st_size == 64 * 1024


def test_allocations_before_and_after_main(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a constructor, main, an exit handler and a destructor that allocate
    raw, completed = run_shim(compile_program("early_late"))
    # WHEN the program has ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # THEN all four are there
    assert process.records["size"][process.records["type"] == ALLOC].tolist() == [100000, 200000, 300000, 400000]
    assert counted(process.records) == {ALLOC: 4, FREE: 4}
    assert process.meta.exited


def test_stacks_that_are_not_the_threads_own(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN allocations on a coroutine's stack, on a signal stack, and on the smallest stack of a thread
    raw, completed = run_shim(compile_program("stacks"))
    # WHEN the program has ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # THEN each has a site, whose innermost frames are in the program
    births = process.records[process.records["type"] == ALLOC]
    assert births["size"].tolist() == [100000, 200000, 300000]
    program = next(module.module for module in process.meta.modules if module.path == process.meta.process.executable)
    for site in births["site"].tolist():
        assert process.meta.sites[site].frames["module"][0] == program


def keys_by_size(process: Any) -> dict[int, tuple[str, int, bool]]:
    births = process.records[process.records["type"] == ALLOC]
    sites = {int(row["size"]): process.meta.sites[int(row["site"])] for row in births}
    return {size: (site.key, len(site.frames), site.truncated) for size, site in sites.items()}


def test_site_keys_survive_aslr_and_tell_paths_apart(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN one allocating function on two call paths
    program = compile_program("paths")
    # WHEN the program runs twice, at other addresses
    first, second = (read_raw(run_shim(program).raw)[0] for _ in range(2))
    # THEN keys are the same in both runs, and differ between the paths
    assert keys_by_size(first) == keys_by_size(second)
    assert keys_by_size(first)[100000][0] != keys_by_size(first)[200000][0]
    biases = [process.meta.modules[0].bias for process in (first, second)]
    if Path("/proc/sys/kernel/randomize_va_space").read_text().strip() != "0":
        assert biases[0] != biases[1]


def test_recursion_is_one_path_whatever_its_depth(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN an allocation under 3 and under 300 recursions
    [process] = read_raw(run_shim(compile_program("paths")).raw)
    # WHEN their sites are compared
    shallow, deep = keys_by_size(process)[300000], keys_by_size(process)[400000]
    # THEN they are one site, with its stack complete
    assert shallow == deep
    assert shallow[1] < 10
    assert not shallow[2]


def test_frame_pointers_are_not_needed(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program without frame pointers, optimised and stripped
    program = compile_program("paths", "-fomit-frame-pointer", "-O3", "-s")
    # WHEN it runs
    [process] = read_raw(run_shim(program).raw)
    # THEN no stack is cut short
    assert process.meta.sites
    assert not any(site.truncated for site in process.meta.sites.values())


def test_a_program_with_gaps_is_one_module(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program whose functions lie 256 MiB apart, which the linker tells segment by segment
    program = compile_program("far", "-no-pie", "-Wl,--build-id", "-Wl,--section-start=.far=0x10000000")
    # WHEN it allocates in the far one
    [process] = read_raw(run_shim(program).raw)
    # THEN the stack is complete, and both functions are in one module, which has a build-id
    [site] = process.meta.sites.values()
    own = [module for module in process.meta.modules if module.path == str(program)]
    assert [len(own), len(own[0].build_id)] == [1, 40]
    assert site.frames["module"][:2].tolist() == [own[0].module] * 2
    assert int(site.frames["offset"][0]) - int(site.frames["offset"][1]) > 2**27
    assert not site.truncated


def test_unloaded_code_is_forgotten(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN two libraries that are loaded and unloaded in turn, so that each comes to lie where the other was
    one = compile_program("plugin", "-shared", "-fPIC")
    other = compile_program("plugin", "-shared", "-fPIC", "-DSECOND")
    # WHEN both allocate five times
    raw, completed = run_shim(compile_program("plugins", "-ldl"), str(one), str(other))
    assert completed.returncode == 0
    # THEN each library's allocations are of one site, in a module of that library
    [process] = read_raw(raw)
    paths = {module.module: module.path for module in process.meta.modules}
    births = process.records[process.records["type"] == ALLOC]
    for size, library in ((100000, one), (200000, other)):
        [site] = set(births["site"][births["size"] == size].tolist())
        assert paths[int(process.meta.sites[site].frames["module"][0])] == str(library)
    assert [int(np.count_nonzero(births["size"] == size)) for size in (100000, 200000)] == [5, 5]


def test_small_allocations_stand_for_all(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN 300000 blocks of 64 bytes, a sample every 8 KiB, and no memory of their own for them
    raw, completed = run_shim(compile_program("small"), env={"TIERPROF_SMALL_PERIOD": "8192", "TIERPROF_SMALL_SITE": "0"})
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # WHEN the samples' weights are added up
    samples = process.records[process.records["type"] == SMALL]
    # THEN they stand for the blocks there were (one sample for 1 / (1 - exp(-64 / 8192)) = 128.5 of them, so that there are 2335, and
    # five standard deviations of that are 10.4 %), each with its death
    assert set(samples["size"].tolist()) == {64}
    assert set(samples["aux"].tolist()) == {129}
    assert int(samples["aux"].sum()) == pytest.approx(300000, rel=0.11)
    assert counted(process.records) == {SMALL: len(samples), FREE: len(samples)}


def test_a_period_of_one_byte_samples_all(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a sample every byte
    raw, _ = run_shim(compile_program("reallocs"), env={"TIERPROF_SMALL_PERIOD": "1"})
    # WHEN the program makes one block of 100 bytes by malloc, and one by realloc
    [process] = read_raw(raw)
    samples = process.records[process.records["type"] == SMALL]
    # THEN both are there, and stand for themselves
    assert samples["size"].tolist() == [100, 100]
    assert samples["aux"].tolist() == [1, 1]


def test_the_threshold_is_an_option(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a threshold that one of the sizes reaches exactly
    raw, _ = run_shim(compile_program("every_hook"), env={"TIERPROF_THRESHOLD": "107000", "TIERPROF_SMALL_PERIOD": "0"})
    # WHEN the program has ended
    [process] = read_raw(raw)
    # THEN that size and those above are tracked, and nothing else is recorded
    assert process.records["size"][process.records["type"] == ALLOC].tolist() == [107000, 108000]
    assert SMALL not in counted(process.records)
    assert process.meta.process.threshold_bytes == 107000


def test_deep_stacks_are_cut_and_say_so(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a recursion of two functions in turn, 100 deep, which does not collapse
    [process] = read_raw(run_shim(compile_program("deep")).raw)
    # WHEN its site is read
    site = process.meta.sites[int(process.records["site"][process.records["type"] == ALLOC][0])]
    # THEN it has as many frames as are kept, and is marked
    assert len(site.frames) == TRUNCATED_DEPTH
    assert site.truncated
    assert process.counters["unwind_truncated"] == 1
