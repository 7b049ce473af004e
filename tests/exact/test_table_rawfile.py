"""The reader of the exact engine's files, on bytes made here: whole, cut at every byte, damaged, and not what they should be."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import TraceError
from tierprof.profiler.exact import layout
from tierprof.profiler.exact.rawfile import ExactFile, parse_exact, read_exact
from tierprof.profiler.exact.scan import scan


def parsed(data: bytes) -> ExactFile:
    return parse_exact(np.frombuffer(data, np.uint8), "exact.7.0.bin")


def two_slices(exact_file: Any) -> Any:
    first = exact_file().thread(loads=5).object(3, loads=5).episode([(3, 0, 3, 1)], misses=1).slice(100)
    return first.thread(loads=6).thread(1, tid=8, loads=7).object(4, 1, far_loads=2).episode([(3, 0, 3, 2), (4, 1, 2, 1)]).slice(200)


def test_layout_is_that_of_exactfile_h() -> None:
    # GIVEN the structures of exactfile.h, none of which has padding of its own
    sizes = [dtype.itemsize for dtype in (layout.FILE, layout.THREAD, layout.OBJECT, layout.EPISODE, layout.NODE, layout.SLICE)]
    # THEN the arrays have their sizes
    assert sizes == [16, 80, 160, 40, 8, 24]
    assert [dtype.itemsize for dtype in (layout.REUSE, layout.NOTE, layout.END)] == [8 + 16 + 8 * 48, 16, 16]
    assert [dtype.itemsize for dtype in (layout.HEAT, layout.GRANULE)] == [40, 16]


def test_records_belong_to_the_slice_that_closes_them(exact_file: Any) -> None:
    # GIVEN two slices, the second of two threads
    file = parsed(two_slices(exact_file).reuse(3, 64, 1.5, {2: 4.0}).note(6, 11, "killed").end().bytes())
    # THEN each record is in its own
    assert file.threads.slice.tolist() == [0, 1, 1]
    assert file.threads.rows["loads"].tolist() == [5, 6, 7]
    assert file.objects.slice.tolist() == [0, 1]
    assert file.objects.rows["far_loads"].tolist() == [0, 2]
    assert file.episodes.slice.tolist() == [0, 1]
    assert file.nodes.tolist() == [(3, 0, 3, 1), (3, 0, 3, 2), (4, 1, 2, 1)]
    assert file.slices["instructions"].tolist() == [100, 200]
    # AND what is said once for the whole run is there
    assert (file.pid, file.instructions, file.ended, file.damage) == (7, 300, True, [])
    assert file.reuse["bins"][0, 2] == 4.0
    assert file.notes == [(6, 11, "killed")]
    assert file.config_text == "cores 1\nl3_bytes 37486592\n"


def test_cut_anywhere_whole_slices_are_kept(exact_file: Any) -> None:
    # GIVEN a file of two slices
    builder = two_slices(exact_file)
    data = builder.end().bytes()
    sizes = np.cumsum([len(part) for part in builder.parts])
    described, first, second = sizes[1], sizes[5], sizes[-2]
    for length in range(len(data)):
        # WHEN it is cut at any byte
        if length < described:
            # THEN without the machine's description it is refused in one line
            with pytest.raises(TraceError, match="ends"):
                parsed(data[:length])
            continue
        file = parsed(data[:length])
        # THEN it has the slices that were whole, and says that it was cut
        assert len(file.slices) == int(length >= first) + int(length >= second)
        assert file.threads.rows["loads"].tolist() == ([5] if length >= first else []) + ([6, 7] if length >= second else [])
        assert not file.ended
        assert len(file.damage) == 1


def test_what_follows_damage_is_not_believed(exact_file: Any) -> None:
    # GIVEN an episode that promises more nodes than its record holds, between two slices
    good = exact_file().thread(loads=5).slice(100)
    lying = struct.pack("<II4Q", 0, 1000, 1, 0, 0, 1)
    # WHEN it is read
    file = parsed(good.record(4, lying).thread(loads=6).slice(200).end().bytes())
    # THEN the slice before it is kept, the rest is not, and the damage is told
    assert file.threads.rows["loads"].tolist() == [5]
    assert not file.ended
    assert "contradicts itself" in file.damage[0]


def test_a_memory_class_that_does_not_exist_is_damage(exact_file: Any) -> None:
    # GIVEN an episode whose node was answered by a fifth kind of memory
    data = exact_file().episode([(3, 0, 9, 1)]).slice(100).end().bytes()
    # WHEN it is read THEN its slice is not believed
    file = parsed(data)
    assert (len(file.episodes.rows), len(file.slices)) == (0, 0)
    assert "contradicts itself" in file.damage[0]


def test_fields_added_at_the_end_of_a_record_are_passed_over(exact_file: Any) -> None:
    # GIVEN records with eight bytes more than this version knows; an episode's nodes stand last
    more = bytes(8)
    thread = struct.pack("<II9Q", 0, 7, 100, 5, *[0] * 7) + more
    episode = struct.pack("<II4Q", 0, 1, 1, 0, 0, 1) + more + struct.pack("<IBBH", 3, 0, 3, 2)
    # WHEN they are read
    file = parsed(exact_file().record(2, thread).record(4, episode).slice(100).end().bytes())
    # THEN what is known of them is right
    assert file.threads.rows["loads"].tolist() == [5]
    assert file.nodes.tolist() == [(3, 0, 3, 2)]
    assert file.damage == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends within its header"),
        (b"PK\3\4" + bytes(60), "no file of an exact run"),
        (struct.pack("<8sII", b"TPEXACT", 9, 1), "version 9"),
        (struct.pack("<8sIIII", b"TPEXACT", layout.VERSION, 1, 99, 0), "before the simulated machine is described"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path: Path, data: bytes, why: str) -> None:
    # GIVEN a file that is empty, foreign, of another version, or full of nothing
    path = tmp_path / "exact.1.0.bin"
    path.write_bytes(data)
    # WHEN it is read THEN one line says what is wrong with it
    with pytest.raises(TraceError, match=why) as raised:
        read_exact(path)
    assert "\n" not in str(raised.value)


def reference(data: bytes, last_type: int) -> tuple[list[tuple[int, int, int]], int]:
    """What `tp_tagged_scan` promises, said again without speed."""
    at, found = 0, []
    while len(data) - at >= 8:
        kind, size = struct.unpack_from("<II", data, at)
        if not 0 < kind <= last_type or size > len(data) - at - 8:
            break
        found.append((at + 8, kind, size))
        at += 8 + size
    return found, at


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40), st.integers(-1, 1))), st.integers(0, 8))
def test_scanner_equals_its_reference(records: list[tuple[int, bytes, int]], cut: int) -> None:
    # GIVEN any records, a few of whose lengths are off by one, cut short
    data = b"".join(struct.pack("<II", kind, max(len(body) + (off if kind == 8 else 0), 0)) + body for kind, body, off in records)
    data = data[: max(len(data) - cut, 0)]
    # WHEN they are scanned THEN what is found is what a slow reader finds
    found = scan(np.frombuffer(data, np.uint8), 0, 8)
    assert (found.records.tolist(), found.end) == reference(data, 8)


def test_scanner_goes_on_beyond_one_batch(exact_file: Any) -> None:
    # GIVEN more records than are found at once
    builder = exact_file()
    for _ in range(70_000):
        builder.thread(loads=1)
    # WHEN they are read THEN none is missing
    assert parsed(builder.slice(1).end().bytes()).threads.rows["loads"].sum() == 70_000
