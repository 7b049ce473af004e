"""What is said wherever an emulated tier shows: that it is one, and what the emulation did to a run."""

from collections.abc import Mapping
from typing import Any

from tierprof.base.units import format_bytes, format_seconds, format_share


def emulated_line(spec: str | None) -> str | None:
    """A sentence that belongs beside every cost in an emulated tier; None for any other tier.

    Parameters
    ----------
    spec
        The tier's specification, such as ``emulated:2.5``, or any text that ends with one.
    """
    own = spec.split()[-1] if spec else ""
    if not own.startswith("emulated"):
        return None
    return f"{own} is emulated: it is DRAM, delay is injected where the sampler sees stalls, and what it costs is no hardware's cost"


def injected_line(counters: Mapping[str, Any]) -> str | None:
    """What the emulation did to a run; None if it took no sample.

    Parameters
    ----------
    counters
        The shim's, summed over processes, as a trace's meta.json has them.
    """
    names = ("signals", "delayed", "unknown_instruction", "delay_ns", "useful_ns", "bytes", "throttle_ns")
    signals, delayed, unknown, delay_ns, useful_ns, moved, throttle_ns = (int(counters.get(f"emul_{name}", 0)) for name in names)
    if signals == 0:
        return None
    parts = [f"{format_seconds(delay_ns * 1e-9)} of delay injected into {format_seconds(useful_ns * 1e-9)} of CPU time"]
    parts.append(f"at {format_share(delayed / signals)} of {signals} samples")
    if unknown:
        parts.append(f"{format_share(unknown / signals)} fell on instructions that the trace does not know")
    if moved:
        parts.append(f"{format_bytes(moved)} counted against caps on bandwidth, {format_seconds(throttle_ns * 1e-9)} of waiting for them")
    return f"emulation: {', '.join(parts)}"
