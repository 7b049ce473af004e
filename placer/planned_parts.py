"""What a plan's [[object.part]] tables say: which ranges of an object are in another tier than the object itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import PlanError, TierprofError
from tierprof.base.units import parse_size_bytes
from tierprof.placer.plan_toml import check_known, did_you_mean, exact_size, lines, typed

PART_BYTES = 4096

#: Of all objects of a plan together: the shim's limit (native/common/planfile.h).
MAX_PARTS = 65535

#: Offsets beyond this are in no object: it is the size of a process's address space.
_HIGHEST = 2**47

_PART = ("start", "end", "tier", "predicted_effect_s")


@dataclass(frozen=True)
class PlannedPart:
    """A range of addresses of each of an object's allocations.

    Attributes
    ----------
    start, end : int
        Bytes from the allocation's start, multiples of 4 KiB; end None: to its end, however large it is.
    tier : str
        Where it goes.
    predicted_effect_s : float or None
        Extra seconds of CPU time with it in the slow tier: its share of the object's; None: not predicted.
    """

    start: int
    end: int | None
    tier: str
    predicted_effect_s: float | None = None

    def text(self) -> str:
        """The part as a table of the plan."""
        end = None if self.end is None else exact_size(self.end)
        entries = {"start": exact_size(self.start), "end": end, "tier": self.tier, "predicted_effect_s": self.predicted_effect_s}
        return "[[object.part]]\n" + lines(entries)


def check_parts(what: str, parts: Sequence[PlannedPart], tiers: Sequence[str]) -> None:
    """Refuse parts that make no sense.

    Raises
    ------
    PlanError
        If a part has no pages, is not of whole pages, lies before or in the one before it, or names no tier.
    """
    reached = 0
    for number, part in enumerate(parts, 1):
        where = f"{what}, part {number}"
        end = _HIGHEST if part.end is None else part.end
        for offset in (part.start, end):
            if offset % PART_BYTES or not 0 <= offset <= _HIGHEST:
                raise PlanError(where, f"{exact_size(offset)} is no multiple of 4KiB inside an object", "write it like 12MiB")
        if part.start >= end:
            raise PlanError(
                where, f"it ends at {exact_size(end)}, and starts at {exact_size(part.start)}", "the end is the first byte behind"
            )
        if part.start < reached:
            raise PlanError(where, f"it starts at {exact_size(part.start)}, before the end of the part above", "give them in order, apart")
        if part.tier not in tiers:
            raise PlanError(where, f"there is no tier '{part.tier}'", did_you_mean(part.tier, sorted(tiers)))
        reached = end


def read_parts(where: str, entry: dict[str, Any]) -> tuple[PlannedPart, ...]:
    """The parts of an object's table.

    Raises
    ------
    PlanError
        If a part's table is none, or holds what it should not.
    """
    tables = typed(where, entry, "part", list, [])
    return tuple(_read_part(f"{where}, part {number}", table) for number, table in enumerate(tables, 1))


def _read_part(where: str, entry: Any) -> PlannedPart:
    check_known(where, entry, _PART)
    start, end, tier = _read_offset(where, entry, "start"), _read_offset(where, entry, "end"), typed(where, entry, "tier", str)
    if start is None or tier is None:
        raise PlanError(
            where, f"{'start' if start is None else 'tier'} is missing", "a part has start, tier and, unless it is the rest, end"
        )
    effect = typed(where, entry, "predicted_effect_s", (int, float))
    return PlannedPart(start, end, tier, None if effect is None else float(effect))


def _read_offset(where: str, entry: dict[str, Any], key: str) -> int | None:
    value = typed(where, entry, key, (str, int))
    try:
        return parse_size_bytes(value) if isinstance(value, str) else value
    except TierprofError as error:
        raise PlanError(f"{where}: {error.what}", error.why, error.mend) from error


def bytes_by_tier(parts: Iterable[PlannedPart], own: str, start: NDArray[np.int64], end: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """By tier, how many bytes of ranges of an object the plan wants there.

    Parameters
    ----------
    parts
        Of the object.
    own
        The object's own tier.
    start, end
        (n,) the ranges: bytes from an allocation's start.

    Returns
    -------
    dict
        (n,) for the object's own tier and each of its parts'; their sum is end - start.
    """
    left = end - start
    found: dict[str, NDArray[np.int64]] = {own: np.zeros(len(left), dtype=np.int64)}
    for part in parts:
        inside = np.clip(np.minimum(end, _HIGHEST if part.end is None else part.end) - np.maximum(start, part.start), 0, None)
        found[part.tier] = found.get(part.tier, np.zeros(len(left), dtype=np.int64)) + inside
        left = left - inside
    found[own] = found[own] + left
    return found
