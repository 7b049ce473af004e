"""Machines: a host, a fast and a slow tier, from TOML files that name the source of every figure.

`models/machines/` holds the machines, `hosts/` and `tiers/` in it what they are made of. A file of the user's may start from any of them
(``base = "optane100-x6"``) and replace single figures.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tierprof.base.errors import MachineError
from tierprof.models.timing.figures import Reader, Table
from tierprof.models.timing.host import Host, read_host
from tierprof.models.timing.tier import Tier, read_tier

_FOLDER = Path(__file__).parent.parent / "machines"
_PARTS = {"host": "hosts", "fast": "tiers", "slow": "tiers"}


@dataclass(frozen=True)
class Machine:
    """A host with two tiers of memory.

    Attributes
    ----------
    name : str
        Of its file.
    about : str
        What it is, for people.
    host : Host
        Core and caches.
    tiers : mapping of str to Tier
        By name.
    fast, slow : str
        Which of the tiers is which; the same for a machine with one kind of memory.
    sources : mapping of str to mapping
        Where each figure of a tier comes from, by the tier's name and the figure's.
    """

    name: str
    about: str
    host: Host
    tiers: Mapping[str, Tier]
    fast: str
    slow: str
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Machine":
        """The machine of this name, or of this file (what ends in .toml or has a slash).

        Raises
        ------
        MachineError
            If there is no such machine, or its file is wrong: the file, the key, why.
        """
        path = Path(name_or_path)
        is_file = path.suffix == ".toml" or "/" in str(name_or_path)
        if not is_file and str(name_or_path) not in machine_names():
            raise MachineError(
                f"machine {name_or_path}", "it is not known", f"take {', '.join(machine_names())}, or a file that ends in .toml"
            )
        path = path if is_file else _FOLDER / f"{name_or_path}.toml"
        return _build(path.stem, _resolved(path), path.name)

    @property
    def ghz(self) -> float:
        """What the cores run at."""
        return self.host.ghz

    def config(self, cores: int | None = None) -> dict[str, int]:
        """What the simulator has to know of this machine, by the names of native/model/config.h; `cores`: all unless given."""
        slow = self.tiers[self.slow]
        return {
            **self.host.simulated,
            "cores": self.host.cores if cores is None else cores,
            "near_blocks": slow.near_blocks,
            "mid_pages": slow.mid_pages,
        }

    def config_text(self) -> str:
        """The same as the simulator reads it: one ``name value`` a line."""
        return "".join(f"{name} {value}\n" for name, value in self.config().items())


def machine_names() -> list[str]:
    """The machines that come with tierprof."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def _build(name: str, document: Table, file: str) -> Machine:
    Reader(document, file).only({*_PARTS, "about"})
    about = Reader(document, file).text("about")
    names = {part: document[part]["name"] for part in _PARTS}
    tables = {part: {key: value for key, value in document[part].items() if key != "name"} for part in _PARTS}
    host = read_host(names["host"], Reader(tables["host"], f"{file}, host"))
    fast, slow = (read_tier(names[part], tables[part], Reader(tables[part], f"{file}, {part}")) for part in ("fast", "slow"))
    if fast.paged:
        raise MachineError(f"machine file {file}, fast", "a paged tier cannot be the fast one", "make it the slow one")
    if fast.name == slow.name and fast != slow:
        raise MachineError(
            f"machine file {file}", f"fast and slow are both named {fast.name} and differ", "give one a name of its own: name = .."
        )
    sources = {names[part]: _sources(tables[part]) for part in ("fast", "slow")}
    return Machine(name, about, host, MappingProxyType({fast.name: fast, slow.name: slow}), fast.name, slow.name, sources)


def _sources(table: Table) -> dict[str, str]:
    return {key: entry["source"] for key, entry in table.items() if isinstance(entry, dict)}


def _resolved(path: Path, seen: tuple[Path, ...] = ()) -> Table:
    """The file with what it is based on filled in: host, fast and slow are whole tables, each with its name."""
    document, base = _based(path, ".", seen)
    parts = {part: _part(part, folder, document.get(part), base.get(part), path) for part, folder in _PARTS.items()}
    return {**base, **document, **parts}


def _based(path: Path, folder: str, seen: tuple[Path, ...]) -> tuple[Table, Table]:
    """What a file says itself, and the whole of what it is based on (nothing: empty)."""
    if path in seen:
        raise MachineError(f"machine file {path.name}", "it is based on itself", "break the circle of base = ..")
    document = _read(path)
    if "base" not in document:
        return document, {}
    base = _named("base", document.pop("base"), folder, path)
    return document, (_resolved if folder == "." else _whole)(base, (*seen, path))


def _whole(path: Path, seen: tuple[Path, ...] = ()) -> Table:
    """A host or tier with what it is based on filled in, and its name."""
    document, base = _based(path, path.parent.name, seen)
    return {**base, **document, "name": path.stem}


def _part(part: str, folder: str, own: Any, base: Table | None, path: Path) -> Table:
    """A host or tier of a machine: by name, or a table that replaces figures of the one it is based on."""
    if isinstance(own, str):
        return _whole(_named(part, own, folder, path))
    if own is None and base is not None:
        return base
    if not isinstance(own, dict):
        why = "it is missing" if own is None else "it is no name and no table"
        raise MachineError(f"machine file {path.name}, {part}", why, f'write {part} = "NAME"')
    figures = dict(own)
    if "base" in figures:
        base = _whole(_named(f"{part}.base", figures.pop("base"), folder, path))
    name = figures.pop("name", base["name"] if base else path.stem)
    if not isinstance(name, str) or not name:
        raise MachineError(f"machine file {path.name}, {part}.name", f"{name!r} is no name", 'write name = "..."')
    return {**(base or {}), **figures, "name": name}


def _named(key: str, name: Any, folder: str, path: Path) -> Path:
    found = _FOLDER / folder / f"{name}.toml"
    if isinstance(name, str) and "/" not in name and found.is_file():
        return found
    known = ", ".join(sorted(each.stem for each in (_FOLDER / folder).glob("*.toml")))
    raise MachineError(f"machine file {path.name}, {key}", f"{name!r} is not known", f"take one of {known}")


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MachineError(
            f"machine file {path}", f"it cannot be read ({error.strerror})", "name a file, or a machine by its name"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MachineError(f"machine file {path}", f"it is no TOML ({error})", "mend the line") from error
