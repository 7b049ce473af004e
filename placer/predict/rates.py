"""What a gigabyte of a tier costs: money, watts, embodied carbon, each a range with its source. Figures live in economics.toml."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tierprof.base.errors import TierprofError

#: Measure -> key in economics.toml, unit of what a point of the curve saves.
MEASURES = {"price": ("price_usd_per_gb", "USD"), "watts": ("watts_per_gb", "W"), "carbon": ("carbon_kg_per_gb", "kgCO2e")}

GB = 10**9

_FILE = Path(__file__).with_name("economics.toml")


class Range(NamedTuple):
    """A figure that is known to lie between two."""

    low: float
    high: float


class Rate(NamedTuple):
    """What a gigabyte costs, by one measure."""

    per_gb: Range
    source: str
    of_fast: bool = False  # the range is of multiples of what the fast tier costs: the same goods, bought on the same day


Rates = Mapping[str, Rate]  # measure -> rate; without what nobody has published
Overrides = Mapping[str, Mapping[str, Range]]  # tier -> measure -> range


@cache
def _published() -> dict[str, dict[str, Rate]]:
    """Beginning of a tier's name -> its rates."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: _rates(entry) for entry in table.values() for name in entry["tiers"]}


def _rates(entry: Mapping[str, Any]) -> dict[str, Rate]:
    figures = {measure: entry[key] for measure, (key, _) in MEASURES.items() if key in entry}
    return {measure: Rate(Range(own["low"], own["high"]), own["source"], own.get("of_fast", False)) for measure, own in figures.items()}


def rates_of(tier: str, kind: str, overrides: Overrides) -> Rates:
    """The rates of a tier, by the longest beginning of its name that is known; the user's figures come before published ones.

    Parameters
    ----------
    tier
        Its name, such as ``optane100-x6``.
    kind
        ``fast`` or ``slow``, which the user may write instead of the name.
    overrides
        From `parse_overrides`.
    """
    fitting = [name for name in _published() if tier == name or tier.startswith(f"{name}-")]
    rates = dict(_published()[max(fitting, key=len)]) if fitting else {}
    for name in (kind, tier):
        rates.update({measure: Rate(own, "given by the user") for measure, own in overrides.get(name, {}).items()})
    return rates


def parse_overrides(given: Mapping[str, Sequence[str]], tiers: Sequence[str]) -> Overrides:
    """The user's figures.

    Parameters
    ----------
    given
        Measure -> texts like ``cxl=3:8`` or ``dram=10``, per GB.
    tiers
        Names that may stand before the equals sign, besides ``fast`` and ``slow``.

    Raises
    ------
    TierprofError
        If a text is malformed, negative, upside down, or names no tier of the machine.
    """
    found: dict[str, dict[str, Range]] = {}
    for measure, texts in given.items():
        for text in texts:
            tier, equals, figures = text.partition("=")
            what = f"--{measure} {text}"
            if not equals:
                raise TierprofError(what, "it names no tier", f"write it like --{measure} {tiers[-1]}=3:8, per GB")
            if tier not in (*tiers, "fast", "slow"):
                raise TierprofError(what, f"the machine has no tier '{tier}'", f"its tiers are {', '.join(tiers)}")
            found.setdefault(tier, {})[measure] = _parse_range(what, figures)
    return found


def _parse_range(what: str, text: str) -> Range:
    parts = text.split(":")
    try:
        figures = [float(part) for part in parts]
    except ValueError:
        figures = []
    if len(figures) not in (1, 2) or not all(map(math.isfinite, figures)):
        raise TierprofError(what, f"'{text}' is neither a number nor LOW:HIGH", "write it like dram=4.3:12.5, per GB")
    if min(figures) < 0:
        raise TierprofError(what, f"{min(figures):g} is negative", "give figures of zero or more, per GB")
    if figures[0] > figures[-1]:
        raise TierprofError(what, f"{figures[0]:g} is more than {figures[-1]:g}", f"write it as {figures[-1]:g}:{figures[0]:g}")
    return Range(figures[0], figures[-1])
