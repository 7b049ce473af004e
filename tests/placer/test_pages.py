"""The kernel is asked about real pages: of this process, in memory, in a file, and nowhere."""

import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import TierprofError
from tierprof.placer.pages import find_pages, huge_shares, nodes_of, sample_pages
from tierprof.profiler.image import PAGE_BYTES

PAGES = 64


def address_of(memory: mmap.mmap) -> int:
    return np.frombuffer(memory, np.uint8).ctypes.data


def found(address: int, size: int, *, in_files: bool = False) -> dict[str, int]:
    start = np.array([address], np.uint64)
    masks = {"in_files": np.array([in_files]), "in_huge": np.array([False])}
    table = find_pages(os.getpid(), start, start + np.uint64(size), **masks)
    return dict(zip(table["place"], table["bytes"], strict=True))


@given(st.lists(st.tuples(st.integers(0, 40 * PAGE_BYTES), st.integers(1, 40 * PAGE_BYTES)), min_size=1, max_size=6), st.integers(1, 12))
def test_each_range_is_looked_at_evenly_and_no_page_twice(ranges: list[tuple[int, int]], most: int) -> None:
    start = np.array([low for low, _ in ranges], np.uint64)
    end = np.array([low + size for low, size in ranges], np.uint64)
    rows, pages = sample_pages(start, end, most)
    for number, (low, size) in enumerate(ranges):
        mine = pages[rows == number].astype(np.int64)
        every = np.arange(low // PAGE_BYTES, (low + size - 1) // PAGE_BYTES + 1) * PAGE_BYTES
        # THEN at most so many pages of a range, all of them its own, in order, and all if they are few
        assert len(mine) == min(len(every), most)
        assert np.isin(mine, every).all()
        assert (np.diff(mine) > 0).all()


def test_pages_in_memory_and_untouched_ones_are_told_apart() -> None:
    # GIVEN a mapping of which the first half is touched
    with mmap.mmap(-1, PAGES * PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[: PAGES // 2 * PAGE_BYTES] = b"x" * (PAGES // 2 * PAGE_BYTES)
        places = found(address_of(memory), PAGES * PAGE_BYTES)
    # THEN that half is on a node, and the other nowhere
    assert places["absent"] == PAGES // 2 * PAGE_BYTES
    assert sum(size for place, size in places.items() if place.startswith("node ")) == PAGES // 2 * PAGE_BYTES


def test_pages_of_a_file_are_called_so(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    path.write_bytes(b"x" * PAGES * PAGE_BYTES)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:] = b"y" * len(memory)
        places = found(address_of(memory), len(memory), in_files=True)
    assert sum(places.values()) == PAGES * PAGE_BYTES
    assert all(place.startswith("file") for place in places)


def test_a_process_that_has_ended_is_one_error() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(TierprofError, match="it has ended"):
        nodes_of(child, np.array([4096], np.uint64))


def test_no_page_is_huge_where_nothing_is_known() -> None:
    assert huge_shares(2**22, np.array([4096], np.uint64)).tolist() == [0.0]
