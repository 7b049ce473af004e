"""The numbers on a traced program's command line: what two runs of it differ in."""

from collections.abc import Mapping
from typing import Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import parse_count

#: Options that say how many examples a step takes, without dashes, as training programs call them.
_BATCH = ("batch", "batch-size", "batchsize", "bs", "b", "mini-batch-size", "train-batch-size")
_LAYERS = ("layers", "num-layers", "n-layers", "hops", "num-hops", "depth")


def settings(meta: Mapping[str, Any]) -> dict[str, float]:
    """Option -> number, of a trace's command line; options without dashes, underscores as dashes. Those without a number are left out."""
    words = [str(word) for word in meta.get("command") or []]
    found: dict[str, float] = {}
    for place, word in enumerate(words):
        if not word.startswith("-") or _number(word) is not None:
            continue
        name, equals, value = word.partition("=")
        number = _number(value if equals else words[place + 1] if place + 1 < len(words) else "")
        if number is not None:
            found[name.lstrip("-").replace("_", "-")] = number
    return found


def _number(text: str) -> float | None:
    """A number as people write it on a command line: `1024`, `1e5`, `8k`."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_count(text))
    except TierprofError:
        return None


def batch_option(own: Mapping[str, float]) -> str | None:
    """Which of the settings is the batch size; None if none is above zero."""
    return _first(own, _BATCH)


def layers_option(own: Mapping[str, float]) -> str | None:
    """Which of the settings is the number of layers."""
    return _first(own, _LAYERS)


def _first(own: Mapping[str, float], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if own.get(name, 0.0) > 0), None)
