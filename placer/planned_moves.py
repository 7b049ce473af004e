"""What a plan's [[move]] tables say: which object changes its tier during the run, and at which moment."""

import re
from dataclasses import dataclass

#: The shim's limit (native/place/phases.c).
MAX_MOVES = 64

_UNITS_NS = {"h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DURATION = re.compile(r"\s*(\d+)(?:\.(\d+))?\s*(h|min|s|ms|us|ns)\s*")
_LONGEST_NS = 2**63 - 1


@dataclass(frozen=True)
class PlannedMove:
    """From a moment on an object belongs to another tier, its living allocations included.

    Attributes
    ----------
    site : str
        Key of the object's allocation site: 32 hex digits.
    tier : str
        Where it goes.
    after_ns : int or None
        The moment: so many nanoseconds after the process started.
    at_allocation : int or None
        Or the n-th allocation of the site `of`, the first being 1; counted are allocations that are tracked one by one.
    of : str or None
        Key of the site whose allocations are counted.
    """

    site: str
    tier: str
    after_ns: int | None = None
    at_allocation: int | None = None
    of: str | None = None

    def problem(self) -> tuple[str, str] | None:
        """Why its moment makes no sense, and the mend; None if it does."""
        if (self.after_ns is None) == (self.at_allocation is None):
            what = "has no moment" if self.after_ns is None else "has two moments"
            return f"it {what}", 'give either after = "30s", or at_allocation = 3 with of = KEY'
        if self.after_ns is not None and not 0 <= self.after_ns <= _LONGEST_NS:
            return f"{self.after_ns} ns is no time after the start", 'write it like after = "30s"'
        if self.at_allocation is not None and self.at_allocation < 1:
            return f"there is no allocation {self.at_allocation}", "the first is 1"
        if (self.at_allocation is None) != (self.of is None):
            what = "nothing is counted" if self.of is not None else "it does not say whose allocations are counted"
            return what, "at_allocation = 3 goes with of = KEY"
        return None


def parse_duration_ns(text: str) -> int | None:
    """Nanoseconds of a time such as ``30s``, ``1.5 min`` or ``250ms``; None if the text is none."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    whole, part, unit = match.group(1), match.group(2) or "", _UNITS_NS[match.group(3)]
    return int(whole) * unit + int(part or "0") * unit // 10 ** len(part)


def format_duration(time_ns: int) -> str:
    """The time in the largest unit that expresses it exactly."""
    for name, unit in _UNITS_NS.items():
        if time_ns and time_ns % unit == 0:
            return f"{time_ns // unit}{name}"
    return "0s"
