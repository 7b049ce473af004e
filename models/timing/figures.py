"""Reading the figures of a machine file: each a number or a curve, each with its source, each within its range."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

from tierprof.base.errors import MachineError
from tierprof.models.timing.curves import Curve

#: A table of a file as TOML has it.
Table = dict[str, Any]


@dataclass(frozen=True)
class Number:
    """A figure ``{ value = .., source = ".." }``: its least and its most, and whether it counts things."""

    least: float
    most: float
    whole: bool = False


@dataclass(frozen=True)
class Points:
    """A figure ``{ AT = [..], value = [..], source = ".." }``; `rising` if its values must not fall. Also as a plain number: level."""

    at: str
    least: float
    most: float
    rising: bool = False


Spec = Mapping[str, Number | Points]


class Reader:
    """The figures of one table of one file, checked as they are taken.

    Parameters
    ----------
    table
        As TOML has it.
    where
        How to name the place in an error: the file, and the part of it.
    """

    def __init__(self, table: Table, where: str) -> None:
        self._table = table
        self.where = where

    def refuse(self, key: str, why: str, mend: str) -> NoReturn:
        """Raise the error that names the file and the key."""
        raise MachineError(f"machine file {self.where}, {key}", why, mend)

    def only(self, known: set[str]) -> None:
        """Refuse any key that is not in `known`."""
        for key in sorted(set(self._table) - known):
            self.refuse(key, "there is no such figure", f"the figures are {', '.join(sorted(known))}")

    def text(self, key: str) -> str:
        """A plain string."""
        value = self._table.get(key)
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, "it is no text" if key in self._table else "it is missing", f'write {key} = "..."')
        return value

    def number(self, key: str, spec: Number) -> float:
        """A number with its source."""
        entry = self._entry(key, "{ value = NUMBER, source = .. }")
        self._closed(key, entry, {"value", "source"})
        return self._checked(key, entry.get("value"), spec.least, spec.most, whole=spec.whole)

    def curve(self, key: str, spec: Points) -> Curve:
        """A curve with its source; one number stands for a level curve."""
        entry = self._entry(key, f"{{ {spec.at} = [..], value = [..], source = .. }}")
        self._closed(key, entry, {spec.at, "value", "source"})
        if spec.at not in entry:
            return Curve((0.0,), (self._checked(key, entry.get("value"), spec.least, spec.most),))
        return self.points(key, entry, spec)

    def points(self, key: str, entry: Table, spec: Points, value: str = "value") -> Curve:
        """The points of a curve out of its table, checked: as many as places, places rising, values in range."""
        places, values = entry.get(spec.at), entry.get(value)
        if not isinstance(places, list) or not isinstance(values, list) or not places or len(places) != len(values):
            self.refuse(key, f"{spec.at} and {value} are not two lists of the same length", "give one value a point")
        at = tuple(self._checked(f"{key}.{spec.at}", place, 0, math.inf) for place in places)
        curve = Curve(at, tuple(self._checked(f"{key}.{value}", each, spec.least, spec.most) for each in values))
        if any(later <= earlier for earlier, later in pairwise(at)):
            self.refuse(f"{key}.{spec.at}", "the points do not rise", "order them, each place once")
        if spec.rising and any(later < earlier for earlier, later in pairwise(curve.value)):
            self.refuse(f"{key}.{value}", "the curve falls", "it can only rise with load")
        return curve

    def source(self, key: str, entry: Table) -> str:
        """Where a figure comes from."""
        source = entry.get("source")
        if not isinstance(source, str) or not source.strip():
            self.refuse(key, "it has no source", 'say where the figure is from: source = "..."')
        return source

    def _entry(self, key: str, shape: str) -> Table:
        entry = self._table.get(key)
        if entry is None:
            self.refuse(key, "it is missing", f"write {key} = {shape}")
        if not isinstance(entry, dict):
            self.refuse(key, "it is no figure with a source", f"write {key} = {shape}")
        self.source(key, entry)
        return entry

    def _closed(self, key: str, entry: Table, known: set[str]) -> None:
        for name in sorted(set(entry) - known):
            self.refuse(f"{key}.{name}", "a figure has no such part", f"its parts are {', '.join(sorted(known))}")

    def _checked(self, key: str, value: Any, least: float, most: float, *, whole: bool = False) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(key, f"{value!r} is no number" if value is not None else "its value is missing", "give a finite number")
        if not least <= value <= most:
            self.refuse(key, f"{value:g} is out of range", f"give {least:g} to {most:g}" if most < math.inf else f"give {least:g} or more")
        if whole and value != int(value):
            self.refuse(key, f"{value:g} is no whole number", "give a whole number")
        return float(value)
