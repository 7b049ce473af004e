"""The figures of a tier of memory: latency by class and load, bandwidth by direction and threads, blocks and buffers."""

from dataclasses import dataclass

from tierprof.models.timing.curves import Curve, LoadedLatency, level
from tierprof.models.timing.figures import Number, Points, Reader, Spec, Table

LINE_BYTES = 64
BUFFERED_BLOCK_BYTES = 256
PAGE_BYTES = 4096

_NUMBERS: Spec = {
    "near_ns": Number(0.1, 1e8),
    "mid_ns": Number(0.1, 1e8),
    "far_ns": Number(0.1, 1e8),
    "write_fence_ns": Number(0, 1e8),
    "nt_ns": Number(0, 1e8),
    "block_bytes": Number(LINE_BYTES, PAGE_BYTES, whole=True),
    "near_buffer_bytes": Number(0, 1 << 28, whole=True),
    "mid_buffer_bytes": Number(0, 1 << 36, whole=True),
    "bus_gb_s": Number(0.001, 1e5),
}
_CURVES: Spec = {
    "read_gb_s": Points("threads", 0.001, 1e5),
    "write_gb_s": Points("threads", 0.001, 1e5),
}
_MIX = Points("read_share", 0.01, 2)
# What only a tier with blocks larger than a line has.
_INTERLEAVED = Number(1, 64, whole=True)
_BLOCKED: Spec = {
    "read_combining_loss": Points("threads", 0, 1),
    "write_combining_loss": Points("threads", 0, 1),
    "eviction_blocks_per_line": Points("threads", 0, 1),
    "interleaved": _INTERLEAVED,
}
# What only a tier that is reached through page faults has.
_PAGED: Spec = {
    "fault_ns": Number(0, 1e8),
    "readahead_pages": Number(1, 1 << 20, whole=True),
    "cache_bytes": Number(PAGE_BYTES, 1 << 50, whole=True),
}
_MULTIPLE = Points("utilisation", 1, 1e4, rising=True)


@dataclass(frozen=True)
class Paged:
    """What a tier costs that is reached through a cache of pages in DRAM.

    Attributes
    ----------
    fault_ns : float
        The software on the way of one fault, without the device.
    readahead_pages : int
        Pages that one wait for the device fetches where a program runs through them in order.
    cache_bytes : int
        DRAM that holds pages of the tier, unless the caller says how much.
    """

    fault_ns: float
    readahead_pages: int
    cache_bytes: int


@dataclass(frozen=True)
class Tier:
    """A kind of memory as the model knows it.

    Attributes
    ----------
    name : str
        Of its file.
    near_ns, mid_ns, far_ns : float
        Idle read latency, load to use: of a line whose block the tier's buffer holds, whose page its translation buffer holds, of any
        other.
    write_fence_ns : float
        What a fence waits for after a non-temporal store.
    nt_ns : float
        How long a non-temporally stored line holds one of the core's miss buffers.
    block_bytes : int
        What the media moves at least: 64, 256, or 4096 for a paged tier.
    near_blocks, mid_pages : int
        What its buffers hold, 256 B blocks and 4 KiB pages.
    bus_gb_s : float
        Lines of both directions together, at most.
    read_gb_s, write_gb_s : Curve
        What the media moves in one direction alone, by threads.
    mix : Curve
        What is left of that when reads and writes mix, by the share of reads in the media's time.
    read_combining_loss, write_combining_loss : Curve
        Share of the lines that would have been combined in a buffered block and are not, by threads.
    eviction_blocks_per_line : Curve
        Blocks that a line costs at least which a cache evicts, by threads: evictions come in no order that combines.
    loaded : LoadedLatency
        Multiple of the idle latency by utilisation.
    interleaved : int
        DIMMs that pages are dealt out to, as far as it matters: a stream is within one page, and so has one DIMM, at a time.
    paged : Paged or None
        If it is reached through page faults.
    """

    name: str
    near_ns: float
    mid_ns: float
    far_ns: float
    write_fence_ns: float
    nt_ns: float
    block_bytes: int
    near_blocks: int
    mid_pages: int
    bus_gb_s: float
    read_gb_s: Curve
    write_gb_s: Curve
    mix: Curve
    read_combining_loss: Curve
    write_combining_loss: Curve
    eviction_blocks_per_line: Curve
    loaded: LoadedLatency
    interleaved: int
    paged: Paged | None

    @property
    def class_ns(self) -> tuple[float, float, float]:
        """Idle latency by class: near, mid, far."""
        return (self.near_ns, self.mid_ns, self.far_ns)


