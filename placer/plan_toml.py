"""How a plan is written as TOML, and what its entries may be: values one by one, whatever they mean."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tierprof.base.errors import PlanError


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The mend for a word that is not known: the nearest that is, or all."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"


def check_known(what: str, entry: object, known: Sequence[str]) -> None:
    """Refuse what is no table, or has other keys.

    Raises
    ------
    PlanError
        Naming the key.
    """
    if not isinstance(entry, dict):
        raise PlanError(what, f"{entry!r} is no table", "write it as `tierprof place` does")
    for key in entry:
        if key not in known:
            raise PlanError(what, f"unknown key '{key}'", did_you_mean(key, known))


def typed(what: str, entry: dict[str, Any], key: str, wanted: type | tuple[type, ...], missing: Any = None) -> Any:
    """An entry's value of the wanted kind; `missing` where it is not there.

    Raises
    ------
    PlanError
        If it is of another kind.
    """
    value = entry.get(key, missing)
    if value is not missing and (not isinstance(value, wanted) or isinstance(value, bool)):
        words = {str: "text in quotes", dict: "a table", list: "a list", int: "a whole number"}.get(
            wanted if isinstance(wanted, type) else float, "a number"
        )
        raise PlanError(what, f"{key} = {value!r} should be {words}", "write it as `tierprof place` does")
    return value


def read_flag(what: str, entry: dict[str, Any], key: str) -> bool:
    """An entry that is true or false; false where it is not there.

    Raises
    ------
    PlanError
        If it is something else.
    """
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise PlanError(what, f"{key} is not of the expected kind", "true or false")
    return value


def quoted(text: str) -> str:
    """A TOML basic string: JSON's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def exact_size(size_bytes: int) -> str:
    """The size as people write it, exactly."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return f"{size_bytes}B"


def value_text(value: object) -> str:
    """A value as TOML: a tuple as a list of a line each."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{''.join(f'{chr(10)}    {value_text(item)},' for item in value)}\n]"
    return quoted(value) if isinstance(value, str) else repr(value)


def lines(entries: Mapping[str, object]) -> str:
    """`key = value` lines; None is left out."""
    bare = re.compile(r"[A-Za-z0-9_-]+")
    return "".join(
        f"{key if bare.fullmatch(key) else quoted(key)} = {value_text(value)}\n"
        for key, value in entries.items()
        if value is not None and value != ()
    )
