"""What an entry of the sweep is, and how its tables in tests/sweep/commands/*.toml are read. Needs nothing but Python itself."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

COMMANDS = Path(__file__).resolve().parents[2] / "tests/sweep/commands"

#: What takes longer has hung, on any machine that can run the sweep at all.
DEFAULT_LIMIT_S = 120


@dataclass(frozen=True)
class Entry:
    """One command of the sweep.

    Attributes
    ----------
    name : str
        Unique; what ``-k`` looks in.
    packages : tuple of str
        The Debian packages that have what it runs, beside those of every Debian machine.
    run : str
        A bash script. Its standard output, its standard error and its status are what is compared.
    make : str
        A bash script that makes what `run` needs, in the same fresh folder, without tierprof and before each run.
    hide : tuple of str
        Regular expressions for what differs from run to run by itself: times, process ids, addresses.
    whole : bool
        Run by ``tierprof run`` to the finished trace; otherwise by its launcher alone, which is what the program meets and takes less time.
    disk : bool
        The tier's folder is on a disk and not in memory.
    limit_s : int
        After this many seconds it has hung.
    """

    name: str
    run: str
    packages: tuple[str, ...] = ()
    make: str = ""
    hide: tuple[str, ...] = ()
    whole: bool = False
    disk: bool = False
    limit_s: int = DEFAULT_LIMIT_S


_FIELDS = {field.name for field in fields(Entry)}


def _entry(file: Path, table: dict[str, object]) -> Entry:
    unknown = sorted(set(table) - _FIELDS)
    if unknown or not {"name", "run"} <= set(table):
        raise ValueError(f"{file}: {table.get('name', 'an entry')}: " + (f"unknown {unknown}" if unknown else "needs name and run"))
    entry = Entry(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})  # type: ignore[arg-type]
    for pattern in entry.hide:
        re.compile(pattern)
    return entry


def _expanded(file: Path, table: dict[str, object]) -> Iterable[Entry]:
    """A table with `each` stands for one entry for each of these, which takes the place of `{each}`, and its first word of `{name}`."""
    words = table.pop("each", None)
    if words is None:
        return [_entry(file, table)]
    assert isinstance(words, list)
    return [_entry(file, {field: _filled(value, each) for field, value in table.items()}) for each in words]


def _filled(value: object, each: str) -> object:
    return value.replace("{each}", each).replace("{name}", each.split(maxsplit=1)[0]) if isinstance(value, str) else value


def load(folder: Path = COMMANDS) -> list[Entry]:
    """All entries, in the order of the files' names and of the tables in them.

    Raises
    ------
    ValueError
        If a table has an unknown key, lacks `name` or `run`, or has another entry's name.
    """
    entries: list[Entry] = []
    for file in sorted(folder.glob("*.toml")):
        common = tomllib.loads(file.read_text(encoding="utf-8"))
        for table in common.pop("command"):
            entries += _expanded(file, {**common, **table})
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{folder}: more than one entry is called {', '.join(twice)}")
    return entries


def packages(entries: Iterable[Entry]) -> list[str]:
    """The packages that the entries need, each once."""
    return sorted({package for entry in entries for package in entry.packages})


if __name__ == "__main__":
    print("\n".join(packages(load())))
