"""AMD's instruction-based sampling: the raw registers of an op sample into instruction, data address, latency and kind.

Register layout: AMD PPR for Family 19h Model 01h, 55898 (MSRs C001_1033 to C001_1038); payload: arch/x86/events/amd/ibs.c.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierprof.profiler.perf import datasrc

# The payload: u32 capabilities, then registers IbsOpCtl, IbsOpRip, IbsOpData, IbsOpData2, IbsOpData3, IbsDcLinAd, IbsDcPhysAd, ...
_CAPS_BYTES = 4
_OP_RIP, _OP_DATA, _OP_DATA2, _OP_DATA3, _DC_LIN_AD = 1, 2, 3, 4, 5
_REGISTERS_NEEDED = 6

_RIP_INVALID = 38
_LOAD, _STORE, _DC_MISS, _LIN_AD_VALID, _L2_MISS = 0, 1, 7, 17, 20
_DC_MISS_LATENCY = 32

# IbsOpData2's data source (low three bits; two more above bit 6 on Zen 4) as mem_lvl_num.
_LEVEL_OF_SOURCE = np.full(32, datasrc.LVLNUM_NA, np.uint64)
_LEVEL_OF_SOURCE[1] = datasrc.LVLNUM_L3
_LEVEL_OF_SOURCE[2] = datasrc.LVLNUM_L3
_LEVEL_OF_SOURCE[3] = datasrc.LVLNUM_RAM
_LEVEL_OF_SOURCE[4] = _LEVEL_OF_SOURCE[5] = datasrc.LVLNUM_ANY_CACHE
_LEVEL_OF_SOURCE[6] = datasrc.LVLNUM_PMEM
_LEVEL_OF_SOURCE[7] = datasrc.LVLNUM_IO
_LEVEL_OF_SOURCE[8] = datasrc.LVLNUM_CXL


def _bit(value: NDArray[np.uint64], position: int) -> NDArray[np.bool_]:
    return (value >> np.uint64(position)) & np.uint64(1) == 1


def _register(buffer: NDArray[np.uint8], start: NDArray[np.int64], number: int) -> NDArray[np.uint64]:
    at = start[:, None] + _CAPS_BYTES + 8 * number + np.arange(8)
    return np.ascontiguousarray(buffer[np.minimum(at, buffer.size - 1)]).view("<u8").reshape(start.size)


def _levels(data2: NDArray[np.uint64], data3: NDArray[np.uint64]) -> NDArray[np.uint64]:
    source = (data2 & np.uint64(7)) | ((data2 >> np.uint64(6)) & np.uint64(3)) << np.uint64(3)
    missed = np.where(_bit(data3, _L2_MISS), _LEVEL_OF_SOURCE[source.astype(np.int64)], datasrc.LVLNUM_L2)
    return np.where(_bit(data3, _DC_MISS), missed, datasrc.LVLNUM_L1).astype(np.uint64)


def decode(
    buffer: NDArray[np.uint8], raw: NDArray[np.int64], raw_bytes: NDArray[np.int64], ip: NDArray[np.uint64]
) -> dict[str, NDArray[Any]]:
    """Decode the raw payloads of IBS op samples.

    Parameters
    ----------
    buffer
        The bytes that were scanned.
    raw, raw_bytes
        Where each payload begins in `buffer`, and its size.
    ip
        The instruction pointer that perf gives, kept where the hardware's own is invalid.

    Returns
    -------
    dict
        `ip`, `address` (0 where the op has none), `latency` (cycles of a data-cache miss), `data_src` (perf's encoding: operation and
        level), `load` and `store` (bool; both for a read-modify-write).
    """
    enough = raw_bytes >= _CAPS_BYTES + 8 * _REGISTERS_NEEDED
    data, data2, data3 = (_register(buffer, raw, number) for number in (_OP_DATA, _OP_DATA2, _OP_DATA3))
    load = _bit(data3, _LOAD) & enough
    store = _bit(data3, _STORE) & enough
    rip_valid = ~_bit(data, _RIP_INVALID) & enough
    has_address = _bit(data3, _LIN_AD_VALID) & (load | store)
    latency = (data3 >> np.uint64(_DC_MISS_LATENCY)) & np.uint64(0xFFFF)
    return {
        "ip": np.where(rip_valid, _register(buffer, raw, _OP_RIP), ip),
        "address": np.where(has_address, _register(buffer, raw, _DC_LIN_AD), np.uint64(0)),
        "latency": np.where(load & _bit(data3, _DC_MISS), latency, np.uint64(0)),
        "data_src": datasrc.encode(load, store, np.where(load, _levels(data2, data3), datasrc.LVLNUM_NA)),
        "load": load,
        "store": store,
    }