def read_tier(name: str, table: Table, reader: Reader) -> Tier:
    """The tier out of its table.

    Raises
    ------
    MachineError
        If a figure is missing, unknown, out of range, without a source, or a curve is impossible.
    """
    numbers = {key: reader.number(key, spec) for key, spec in _NUMBERS.items() if isinstance(spec, Number)}
    block_bytes = int(numbers["block_bytes"])
    if block_bytes not in (LINE_BYTES, BUFFERED_BLOCK_BYTES, PAGE_BYTES):
        reader.refuse("block_bytes", f"blocks of {block_bytes} bytes are not modelled", "give 64, 256 or 4096")
    blocked, is_paged = block_bytes == BUFFERED_BLOCK_BYTES, block_bytes == PAGE_BYTES
    own = {*(_BLOCKED if blocked else ()), *(_PAGED if is_paged else ())}
    reader.only({*_NUMBERS, *_CURVES, *own, "mix", "loaded", "about"})
    if not numbers["near_ns"] <= numbers["mid_ns"] <= numbers["far_ns"]:
        reader.refuse("near_ns", "near, mid and far latency do not rise", "order them")
    curves = {key: reader.curve(key, spec) for key, spec in _CURVES.items() if isinstance(spec, Points)}
    curves |= {key: reader.curve(key, spec) if blocked else level(0.0) for key, spec in _BLOCKED.items() if isinstance(spec, Points)}
    interleaved = reader.number("interleaved", _INTERLEAVED) if blocked else 1
    fault = {key: reader.number(key, spec) for key, spec in _PAGED.items() if is_paged and isinstance(spec, Number)}
    return Tier(
        name=name,
        near_ns=numbers["near_ns"],
        mid_ns=numbers["mid_ns"],
        far_ns=numbers["far_ns"],
        write_fence_ns=numbers["write_fence_ns"],
        nt_ns=numbers["nt_ns"],
        bus_gb_s=numbers["bus_gb_s"],
        block_bytes=block_bytes,
        near_blocks=int(numbers["near_buffer_bytes"]) // BUFFERED_BLOCK_BYTES,
        mid_pages=int(numbers["mid_buffer_bytes"]) // PAGE_BYTES,
        mix=reader.curve("mix", _MIX) if "mix" in table else level(1.0),
        loaded=_read_loaded(table, reader),
        interleaved=int(interleaved),
        paged=Paged(fault["fault_ns"], int(fault["readahead_pages"]), int(fault["cache_bytes"])) if is_paged else None,
        read_gb_s=curves["read_gb_s"],
        write_gb_s=curves["write_gb_s"],
        read_combining_loss=curves["read_combining_loss"],
        write_combining_loss=curves["write_combining_loss"],
        eviction_blocks_per_line=curves["eviction_blocks_per_line"],
    )


def _read_loaded(table: Table, reader: Reader) -> LoadedLatency:
    entries = table.get("loaded")
    if not isinstance(entries, list) or not entries:
        reader.refuse("loaded", "it is missing", "write [[loaded]] with read_share, utilisation, multiple and source")
    points = []
    for at, entry in enumerate(entries):
        key = f"loaded[{at}]"
        part = Reader({"read_share": {"value": entry.get("read_share"), "source": reader.source(key, entry)}}, f"{reader.where}, {key}")
        share = part.number("read_share", Number(0, 1))
        for name in sorted(set(entry) - {"read_share", "utilisation", "multiple", "source"}):
            reader.refuse(f"{key}.{name}", "a loaded curve has no such part", "its parts are read_share, utilisation, multiple and source")
        curve = reader.points(key, entry, _MULTIPLE, "multiple")
        if curve.at[-1] > 1:
            reader.refuse(f"{key}.utilisation", f"{curve.at[-1]:g} is out of range", "utilisation goes from 0 to 1")
        if curve.at[0] == 0 and curve.value[0] != 1:
            reader.refuse(f"{key}.multiple", "the multiple at no load is not 1", "it is a multiple of the idle latency")
        points.append((share, curve))
    if len({share for share, _ in points}) < len(points):
        reader.refuse("loaded", "two curves have the same read_share", "give one curve a read share")
    return LoadedLatency.of(points)
