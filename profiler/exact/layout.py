"""The layout of exact.PID.SEQ.bin as numpy types: native/model/exactfile.h, said again. No reading here."""

from enum import IntEnum

import numpy as np

MAGIC = b"TPEXACT\0"
VERSION = 2

FILE = np.dtype([("magic", "S8"), ("version", "<u4"), ("pid", "<u4")])


class Record(IntEnum):
    """enum tpx_type."""

    CONFIG = 1
    THREAD = 2
    OBJECT = 3
    EPISODE = 4
    SLICE = 5
    REUSE = 6
    NOTE = 7
    END = 8
    HEAT = 9


class NodeClass(IntEnum):
    """enum tpx_class: which memory answered."""

    L3 = 0
    NEAR = 1
    MID = 2
    FAR = 3


class NoteCode(IntEnum):
    """enum tpx_note_code."""

    DISK_FULL = 1
    NO_DECODE = 2
    ANON_CODE = 3
    REGION = 4
    FOLDED = 5
    KILLED = 6
    HEAT = 7
    OTHER = 99


#: Counters of one thread in one slice, in the order of struct tpx_thread.
THREAD_COUNTERS = ("instructions", "loads", "stores", "base_cycles", "branches", "mispredicts", "tlb1_misses", "walks", "fences")

#: Counters of one object on one thread in one slice, in the order of struct tpx_object.
OBJECT_COUNTERS = (
    "loads", "stores", "nt_stores", "load_bytes", "store_bytes", "l1_misses", "l2_misses", "l3_hits", "near_loads", "mid_loads",
    "far_loads", "rfo_lines", "prefetched_lines", "prefetched_used", "writeback_lines", "read_blocks", "write_blocks", "tlb1_misses",
    "walks",
)  # fmt: skip

THREAD = np.dtype([("thread", "<u4"), ("tid", "<u4"), *((name, "<u8") for name in THREAD_COUNTERS)])
OBJECT = np.dtype([("object", "<u4"), ("thread", "<u4"), *((name, "<u8") for name in OBJECT_COUNTERS)])
EPISODE = np.dtype(
    [("thread", "<u4"), ("n_nodes", "<u4"), ("count", "<u8"), ("base_cycles", "<u8"), ("instructions", "<u8"), ("misses", "<u8")]
)
NODE = np.dtype([("object", "<u4"), ("chain", "u1"), ("node_class", "u1"), ("count", "<u2")])
SLICE = np.dtype([("first_instruction", "<u8"), ("instructions", "<u8"), ("weight", "<f8")])
REUSE_BINS = 48
REUSE = np.dtype([("object", "<u4"), ("granule_bytes", "<u4"), ("cold", "<f8"), ("cold_writes", "<f8"), ("bins", "<f8", (REUSE_BINS,))])
HEAT = np.dtype(
    [
        ("object", "<u4"),
        ("lane", "<u4"),
        ("bytes", "<u8"),
        ("weight", "<f8"),
        ("granule_bytes", "<u8"),
        ("n_granules", "<u4"),
        ("pad", "<u4"),
    ]
)
GRANULE = np.dtype([("granule", "<u4"), ("reads", "<u4"), ("writes", "<u4"), ("misses", "<u4")])
NOTE = np.dtype([("code", "<u4"), ("pad", "<u4"), ("value", "<u8")])
END = np.dtype([("instructions", "<u8"), ("measured", "<u8")])

#: From here on object numbers are no sites (TPM_OBJECT_FIRST_PSEUDO of native/model/sim.h), in the order of `PSEUDO_OBJECTS`.
FIRST_PSEUDO = (1 << 24) - 16

#: What the pseudo objects are called in the tables, and by people.
PSEUDO_OBJECTS = {-1: "stack", -2: "static data", -3: "small allocations", -4: "other mappings", -5: "unknown memory"}
UNKNOWN_OBJECT = -5
