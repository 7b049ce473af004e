"""A GNN's trace made by hand: named tables, a gradient, the optimizer's state, activations and a graph, with samples of known ways."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.base.schema import SAMPLES

MIB = 2**20
S = 10**9
STORAGE = ["libc10.so+0x1234 c10::alloc_cpu", "libtorch_cpu.so+0x99 at::empty_cpu", "python.so+0x1 main gnn.py:3"]
OTHER = ["libx.so+0x10 make make.c:7"]

USER, ITEM, GRADIENT, MOMENT, ACTIVATION, GRAPH, QUEUE = range(7)

#: Name, peak, seconds of the 10 s run, frames; in the order of the sites.
OBJECTS = (
    ("model.user.weight", 256 * MIB, 3.0, STORAGE),
    ("model.item.weight", 64 * MIB, 2.0, STORAGE),
    ("model.user.weight.grad", 256 * MIB, 1.0, STORAGE),
    ("model.user.weight.exp_avg", 256 * MIB, 0.5, STORAGE),
    ("gnn.py:9 in forward", 128 * MIB, 0.4, STORAGE),
    ("gnn.py:4 in load", 100 * MIB, 0.1, STORAGE),
    ("queue", 32 * MIB, 0.5, OTHER),
)


class Seen(NamedTuple):
    """Samples on one allocation: what `samples` makes rows of."""

    allocation: int
    site: int
    places: np.ndarray  # offsets in the allocation, in order of time
    access: str = "load"
    tids: tuple[int, ...] = (1,)
    offset: int = 0x1000  # of the instruction
    confidence: str = "exact"


def random_places(size: int, count: int = 200, seed: int = 1) -> np.ndarray:
    """As a gather of any rows leaves them."""
    return np.random.default_rng(seed).integers(0, size // 64, count) * 64


def swept_places(size: int, count: int = 200, bytes_a_sample: float = 5e6) -> np.ndarray:
    """As sweeps at 5 GB/s, sampled each millisecond, leave them."""
    return (np.arange(count) * bytes_a_sample % size).astype(np.int64)


def samples_table(seen: list[Seen], start: dict[int, int]) -> pd.DataFrame:
    """The rows, a millisecond apart in each thread."""
    parts = []
    for own in seen:
        count = len(own.places)
        parts.append(
            pd.DataFrame(
                {
                    "time_ns": np.arange(count) * 1_000_000,
                    "pid": 1,
                    "tid": [own.tids[at % len(own.tids)] for at in range(count)],
                    "event": "clock",
                    "ip": own.offset,
                    "module": 0,
                    "offset": own.offset,
                    "address": np.uint64(start[own.allocation]) + own.places.astype(np.uint64),
                    "access": own.access,
                    "confidence": own.confidence,
                    "where": "object",
                    "site": own.site,
                    "allocation": own.allocation,
                    "latency_cycles": 0,
                    "weight_s": 0.001,
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else SAMPLES.empty_table().to_pandas()


def lives() -> pd.DataFrame:
    """Rows of allocations: one of each object, but three activations that come one after the other."""
    rows = [(site, size, 0, None) for site, (_, size, _, _) in enumerate(OBJECTS) if site != ACTIVATION]
    rows += [(ACTIVATION, 128 * MIB, (1 + 3 * step) * S, (2 + 3 * step) * S) for step in range(3)]
    table = pd.DataFrame(rows, columns=["site", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
    place = np.arange(len(table))
    return table.assign(
        allocation=place, pid=1, tid=1, address=(place + 1) * 2**32, kind="malloc", weight=1.0, resident_bytes=None, tier="dram",
        inherited=False, name=None,
    )  # fmt: skip


def tensors_table(allocations: pd.DataFrame) -> pd.DataFrame:
    """The names of the first four objects: rows of 256 B."""
    roles = ("parameter", "parameter", "gradient", "optimizer")
    own = allocations.head(4)
    sizes = own["size_bytes"].astype(np.int64)
    return pd.DataFrame(
        {
            "time_ns": 0, "pid": 1, "address": own["address"], "bytes": sizes, "name": [name for name, *_ in OBJECTS[:4]], "role": roles,
            "module": "Embedding", "shape": [[size // 256, 64] for size in sizes], "dtype": "float32", "allocation": own["allocation"],
        }
    )  # fmt: skip


SEEN = (
    Seen(0, USER, random_places(256 * MIB), offset=0x1000),
    Seen(1, ITEM, random_places(64 * MIB, seed=2), offset=0x1000),
    Seen(2, GRADIENT, random_places(256 * MIB, seed=3), access="update", tids=(1, 2), offset=0x2000),
    Seen(3, MOMENT, swept_places(256 * MIB), access="store", offset=0x3000),
)
