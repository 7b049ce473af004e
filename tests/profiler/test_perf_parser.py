"""Fields of samples and tasks from bytes laid out as the kernel does, for sources that this machine may not have."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tierprof.base.errors import TraceError
from tierprof.profiler.perf import datasrc
from tierprof.profiler.perf import format as fmt
from tierprof.profiler.perf.parser import SAMPLE_DTYPES, read_perf

CLOCK = fmt.SAMPLE_ALWAYS | fmt.SAMPLE_IP | fmt.SAMPLE_REGS_USER
PEBS = fmt.SAMPLE_ALWAYS | fmt.SAMPLE_IP | fmt.SAMPLE_ADDR | fmt.SAMPLE_PERIOD | fmt.SAMPLE_DATA_SRC
IBS = fmt.SAMPLE_ALWAYS | fmt.SAMPLE_IP | fmt.SAMPLE_PERIOD | fmt.SAMPLE_RAW

PID, TID = 100, 101
USER, KERNEL, EXACT = 2, 1, 1 << 14


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def record(kind: int, misc: int, payload: bytes) -> bytes:
    assert len(payload) % 8 == 0
    return struct.pack("<IHH", kind, misc, 8 + len(payload)) + payload


def sample(id_: int, ip: int, time_ns: int, rest: bytes, misc: int = USER) -> bytes:
    return record(fmt.RECORD_SAMPLE, misc, words(id_, ip, PID | TID << 32, time_ns) + rest)


def other(kind: int, body: bytes, time_ns: int, id_: int, misc: int = 0) -> bytes:
    """A record that is no sample: body, then the trailer of sample_id_all: tid, time, identifier."""
    return record(kind, misc, body + b"\0" * (-len(body) % 8) + words(PID | TID << 32, time_ns, id_))


def event(id_: int, name: str, sample_type: int, period: int, regs: int = 0) -> bytes:
    return struct.pack("<QQQQIIQ16s", id_, sample_type, regs, period, 1, 0, 0, name.encode())


def write_file(raw: Path, cpu: int, events: Sequence[bytes], records: Sequence[bytes]) -> Path:
    header = struct.pack("<8sIIIIQ", b"TPPERF\0\0", 1, 32 + 64 * len(events), cpu, len(events), 5)
    path = raw / f"perf.{cpu}.bin"
    path.write_bytes(header + b"".join(events) + b"".join(records))
    return path


def test_registers_come_in_their_order_and_are_absent_where_the_kernel_had_none(tmp_path: Path) -> None:
    # GIVEN a sample with the eighteen registers, one of a thread without user registers, one with them again
    regs = [1000 + i for i in range(18)]
    records = [
        sample(7, 0x400000, 10, words(2, *regs)),
        sample(7, 0xFFFFFFFF81000000, 20, words(0), misc=KERNEL),
        sample(7, 0x400010, 30, words(2, *reversed(regs))),
    ]
    write_file(tmp_path, 0, [event(7, "clock", CLOCK, 2_000_000, fmt.REGISTERS_MASK)], records)
    samples = read_perf(tmp_path).samples
    assert samples["ip"].tolist() == [0x400000, 0xFFFFFFFF81000000, 0x400010]
    assert samples["has_regs"].tolist() == [True, False, True]
    assert samples["kernel"].tolist() == [False, True, False]
    assert samples["regs"].tolist() == [regs, [0] * 18, regs[::-1]]
    assert samples["weight"].tolist() == [0.002] * 3
    assert set(samples["event"]) == {"clock"}
    assert (set(samples["pid"]), set(samples["tid"])) == ({PID}, {TID})


def test_a_mask_with_fewer_registers_leaves_the_others_zero(tmp_path: Path) -> None:
    # GIVEN only BX (1) and R15 (23)
    write_file(tmp_path, 0, [event(7, "clock", CLOCK, 1, 1 << 1 | 1 << 23)], [sample(7, 1, 1, words(2, 55, 66))])
    regs = read_perf(tmp_path).samples["regs"][0].tolist()
    assert regs == [0, 55, *[0] * 15, 66]


@pytest.mark.parametrize(
    ("weight_bit", "weight_word"),
    [(fmt.SAMPLE_WEIGHT, 321), (fmt.SAMPLE_WEIGHT_STRUCT, 321 | 9 << 32 | 4 << 48)],
    ids=["weight", "weight_struct"],
)
def test_pebs_loads_and_stores_have_address_latency_and_level(tmp_path: Path, weight_bit: int, weight_word: int) -> None:
    # GIVEN a load that PMEM served remotely and a store, as Intel's mem-loads and mem-stores give them
    remote_pmem = 2 | datasrc.LVLNUM_PMEM << 33 | 1 << 37
    l1_store = 4 | datasrc.LVLNUM_L1 << 33
    events = [event(1, "load", PEBS | weight_bit, 1000), event(2, "store", PEBS | weight_bit, 1000)]
    records = [
        sample(1, 0x1111, 10, words(0xAAAA0, 5003, weight_word, remote_pmem), misc=USER | EXACT),
        sample(2, 0x2222, 20, words(0xBBBB0, 70, 0, l1_store), misc=USER | EXACT),
    ]
    write_file(tmp_path, 0, events, records)
    samples = read_perf(tmp_path).samples
    assert samples["event"].tolist() == ["load", "store"]
    assert samples["address"].tolist() == [0xAAAA0, 0xBBBB0]
    assert samples["latency"].tolist() == [321, 0]
    assert samples["weight"].tolist() == [5003.0, 70.0]  # each sample's own period, not the event's
    assert samples["exact_ip"].tolist() == [True, True]
    assert datasrc.level_name(samples["data_src"]).tolist() == ["PMEM", "L1"]
    assert datasrc.is_remote(samples["data_src"]).tolist() == [True, False]
    assert not samples["has_regs"].any()


def ibs_payload(ip: int, address: int, data: int, data2: int, data3: int) -> bytes:
    body = struct.pack("<I7Q", 0x1FF, 0, ip, data, data2, data3, address, 0xDEAD)
    return (struct.pack("<I", len(body)) + body).ljust((4 + len(body) + 7) // 8 * 8, b"\0")


LOAD, STORE, DC_MISS, LIN_VALID, L2_MISS = 1, 2, 1 << 7, 1 << 17, 1 << 20


def test_ibs_ops_are_decoded_from_their_registers(tmp_path: Path) -> None:
    # GIVEN a load from DRAM after 250 cycles, a store, a load of the first level, an op without memory, and one whose address is invalid
    from_dram = LOAD | DC_MISS | LIN_VALID | L2_MISS | 250 << 32
    from_cxl = LOAD | DC_MISS | LIN_VALID | L2_MISS | 900 << 32
    ops = [
        ibs_payload(0x4001, 0xA000, 0, 3, from_dram),
        ibs_payload(0x4002, 0xB000, 0, 0, STORE | LIN_VALID),
        ibs_payload(0x4003, 0xC000, 0, 0, LOAD | LIN_VALID),
        ibs_payload(0x4004, 0xD000, 0, 0, LIN_VALID),
        ibs_payload(0x4005, 0xE000, 1 << 38, 0, LOAD),
        ibs_payload(0x4006, 0xF000, 0, 1 << 6, from_cxl),
    ]
    records = [sample(3, 0x9999, 10 * i, words(250_000) + op) for i, op in enumerate(ops)]
    write_file(tmp_path, 0, [event(3, "ibs", IBS, 500)], records)
    samples = read_perf(tmp_path).samples
    assert samples["event"].tolist() == ["load", "store", "load", "ibs", "load", "load"]
    assert samples["address"].tolist() == [0xA000, 0xB000, 0xC000, 0, 0, 0xF000]
    assert samples["ip"].tolist() == [0x4001, 0x4002, 0x4003, 0x4004, 0x9999, 0x4006]
    assert samples["latency"].tolist() == [250, 0, 0, 0, 0, 900]
    levels = datasrc.level_name(samples["data_src"]).tolist()
    assert levels == ["RAM", "unknown", "L1", "unknown", "L1", "CXL"]
    assert samples["weight"].tolist() == [250_000.0] * 6


def test_an_ibs_payload_that_is_too_short_has_neither_address_nor_kind(tmp_path: Path) -> None:
    short = struct.pack("<IIQ", 12, 0x1FF, 0)
    write_file(tmp_path, 0, [event(3, "ibs", IBS, 500)], [sample(3, 0x9999, 10, words(1) + short)])
    samples = read_perf(tmp_path).samples
    assert (samples["event"].tolist(), samples["ip"].tolist(), samples["address"].tolist()) == (["ibs"], [0x9999], [0])


def test_cpus_are_merged_by_time_and_their_tasks_too(tmp_path: Path) -> None:
    clock = [event(7, "clock", CLOCK & ~fmt.SAMPLE_REGS_USER, 1)]
    second = [event(8, "clock", CLOCK & ~fmt.SAMPLE_REGS_USER, 1)]
    build_id = struct.pack("<BBH20s", 20, 0, 0, bytes(range(20)))
    mapping = struct.pack("<IIQQQ24sII", PID, TID, 0x7000, 0x2000, 0x1000, build_id, 5, 2) + b"/lib/a b.so\0"
    fork = struct.pack("<IIIIQ", 200, PID, 201, TID, 25)
    write_file(tmp_path, 0, clock, [sample(7, 1, 10, b""), sample(7, 3, 30, b""), other(fmt.RECORD_FORK, fork, 25, 7)])
    records = [
        other(fmt.RECORD_COMM, struct.pack("<II", PID, TID) + b"prog\0", 15, 8, misc=1 << 13),
        other(fmt.RECORD_MMAP2, mapping, 16, 8, misc=1 << 14 | USER),
        sample(8, 2, 20, b""),
        other(fmt.RECORD_LOST, words(8, 41), 35, 8),
        other(fmt.RECORD_LOST_SAMPLES, words(1), 36, 8),
        other(fmt.RECORD_THROTTLE, words(36, 8, 8), 37, 8),
        other(99, words(1), 38, 8),
    ]
    write_file(tmp_path, 1, second, records)
    streams = read_perf(tmp_path)
    assert streams.samples["ip"].tolist() == [1, 2, 3]
    assert streams.maps.to_dict("records") == [
        {"time_ns": 16, "pid": PID, "tid": TID, "start": 0x7000, "end": 0x9000, "file_offset": 0x1000, "path": "/lib/a b.so",
         "build_id": bytes(range(20)).hex()}
    ]  # fmt: skip
    assert streams.tasks[["time_ns", "kind", "pid", "parent_pid", "name"]].to_numpy().tolist() == [
        [15, "exec", PID, 0, "prog"],
        [25, "fork", 200, PID, ""],
    ]
    assert (streams.lost, streams.throttled, streams.start_ns) == (42, 1, 5)
    assert streams.notes == []


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    records = [sample(7, i, i, words(2, *range(18))) for i in range(2)]
    path = write_file(tmp_path, 0, [event(7, "clock", CLOCK, 1, fmt.REGISTERS_MASK)], records)
    whole = path.read_bytes()
    start = len(whole) - sum(len(one) for one in records)
    for length in range(len(whole), -1, -1):
        path.write_bytes(whole[:length])
        streams = read_perf(tmp_path)
        expected = max(0, length - start) // len(records[0])
        assert len(streams.samples["ip"]) == expected
        assert bool(streams.notes) == (length < start)


def test_what_follows_a_malformed_record_is_not_guessed_at(tmp_path: Path) -> None:
    good = sample(7, 1, 1, b"")
    write_file(tmp_path, 0, [event(7, "clock", CLOCK & ~fmt.SAMPLE_REGS_USER, 1)], [good, b"\0" * 16, good])
    streams = read_perf(tmp_path)
    assert streams.samples["ip"].tolist() == [1]
    assert "no record of perf" in streams.notes[0]


def test_a_sample_shorter_than_its_fields_is_dropped(tmp_path: Path) -> None:
    # GIVEN a sample that claims eighteen registers and ends after two
    cut = sample(7, 1, 1, words(2, 10, 11))
    whole = sample(7, 2, 2, words(2, *range(18)))
    write_file(tmp_path, 0, [event(7, "clock", CLOCK, 1, fmt.REGISTERS_MASK)], [cut, whole])
    assert read_perf(tmp_path).samples["ip"].tolist() == [2]


def test_no_files_is_a_run_without_samples(tmp_path: Path) -> None:
    streams = read_perf(tmp_path)
    assert {name: column.dtype.str.lstrip("<|") for name, column in streams.samples.items() if name != "regs"} == {
        name: np.dtype(dtype).str.lstrip("<|") for name, dtype in SAMPLE_DTYPES.items()
    }
    assert all(len(column) == 0 for column in streams.samples.values())
    assert streams.maps.empty
    assert "path" in streams.maps.columns


def test_files_of_another_version_or_kind_are_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path, 0, [], [])
    path.write_bytes(path.read_bytes()[:8] + struct.pack("<I", 2) + path.read_bytes()[12:])
    with pytest.raises(TraceError, match="version 2"):
        read_perf(tmp_path)
    path.write_bytes(b"PERFILE2" * 8)
    with pytest.raises(TraceError, match="other content"):
        read_perf(tmp_path)


def test_fields_that_nobody_asks_for_are_refused_not_misread(tmp_path: Path) -> None:
    callchain = 1 << 5
    write_file(tmp_path, 0, [event(7, "clock", CLOCK | callchain, 1)], [sample(7, 1, 1, words(0))])
    with pytest.raises(TraceError, match="fields 0x20 are not known"):
        read_perf(tmp_path)
