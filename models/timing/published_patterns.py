"""The simple access patterns that published device figures were measured with, as counts: what each operation fetches and writes.

Reckoned by hand from the sources' loops (FAST20: https://github.com/NVSL/OptaneStudy, src/kernel: 512-bit loads and stores without
fences, hardware prefetchers off), so that a check of a tier's figures needs no simulator. Of a tier with 256 B blocks an access finds the
first line of an operation nowhere, the first of each other block in the page that the translation buffer holds by then, and the rest of
every block in the blocks' buffer.
"""

import numpy as np
import pandas as pd

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.solve import Timing
from tierprof.models.timing.tier import BUFFERED_BLOCK_BYTES, LINE_BYTES
from tierprof.profiler.exact.layout import OBJECT_COUNTERS, THREAD_COUNTERS
from tierprof.profiler.exact.profile import ExactProfile

_OPERATIONS = 1_000_000
_LINES_PER_BLOCK = BUFFERED_BLOCK_BYTES // LINE_BYTES

Counts = dict[str, float]


def random_reads(operation_bytes: int) -> Counts:
    """Reads of so many bytes at random places."""
    lines = operation_bytes // LINE_BYTES
    blocks = max(1, lines // _LINES_PER_BLOCK)
    return {"far_loads": 1, "mid_loads": blocks - 1, "near_loads": lines - blocks, "read_blocks": blocks}


def sequential_reads() -> Counts:
    """One 256 B block of a stream: all its lines are near, as the sequential latency is the mean over all of them."""
    return {"near_loads": _LINES_PER_BLOCK, "read_blocks": 1}


def non_temporal_stores(operation_bytes: int) -> Counts:
    """Stores past the caches of so many bytes at random places."""
    lines = operation_bytes // LINE_BYTES
    blocks = max(1, lines // _LINES_PER_BLOCK)
    return {"nt_stores": lines, "store_bytes": operation_bytes, "writeback_lines": lines, "write_blocks": blocks}


def plain_stores(operation_bytes: int) -> Counts:
    """Stores through the caches: every line is fetched, and later evicted."""
    lines = operation_bytes // LINE_BYTES
    blocks = max(1, lines // _LINES_PER_BLOCK)
    fetched: Counts = {"rfo_lines": lines, "read_blocks": blocks}
    return {"stores": lines, "store_bytes": operation_bytes, "writeback_lines": lines, "write_blocks": blocks} | fetched


def mixed(reads: float, writes: float) -> Counts:
    """Sequential reads and non-temporal writes of whole blocks, so many of each."""
    both = {name: reads * count for name, count in sequential_reads().items()}
    return both | {name: writes * count for name, count in non_temporal_stores(BUFFERED_BLOCK_BYTES).items()}


def bandwidth_gb_s(machine: Machine, tier: str, counts: Counts, operation_bytes: float, threads: int) -> float:
    """What `threads` threads that each do this get from a tier of the machine, in GB/s of `operation_bytes` an operation."""
    row = pd.DataFrame([{"slice": 0, "thread": 0, "object": 0}]).assign(**dict.fromkeys(OBJECT_COUNTERS, 0.0))
    row = row.assign(**{name: count * _OPERATIONS for name, count in counts.items()})
    thread = pd.DataFrame([{"slice": 0, "weight": 1.0, "thread": 0}]).assign(**dict.fromkeys(THREAD_COUNTERS, 0))
    none = pd.DataFrame(
        columns=["episode", "slice", "thread", "count", "base_cycles", "instructions", "misses", "chain", "object", "node_class"],
        dtype=np.int64,
    )
    profile = ExactProfile(thread, row, none, none, pd.DataFrame(), {})
    run = Timing(profile, machine, threads_factor=threads).run([float(tier == machine.slow)])
    return threads * operation_bytes * _OPERATIONS / float(run.seconds) / 1e9
