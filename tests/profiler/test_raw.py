"""The reader of the shim's files, on bytes made here: whole, cut short, and not what they should be."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tierprof.base.errors import TraceError
from tierprof.profiler.raw import COUNTERS, RECORD, read_allocations, read_counters, read_meta

CHUNK_BYTES = 64 * 1024
CHUNK_RECORDS = 1637
HEADER = struct.pack("<8sIIIIIIQ", b"TPALLOC\0", 2, 40, 40, CHUNK_BYTES, 7, 8, 9)


def record(address: int, kind: int = 1) -> bytes:
    return struct.pack("<QQQIIBBHI", 100 + address, address, 4096, 3, 8, kind, 0, 0, 0)


def chunk(*records: bytes, header: bytes = HEADER) -> bytes:
    return (header + b"".join(records)).ljust(CHUNK_BYTES, b"\0")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "alloc.7.0.bin"
    path.write_bytes(content)
    return path


def test_layout_is_that_of_records_h() -> None:
    # GIVEN the sizes that records.h states
    # THEN the arrays have them
    assert RECORD.itemsize == 40
    assert COUNTERS.itemsize == 8 + 8 + 8 * 8 + 8 * 48 + 20 * 8


def test_a_chunk_ends_at_its_first_empty_record(tmp_path: Path) -> None:
    # GIVEN a full chunk, and one whose third record was not finished: its type is not stored yet
    full = chunk(*(record(i) for i in range(CHUNK_RECORDS)))
    begun = chunk(record(10), record(11), record(12, kind=0), record(13))
    # WHEN both are read
    damage: list[str] = []
    records = read_allocations(written(tmp_path, full + begun), damage)
    # THEN what follows the unfinished record is not believed
    assert records["address"].tolist() == [*range(CHUNK_RECORDS), 10, 11]
    assert records[0].tolist() == (100, 0, 4096, 3, 8, 1, 0, 0, 0)
    assert damage == []


def test_reserved_chunks_are_empty(tmp_path: Path) -> None:
    # GIVEN a chunk that was reserved, and whose thread was killed before it wrote the header
    damage: list[str] = []
    # WHEN it is read
    records = read_allocations(written(tmp_path, bytes(CHUNK_BYTES) + chunk(record(1)) + bytes(CHUNK_BYTES) + chunk(record(2))), damage)
    # THEN it counts for nothing, and is no damage
    assert records["address"].tolist() == [1, 2]
    assert damage == []


@pytest.mark.parametrize(
    ("bytes_left", "expected"), [(30, [1]), (40, [1]), (40 + 79, [1, 2]), (40 + 80, [1, 2, 3]), (CHUNK_BYTES - 1, [1, 2, 3])]
)
def test_what_is_there_of_the_last_chunk_is_kept(tmp_path: Path, bytes_left: int, expected: list[int]) -> None:
    # GIVEN a file that ends within its second chunk
    content = chunk(record(1)) + chunk(record(2), record(3))[:bytes_left]
    damage: list[str] = []
    # WHEN it is read
    records = read_allocations(written(tmp_path, content), damage)
    # THEN whole records are kept, and the cut is told
    assert records["address"].tolist() == expected
    assert damage == [f"alloc.7.0.bin is cut short: {bytes_left} bytes of its last chunk of 65536 are there"]


def test_a_damaged_chunk_is_left_out_and_told(tmp_path: Path) -> None:
    # GIVEN a chunk with another header among good ones
    damage: list[str] = []
    content = chunk(record(1)) + chunk(record(2), header=b"X" * 40) + chunk(record(3))
    # WHEN it is read
    records = read_allocations(written(tmp_path, content), damage)
    # THEN the others are kept
    assert records["address"].tolist() == [1, 3]
    assert damage == ["alloc.7.0.bin: 1 of 3 chunks have no valid header and were left out"]


def test_a_process_that_recorded_nothing(tmp_path: Path) -> None:
    # GIVEN a file without chunks
    # WHEN it is read
    records = read_allocations(written(tmp_path, b""))
    # THEN there are no records, of the right type
    assert records.dtype == RECORD
    assert len(records) == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"TPALLO", "ends within its header"),
        (chunk(header=HEADER.replace(b"TPALLOC", b"GARBAGE")), "begins with b'GARBAGE"),
        (chunk(header=HEADER.replace(b"\2\0\0\0", b"\3\0\0\0", 1)), "is of version 3"),
        (chunk(header=HEADER.replace(b"\x28\0\0\0", b"\x30\0\0\0")), "contradicts its version"),
    ],
)
def test_what_is_no_record_file_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    # GIVEN a file that is too short, of another kind, of another version, or inconsistent
    # WHEN it is read THEN the error says which
    with pytest.raises(TraceError, match=why):
        read_allocations(written(tmp_path, content))


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    # GIVEN no file WHEN it is read THEN the error names it
    with pytest.raises(TraceError, match=r"alloc\.7\.0\.bin cannot be read: No such file"):
        read_allocations(tmp_path / "alloc.7.0.bin")


def meta_record(kind: int, payload: bytes) -> bytes:
    return struct.pack("<II", kind, len(payload)) + payload


META = struct.pack("<8sII", b"TPMETA\0\0", 2, 7)
PROCESS = meta_record(1, struct.pack("<QIIQQQ", 5, 7, 6, 1, 4096, 512) + b"/bin/x\0x\0-a\0b c\0")
MODULE = meta_record(2, struct.pack("<IIQQQQ", 0, 2, 0x1000, 0x1000, 0x9000, 11) + b"\xab\xcd/lib/y.so\0")
SITE = meta_record(3, struct.pack("<IIQQII", 0, 2, 1, 255, 2, 3) + struct.pack("<IIQIIQ", 0, 0, 0x40, 2**32 - 1, 0, 0))
NOTE = meta_record(4, struct.pack("<IIQ", 1, 28, 12) + b"no space\0")
EXIT = meta_record(5, struct.pack("<Q", 13))


def test_meta_records(tmp_path: Path) -> None:
    # GIVEN one record of each kind, and one of a kind that is not known yet
    path = tmp_path / "meta.7.0.bin"
    path.write_bytes(META + PROCESS + MODULE + SITE + meta_record(9, b"later") + NOTE + EXIT)
    # WHEN it is read
    stream = read_meta(path)
    # THEN all fields are there
    process = stream.process
    assert (process.start_ns, process.pid, process.parent_pid, process.forked) == (5, 7, 6, True)
    assert (process.threshold_bytes, process.small_period_bytes) == (4096, 512)
    assert (process.executable, process.command) == ("/bin/x", ("x", "-a", "b c"))
    [module] = stream.modules
    assert (module.module, module.build_id, module.bias, module.end, module.path) == (0, "abcd", 0x1000, 0x9000, "/lib/y.so")
    site = stream.sites[0]
    assert (site.key, site.tier, site.truncated, site.named) == ("000000000000000100000000000000ff", 2, True, True)
    assert site.frames[["module", "offset"]].tolist() == [(0, 0x40), (2**32 - 1, 0)]
    [note] = stream.notes
    assert (note.code, note.value, note.time_ns, note.text) == (1, 28, 12, "no space")
    assert stream.exited
    assert stream.exit_ns == 13
    assert stream.damage == []


def test_the_last_definition_of_a_site_holds(tmp_path: Path) -> None:
    # GIVEN a site that is written again, because the plan was read after its first allocation
    path = tmp_path / "meta.7.0.bin"
    path.write_bytes(META + PROCESS + SITE + meta_record(3, struct.pack("<IIQQII", 0, 0, 1, 255, 5, 0)))
    # WHEN it is read THEN the second definition counts
    assert read_meta(path).sites[0].tier == 5


@pytest.mark.parametrize("cut", range(1, len(NOTE)))
def test_meta_that_is_cut_short_keeps_what_is_whole(tmp_path: Path, cut: int) -> None:
    # GIVEN a file that ends anywhere within its last record
    path = tmp_path / "meta.7.0.bin"
    path.write_bytes((META + PROCESS + MODULE + NOTE)[:-cut])
    # WHEN it is read
    stream = read_meta(path)
    # THEN what comes before is there, and the cut is told
    assert (len(stream.modules), stream.notes, stream.exited) == (1, [], False)
    assert stream.damage == ["meta.7.0.bin is cut short: its last record is incomplete"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (META[:9], "ends within its header"),
        (b"TPNOPE\0\0" + META[8:] + PROCESS, "begins with"),
        (META[:8] + b"\3" + META[9:] + PROCESS, "is of version 3"),
        (META + PROCESS[:-1], "before the process is described"),
        (META, "before the process is described"),
    ],
)
def test_what_is_no_meta_file_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    # GIVEN a file that tells nothing of its process
    path = tmp_path / "meta.7.0.bin"
    path.write_bytes(content)
    # WHEN it is read THEN the error says why
    with pytest.raises(TraceError, match=why):
        read_meta(path)


def test_counters_by_name(tmp_path: Path) -> None:
    # GIVEN counters of which two are set
    row = np.zeros(1, COUNTERS)
    row["magic"], row["version"], row["dropped_records"] = b"TPCOUNT", 2, 12
    row["tiers"]["peak_bytes"][0, 3] = 34
    path = tmp_path / "counters.7.0.bin"
    path.write_bytes(row.tobytes())
    # WHEN they are read
    counters = read_counters(path)
    # THEN they are found by name
    assert counters["dropped_records"] == 12
    assert isinstance(counters["tiers"], list)
    assert [tier["peak_bytes"] for tier in counters["tiers"]] == [0, 0, 0, 34, 0, 0, 0, 0]
    # AND a file cut short is refused
    path.write_bytes(row.tobytes()[:-1])
    with pytest.raises(TraceError, match="of 624 bytes"):
        read_counters(path)
