"""How many writer threads each tier bears, by the machine files; and which of a run's tensors are written, by how many."""

from typing import NamedTuple

from tierprof.models.timing.machine import Machine, machine_names
from tierprof.models.timing.write_threads import WriteThreads, write_threads

ALL = "more"  # of threads: as many as the host has


class TierWriters(NamedTuple):
    """A tier as writers find it."""

    machine: str
    tier: str
    cores: int
    plain: WriteThreads | None  # plain stores in order, as compiled code makes them; None for a tier behind page faults
    streaming: WriteThreads | None  # non-temporal stores
    source: str  # of the tier's write bandwidth
    loss_source: str  # of what more threads lose; empty where the machine file has nothing on it

    @property
    def flat(self) -> bool:
        """Whether the machine file has no figure by number of threads: then nothing is known of a fall."""
        return not self.loss_source


def tier_writers(machine: Machine, name: str) -> TierWriters:
    """The tier of that name, on this machine."""
    tier, sources = machine.tiers[name], machine.sources.get(name, {})
    known = tier.paged is None
    plain, streaming = (write_threads(tier, machine.host, temporal=own) if known else None for own in (True, False))
    curves = {"eviction_blocks_per_line": tier.eviction_blocks_per_line, "write_gb_s": tier.write_gb_s}
    loss = next((sources.get(key, "") for key, curve in curves.items() if len(curve.at) > 1), "")
    return TierWriters(machine.name, name, machine.host.cores, plain, streaming, sources.get("write_gb_s", ""), loss)


def shipped_writers(asked: Machine) -> list[TierWriters]:
    """The slow tier of the machine that was asked for, then those of all that come with tierprof, each tier once."""
    found = {asked.slow: tier_writers(asked, asked.slow)}
    for name in machine_names():
        machine = Machine.load(name)
        if machine.slow not in found and machine.slow != machine.fast:
            found[machine.slow] = tier_writers(machine, machine.slow)
    return list(found.values())


def say_writers(own: TierWriters) -> str:
    """How many threads the tier bears, in a sentence with its figures."""
    if own.plain is None or own.streaming is None:
        return f"{own.tier}: stores reach pages in DRAM, and the device is written later; how many threads it bears is unknown"
    return f"{own.tier}: plain stores {_bears(own.plain, own)}; non-temporal ones {_bears(own.streaming, own)}"


def _bears(writes: WriteThreads, own: TierWriters) -> str:
    highest = f"{float(writes.gb_s.max()):.3g} GB/s with {_threads(writes.enough)}"
    if writes.most is not None:
        last = len(writes.gb_s)
        lost = 1.0 - float(writes.gb_s[-1]) / float(writes.gb_s.max())
        return f"reach {highest} and fall beyond {_threads(writes.most)} ({lost:.0%} less with {last})"
    if own.flat:
        return f"reach {highest}; whether more lose is unknown (the machine file has one figure for all)"
    return f"reach {highest} and lose nothing up to {_threads(own.cores)}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count != 1 else ''}"
