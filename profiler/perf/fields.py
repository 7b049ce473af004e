"""The fields of sample records, gathered with numpy by the event's sample_type; one call an event, no loop over samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.profiler.perf import format as fmt

# In the order in which the kernel writes them; each is one 8-byte word unless handled by name below.
_ORDER = (
    (fmt.SAMPLE_IDENTIFIER, "identifier"),
    (fmt.SAMPLE_IP, "ip"),
    (fmt.SAMPLE_TID, "pid_tid"),
    (fmt.SAMPLE_TIME, "time"),
    (fmt.SAMPLE_ADDR, "address"),
    (fmt.SAMPLE_ID, "id"),
    (fmt.SAMPLE_STREAM_ID, "stream_id"),
    (fmt.SAMPLE_CPU, "cpu"),
    (fmt.SAMPLE_PERIOD, "period"),
    (fmt.SAMPLE_RAW, "raw"),
    (fmt.SAMPLE_REGS_USER, "regs"),
    (fmt.SAMPLE_WEIGHT, "weight"),
    (fmt.SAMPLE_WEIGHT_STRUCT, "weight_struct"),
    (fmt.SAMPLE_DATA_SRC, "data_src"),
    (fmt.SAMPLE_TRANSACTION, "transaction"),
    (fmt.SAMPLE_PHYS_ADDR, "physical"),
    (fmt.SAMPLE_CGROUP, "cgroup"),
    (fmt.SAMPLE_DATA_PAGE_SIZE, "data_page_size"),
    (fmt.SAMPLE_CODE_PAGE_SIZE, "code_page_size"),
)
_KNOWN = sum(bit for bit, _ in _ORDER)

Fields = dict[str, NDArray[Any]]


def _take(words: NDArray[np.uint64], at: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Words at positions; a record that lies about its size reads the buffer's last word and is dropped afterwards."""
    return words[np.minimum(at, words.size - 1)]


def _gather_registers(words: NDArray[np.uint64], cursor: NDArray[np.int64], mask: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Registers in the order of `format.REGISTERS`, zeros where the mask or the sample has none; and which samples have any."""
    has = _take(words, cursor) != 0  # the ABI word: 0 when the thread had no user registers to show
    regs = np.zeros((cursor.size, len(fmt.REGISTERS)), np.uint64)
    rows = np.flatnonzero(has)
    present = [number for number in range(64) if mask >> number & 1]
    for column, number in enumerate(fmt.REGISTERS):
        if number in present:
            regs[rows, column] = _take(words, cursor[rows] + 1 + present.index(number))
    return regs, has


def gather(words: NDArray[np.uint64], records: NDArray[Any], event: fmt.PerfEvent) -> Fields:
    """The fields of one event's samples.

    Parameters
    ----------
    words
        The buffer that was scanned, as 8-byte words.
    records
        Rows of `scan.RECORD`: samples of this event.

    Returns
    -------
    dict
        Raw arrays by the names of the fields that the event has, `regs` (n, 18) and `has_regs`, `raw` (position in bytes of the raw
        payload) and `raw_bytes`; `whole` is False for samples that end before their fields do.

    Raises
    ------
    TraceError
        If the event has fields that no version of tierprof asks for.
    """
    if event.sample_type & ~_KNOWN:
        unknown = f"fields {event.sample_type & ~_KNOWN:#x} are not known"
        raise TraceError(f"samples of event {event.name} cannot be read", unknown, "read them with the version that wrote them")
    cursor = (records["offset"].astype(np.int64) + 8) // 8
    end = (records["offset"].astype(np.int64) + records["size"]) // 8
    fields: Fields = {"exact_ip": (records["misc"] & fmt.MISC_EXACT_IP) != 0}
    fields["kernel"] = (records["misc"] & fmt.MISC_CPUMODE) == fmt.CPUMODE_KERNEL
    for bit, name in _ORDER:
        if not event.sample_type & bit:
            continue
        if name == "regs":
            fields["regs"], fields["has_regs"] = _gather_registers(words, cursor, event.regs_user)
            cursor = cursor + 1 + np.where(fields["has_regs"], event.regs_user.bit_count(), 0)
        elif name == "raw":
            fields["raw"] = cursor * 8 + 4
            fields["raw_bytes"] = (_take(words, cursor) & 0xFFFFFFFF).astype(np.int64)
            cursor = cursor + (4 + fields["raw_bytes"] + 7) // 8
        else:
            fields[name] = _take(words, cursor)
            cursor = cursor + 1
    fields["whole"] = cursor <= end
    return fields
