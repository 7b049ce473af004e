"""Frames in terms that another build can be searched by."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tierprof.profiler.image import Image
from tierprof.profiler.modules import Images
from tierprof.profiler.names import Frame
from tierprof.profiler.stacks import build_of, function_at, stacks_table


def test_a_frame_is_told_by_function_and_place(compile_program: Callable[..., Path]) -> None:
    # GIVEN the first, a middle and the last return address of main, and one behind all functions
    path = str(compile_program("place_sites", "-Wl,--build-id=sha1"))
    image = Image.open(path)
    assert image is not None
    table = image.functions
    (row,) = [row for row in range(len(table.value)) if table.name(row) == "main"]
    start, size = int(table.value[row]), int(table.size[row])
    stacks = [[Frame(path, start + 5, "main", "a.c", 3), Frame(path, start + size, "main", "a.c", 9)], [Frame("", 0, "", "", 0)]]
    # WHEN they are told
    rows = stacks_table(stacks, Images())
    # THEN a call at the very end counts as inside, and what is in no file has nothing
    assert rows[["site", "depth", "function", "place", "function_bytes", "line"]].to_numpy().tolist() == [
        [0, 0, "main", 5, size, 3],
        [0, 1, "main", size, size, 9],
        [1, 0, "", 0, 0, 0],
    ]
    assert set(rows["build"]) == {image.build_id.hex(), ""}
    assert function_at(image, 2**40) == ("", 0, 0)


def test_a_build_without_an_id_is_told_by_its_size(compile_program: Callable[..., Path], tmp_path: Path) -> None:
    program = compile_program("place_sites", "-Wl,--build-id=none")
    size = program.stat().st_size
    assert build_of(str(program), Image.open(str(program))) == f"size {size}"
    copy = tmp_path / "gone"
    shutil.copy(program, copy)
    image = Image.open(str(copy))
    copy.unlink()
    assert build_of(str(copy), image) == ""
    assert build_of("", None) == ""
