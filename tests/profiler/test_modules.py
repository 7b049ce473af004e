"""Instruction pointers find their module through forks, execs and remaps; biases come from segments, not from file offsets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tierprof.profiler.image import Image, Segment
from tierprof.profiler.modules import Images, build_modules, locate, static_modules

MAPS = ["pid", "time_ns", "start", "end", "file_offset", "path"]
TASKS = ["time_ns", "kind", "pid", "parent_pid"]
NO_TASKS = pd.DataFrame(columns=TASKS)


def module_at(maps: list[tuple], tasks: list[tuple], pid: int, address: int, time: int) -> str:
    modules = build_modules(pd.DataFrame(maps, columns=MAPS), pd.DataFrame(tasks, columns=TASKS), Images())
    row = locate(modules, np.array([pid]), np.array([address], np.uint64), np.array([time], np.int64))[0]
    return "" if row < 0 else modules["path"][row]


def test_a_mapping_holds_its_range_from_its_time_on() -> None:
    maps = [(1, 10, 0x1000, 0x2000, 0, "a"), (1, 20, 0x5000, 0x6000, 0, "b")]
    assert module_at(maps, [], 1, 0x1FFF, 30) == "a"
    assert module_at(maps, [], 1, 0x2000, 30) == ""
    assert module_at(maps, [], 1, 0x5000, 19) == ""
    assert module_at(maps, [], 2, 0x1000, 30) == ""


def test_what_is_mapped_over_a_mapping_ends_it() -> None:
    maps = [(1, 10, 0x1000, 0x3000, 0, "a"), (1, 20, 0x2000, 0x4000, 0, "b")]
    assert module_at(maps, [], 1, 0x2800, 15) == "a"
    assert module_at(maps, [], 1, 0x2800, 25) == "b"


def test_a_forked_process_has_its_parents_modules_until_it_execs() -> None:
    maps = [(1, 10, 0x1000, 0x2000, 0, "a"), (2, 61, 0x8000, 0x9000, 0, "new"), (1, 70, 0x3000, 0x4000, 0, "late")]
    tasks = [(50, "fork", 2, 1), (60, "exec", 2, 0), (55, "fork", 3, 2)]
    assert module_at(maps, tasks, 2, 0x1800, 55) == "a"
    assert module_at(maps, tasks, 2, 0x1800, 65) == ""
    assert module_at(maps, tasks, 2, 0x8800, 65) == "new"
    assert module_at(maps, tasks, 2, 0x3800, 80) == ""
    assert module_at(maps, tasks, 3, 0x1800, 80) == "a"


def test_a_new_thread_is_no_fork() -> None:
    modules = build_modules(
        pd.DataFrame([(1, 10, 0x1000, 0x2000, 0, "a")], columns=MAPS), pd.DataFrame([(20, "fork", 1, 1)], columns=TASKS), Images()
    )
    assert len(modules) == 1


def image_with(*segments: Segment) -> Image:
    image = Image.open("/proc/self/exe")
    assert image is not None
    image.segments = list(segments)
    return image


def test_the_bias_comes_from_the_segment_that_a_mapping_covers() -> None:
    # GIVEN a library as patchelf leaves them: the code segment's address and file offset differ
    image = image_with(Segment(0, 0, 0x1000, 0x1000, False), Segment(0x5000, 0x2000, 0x3000, 0x3000, True))
    # WHEN its code, or a later part of it, is mapped
    assert image.bias(0x7F0000005000, 0x2000) == 0x7F0000000000
    assert image.bias(0x7F0000006000, 0x3000) == 0x7F0000000000
    # THEN start minus file offset would have been wrong by the difference
    assert 0x7F0000005000 - 0x2000 != 0x7F0000000000


def test_on_a_page_of_two_segments_the_code_counts() -> None:
    image = image_with(Segment(0, 0, 0x1234, 0x1234, False), Segment(0x3234, 0x1234, 0x1000, 0x1000, True))
    assert image.bias(0x10003000, 0x1000) == 0x10000000


def test_what_no_segment_covers_has_no_bias() -> None:
    assert image_with(Segment(0, 0, 0x1000, 0x1000, True)).bias(0x10000, 0x5000) is None


@pytest.mark.parametrize("path", ["[vdso]", "/nowhere/lib.so", "/proc/self/status", "//anon"])
def test_what_is_no_file_is_no_image(path: str) -> None:
    assert Images().get(path) is None


def test_an_empty_or_cut_file_is_no_image(tmp_path: Path) -> None:
    whole = Path("/proc/self/exe").resolve().read_bytes()
    for size in (0, 3, 40):
        (tmp_path / f"cut{size}").write_bytes(whole[:size])
        assert Image.open(str(tmp_path / f"cut{size}")) is None


def test_static_data_is_between_a_modules_first_and_last_segment(compile_program) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a program with a static array, mapped somewhere
    path = str(compile_program("recover_static"))
    images = Images()
    image = images.get(path)
    assert image is not None
    code = next(s for s in image.segments if s.executable)
    start = 0x550000000000 + (code.vaddr & -4096)
    maps = pd.DataFrame([(5, 0, start, start + 0x1000, code.offset & -4096, path)], columns=MAPS)
    modules = build_modules(maps, NO_TASKS, images)
    assert modules["bias"].tolist() == [0x550000000000]
    assert modules["build_id"].tolist() == [image.build_id.hex()]
    names = [image.statics.name(row) for row in range(len(image.statics.value))]
    table = 0x550000000000 + int(image.statics.value[names.index("table")])
    # THEN its cells are static data in that process and in no other
    pids, addresses = np.array([5, 5, 6]), np.array([table, table - 2**40, table], np.uint64)
    assert static_modules(modules, images, pids, addresses).tolist() == [0, -1, -1]
