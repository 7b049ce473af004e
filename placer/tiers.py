"""Tiers as people write them (`slow=emulated:2.5`), and what this machine has to say about them."""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import TierError

#: What may stand behind NAME=; the shim calls the first one the system's tier.
KINDS = ("dram", "pmem:FOLDER", "node:N", "huge", "emulated:FACTOR")

#: Up to here the emulation is calibrated and stays honest.
MAX_FACTOR = 3.0

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)x?")
_MAX_FOLDER_BYTES = 255  # the shim's limit
_NODES = Path("/sys/devices/system/node")
_HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_MEND = "write one of " + ", ".join(KINDS)


@dataclass(frozen=True)
class TierSpec:
    """A kind of memory with a name.

    Attributes
    ----------
    name : str
        What plans call it.
    kind : str
        ``dram``, ``pmem``, ``node``, ``huge`` or ``emulated``.
    folder, node, factor
        What the kind needs; None for the others.
    capacity_bytes : int or None
        Bytes that may live in it at any moment, counted by the sizes that the program asks for; None: no limit.
    spill : str or None
        The tier that takes what does not fit; None: DRAM.
    """

    name: str
    kind: str = "dram"
    folder: Path | None = None
    node: int | None = None
    factor: float | None = None
    capacity_bytes: int | None = None
    spill: str | None = None

    @property
    def spec(self) -> str:
        """The part behind NAME=, as `parse_tier` reads it."""
        details = {"pmem": self.folder, "node": self.node, "emulated": None if self.factor is None else f"{self.factor:g}"}
        return f"{self.kind}:{details[self.kind]}" if self.kind in details else self.kind


def parse_tier(text: str) -> TierSpec:
    """Read a tier such as ``slow=emulated:2.5``, ``cxl=node:1`` or ``pm=pmem:/mnt/pmem``.

    Parameters
    ----------
    text
        ``NAME=SPEC``; without ``NAME=`` the tier is named after its kind.

    Raises
    ------
    TierError
        If the text is no tier. Whether this machine has it is `check_tier`'s question.
    """
    name, equals, spec = text.partition("=")
    if not equals:
        name, spec = text.partition(":")[0], text
    if not _NAME.fullmatch(name):
        raise TierError(
            f"tier '{text}'", f"'{name}' is no name of up to 31 letters, digits, _, . and -", "write NAME=SPEC, like slow=emulated:2.5"
        )
    kind, colon, detail = spec.partition(":")
    if kind in ("dram", "huge") and not colon:
        return TierSpec(name, kind)
    if kind == "pmem" and detail:
        return TierSpec(name, kind, folder=_parse_folder(text, detail))
    if kind == "node" and detail.isascii() and detail.isdigit():
        return TierSpec(name, kind, node=int(detail))
    if kind == "emulated" and detail:
        return TierSpec(name, kind, factor=_parse_factor(text, detail))
    known = kind in ("dram", "huge", "pmem", "node", "emulated")
    raise TierError(
        f"tier '{text}'", f"'{spec}' is not how a tier of kind {kind} is written" if known else f"there is no kind '{kind}'", _MEND
    )


def _parse_folder(text: str, detail: str) -> Path:
    folder = Path(detail).expanduser().absolute()
    if len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
        raise TierError(
            f"tier '{text[:40]}...'", f"the folder's path has more than {_MAX_FOLDER_BYTES} bytes", "mount or link it at a shorter path"
        )
    return folder


def _parse_factor(text: str, detail: str) -> float:
    match = _FACTOR.fullmatch(detail)
    if match is None:
        raise TierError(f"tier '{text}'", f"'{detail}' is no factor", "write how many times slower, like emulated:2.5")
    factor = float(match.group(1))
    if not (1.0 < factor <= MAX_FACTOR and math.isfinite(factor)):
        why = f"a factor of {factor:g} is outside 1 to {MAX_FACTOR:g}, where emulation is calibrated"
        raise TierError(f"tier '{text}'", why, "give one above 1 and up to 3")
    return factor


def check_tier(tier: TierSpec) -> None:
    """Ask this machine whether it has the tier.

    Raises
    ------
    TierError
        If it has not; what is missing and how to get it.
    """
    what = f"tier {tier.name} ({tier.spec})"
    if tier.folder is not None:
        _check_folder(what, tier.folder)
    elif tier.node is not None:
        _check_node(what, tier.node)
    elif tier.kind == "huge":
        _check_huge(what)


def _check_folder(what: str, folder: Path) -> None:
    if not folder.is_dir():
        why = "it is not a folder" if folder.exists() else "the folder does not exist"
        raise TierError(what, why, f"mount the memory there (ndctl, mkfs, mount -o dax), or mkdir {folder} for a trial")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TierError(what, "the folder is not writable", f"ask its owner for access, or chmod {folder}")


def nodes() -> list[int]:
    """Numbers of the NUMA nodes that have memory; [0] where the kernel does not tell."""
    try:
        text = (_NODES / "has_memory").read_text(encoding="ascii").strip()
    except OSError:
        return [0]
    ranges = [part.partition("-") for part in text.split(",") if part]
    return [number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)]


def _check_node(what: str, node: int) -> None:
    have = nodes()
    if node not in have:
        numbers = ", ".join(map(str, have))
        raise TierError(
            what, f"this machine has no NUMA node {node} with memory (it has {numbers})", "give one of these; `numactl -H` lists them"
        )


def _check_huge(what: str) -> None:
    try:
        mode = _HUGE.read_text(encoding="ascii")
    except OSError:
        raise TierError(what, "the kernel has no transparent huge pages", "use another tier") from None
    if "[never]" in mode:
        raise TierError(what, "transparent huge pages are set to never", f"as root: echo madvise > {_HUGE}")
