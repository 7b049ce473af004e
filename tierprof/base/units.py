"""Sizes, times and shares as people write them, and back."""

import re
from decimal import Decimal

from tierprof.base.errors import TierprofError

_BINARY = {"": 1, "b": 1, "k": 2**10, "kib": 2**10, "m": 2**20, "mib": 2**20, "g": 2**30, "gib": 2**30, "t": 2**40, "tib": 2**40}
_DECIMAL = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_TIMES = {"": 1.0, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def parse_size_bytes(text: str) -> int:
    """Bytes of a size such as ``8GiB``, ``4k``, ``1.5 GB`` or ``4096``.

    Raises
    ------
    TierprofError
        If the text is no size.
    """
    match = _SIZE.fullmatch(text)
    factor = {**_BINARY, **_DECIMAL}.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise TierprofError(f"'{text}' is no size", "a size is a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB", "write it like 8GiB")
    return int(Decimal(match.group(1)) * factor)


def parse_seconds(text: str) -> float:
    """Seconds of a time such as ``2s``, ``500ms``, ``1.5min`` or ``2``.

    Raises
    ------
    TierprofError
        If the text is no time, or no time at all.
    """
    match = _SIZE.fullmatch(text)
    factor = _TIMES.get(match.group(2).lower()) if match else None
    if match is None or factor is None or not float(match.group(1)) > 0:
        raise TierprofError(f"'{text}' is no time", "a time is a number above 0 with ms, s, min or h", "write it like 2s")
    return float(match.group(1)) * factor


def parse_count(text: str) -> int:
    """A count of events such as ``20M``, ``1.5G``, ``100k`` or ``4096``; letters are powers of a thousand.

    Raises
    ------
    TierprofError
        If the text is no count.
    """
    match = _SIZE.fullmatch(text)
    factor = _COUNTS.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise TierprofError(f"'{text}' is no count", "a count is a number, with k, M, G or T for powers of a thousand", "write it like 20M")
    return int(Decimal(match.group(1)) * factor)


def format_count(count: float) -> str:
    """The count with three digits: ``1.25G``, ``20M``, ``999``."""
    value = float(count)
    for unit in ("", "k", "M", "G"):
        if abs(value) < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}T"


def format_bytes(size_bytes: float) -> str:
    """The size as people write it: ``8.0GiB``; below 1 KiB exactly."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f}B" if unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}TiB"


def format_seconds(time_s: float) -> str:
    """The time with three digits: ``1.25s``, ``12.5ms``, ``3.10us``."""
    for limit, factor, unit in ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (1e-6, 1e6, "us"), (0.0, 1e9, "ns")):
        if abs(time_s) >= limit:
            return "0s" if time_s == 0 else f"{time_s * factor:.3g}{unit}"
    return f"{time_s:.3g}s"


def format_share(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}%"
