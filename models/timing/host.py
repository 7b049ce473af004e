"""The figures of a host: core, caches, TLBs and prefetchers. Most of them shape the exact trace; the rest time it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tierprof.models.timing.figures import Number, Reader, Spec

#: Figures that the simulator takes under the same name; the ranges are those of native/model/config.h.
SIMULATED: Spec = {
    "l1_bytes": Number(1024, 1 << 20, whole=True),
    "l1_ways": Number(1, 32, whole=True),
    "l2_bytes": Number(0, 1 << 28, whole=True),
    "l2_ways": Number(1, 32, whole=True),
    "l3_bytes": Number(4096, 1 << 34, whole=True),
    "l3_ways": Number(1, 32, whole=True),
    "prefetch_next_line": Number(0, 1, whole=True),
    "prefetch_stream": Number(0, 1, whole=True),
    "prefetch_stream_depth": Number(1, 64, whole=True),
    "prefetch_stride": Number(0, 1, whole=True),
    "page_bytes": Number(4096, 1 << 21, whole=True),
    "tlb1_entries": Number(1, 4096, whole=True),
    "tlb1_ways": Number(1, 64, whole=True),
    "tlb2_entries": Number(0, 1 << 16, whole=True),
    "tlb2_ways": Number(1, 64, whole=True),
    "issue_width": Number(1, 16, whole=True),
    "window_instructions": Number(8, 4096, whole=True),
    "miss_buffers": Number(1, 64, whole=True),
    "l1_cycles": Number(1, 100, whole=True),
    "l2_cycles": Number(1, 1000, whole=True),
    "walk_cycles": Number(0, 1000, whole=True),
    "tlb2_cycles": Number(0, 1000, whole=True),
    "mispredict_cycles": Number(0, 1000, whole=True),
}

#: Figures that only time the trace.
TIMED: Spec = {
    "cores": Number(1, 256, whole=True),
    "ghz": Number(0.1, 10),
    "l3_ns": Number(0.1, 1000),  # an L3 hit, load to use
    "l2_buffers": Number(1, 256, whole=True),  # lines that one core has under way beyond its L2, prefetched ones included
    "evict_ns": Number(0, 10000),  # how long a dirty line on its way out holds a miss buffer
}


@dataclass(frozen=True)
class Host:
    """A processor.

    Attributes
    ----------
    name : str
        Of its file.
    cores : int
        Of one socket.
    ghz : float
        What its cores run at when all are busy.
    l3_ns : float
        An L3 hit, load to use.
    miss_buffers : int
        Lines that a core's loads and stores can wait for at once.
    l2_buffers : int
        Lines that one core has under way beyond its L2, prefetched ones included.
    evict_ns : float
        How long a dirty line on its way out holds one of the miss buffers.
    simulated : mapping of str to int
        The figures that the simulator takes, by its names.
    """

    name: str
    cores: int
    ghz: float
    l3_ns: float
    miss_buffers: int
    l2_buffers: int
    evict_ns: float
    simulated: Mapping[str, int]


def read_host(name: str, reader: Reader) -> Host:
    """The host out of its table.

    Raises
    ------
    MachineError
        If a figure is missing, unknown, out of range or without a source.
    """
    reader.only({*SIMULATED, *TIMED, "about"})
    simulated = {key: int(reader.number(key, spec)) for key, spec in SIMULATED.items() if isinstance(spec, Number)}
    timed = {key: reader.number(key, spec) for key, spec in TIMED.items() if isinstance(spec, Number)}
    if simulated["page_bytes"] not in (4096, 1 << 21):
        reader.refuse("page_bytes", f"pages of {simulated['page_bytes']} bytes are not simulated", "give 4096 or 2097152")
    return Host(
        name=name,
        cores=int(timed["cores"]),
        ghz=timed["ghz"],
        l3_ns=timed["l3_ns"],
        miss_buffers=simulated["miss_buffers"],
        l2_buffers=int(timed["l2_buffers"]),
        evict_ns=timed["evict_ns"],
        simulated=MappingProxyType(simulated),
    )
