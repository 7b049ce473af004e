"""perf's data_src word: where a sampled access was served from. Only mem_lvl_num is used, never the deprecated mem_lvl bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# PERF_MEM_LVLNUM_*: bits 33-36
LVLNUM_L1, LVLNUM_L2, LVLNUM_L3, LVLNUM_L4 = 1, 2, 3, 4
LVLNUM_L2_MHB, LVLNUM_MSC, LVLNUM_UNCACHED, LVLNUM_CXL = 5, 6, 8, 9
LVLNUM_IO, LVLNUM_ANY_CACHE, LVLNUM_LFB, LVLNUM_RAM, LVLNUM_PMEM, LVLNUM_NA = 10, 11, 12, 13, 14, 15

_OP_NA, _OP_LOAD, _OP_STORE = 1, 2, 4
_LVLNUM_SHIFT, _LVLNUM_MASK = 33, 0xF
_REMOTE_SHIFT = 37

LEVEL_NAMES = np.full(16, "unknown", "U12")
LEVEL_NAMES[0] = "none"
LEVEL_NAMES[[LVLNUM_L1, LVLNUM_L2, LVLNUM_L3, LVLNUM_L4]] = ["L1", "L2", "L3", "L4"]
LEVEL_NAMES[[LVLNUM_L2_MHB, LVLNUM_MSC, LVLNUM_ANY_CACHE, LVLNUM_LFB]] = ["L2 buffer", "memory cache", "cache", "LFB"]
LEVEL_NAMES[[LVLNUM_RAM, LVLNUM_PMEM, LVLNUM_CXL]] = ["RAM", "PMEM", "CXL"]
LEVEL_NAMES[[LVLNUM_UNCACHED, LVLNUM_IO]] = ["uncached", "IO"]


def level_number(data_src: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """PERF_MEM_LVLNUM_* of each word."""
    return ((data_src >> np.uint64(_LVLNUM_SHIFT)) & np.uint64(_LVLNUM_MASK)).astype(np.uint8)


def level_name(data_src: NDArray[np.uint64]) -> NDArray[np.str_]:
    """The place that served each access: ``L1`` .. ``RAM``, ``CXL``, ``PMEM``; ``none`` where the source gives no level."""
    return LEVEL_NAMES[level_number(data_src)]


def is_remote(data_src: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether another socket served it."""
    return (data_src >> np.uint64(_REMOTE_SHIFT)) & np.uint64(1) == 1


def encode(load: NDArray[np.bool_], store: NDArray[np.bool_], level: NDArray[Any]) -> NDArray[np.uint64]:
    """data_src words with operation and level, for hardware whose own registers are decoded here."""
    operation = np.where(load, _OP_LOAD, 0) | np.where(store, _OP_STORE, 0)
    operation = np.where(operation == 0, _OP_NA, operation).astype(np.uint64)
    return operation | (level.astype(np.uint64) << np.uint64(_LVLNUM_SHIFT))
