"""Tiers as people write them (`slow=emulated:2.5`), and what this machine has to say about them."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import TierError, TierprofError
from tierprof.base.units import format_bytes, parse_size_bytes
from tierprof.placer import machine

#: What may stand behind NAME=; the shim calls the first one the system's tier.
KINDS = (
    "dram",
    "pmem:FOLDER",
    "node:N[,bind]",
    "kmem[:all|:preferred]",
    "interleave:N=WEIGHT,N=WEIGHT...",
    "huge",
    "hugetlb[:PAGE]",
    "emulated:FACTOR[,BANDWIDTH/s]",
)

#: Up to here the emulation is calibrated and stays honest.
MAX_FACTOR = 3.0

#: memkind's kinds: that of the nearest nodes, of all, and of the nearest one before any other memory.
KMEM_POLICIES = ("nearest", "all", "preferred")

#: As many nodes as an interleaved tier may have, and as large as a weight may be (the kernel's own limit).
MAX_WEIGHTS = 16
MAX_WEIGHT = 255

DEFAULT_HUGE_PAGE_BYTES = 2 << 20

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)x?")
_MAX_FOLDER_BYTES = 255  # the shim's limit
_MAX_NODE = 1023  # the kernel's
_MEND = "write one of " + ", ".join(KINDS)


@dataclass(frozen=True)
class TierSpec:
    """A kind of memory with a name.

    Attributes
    ----------
    name : str
        What plans call it.
    kind : str
        ``dram``, ``pmem``, ``node``, ``kmem``, ``interleave``, ``huge``, ``hugetlb`` or ``emulated``.
    folder, node, factor
        What the kind needs; None for the others.
    capacity_bytes : int or None
        Bytes that may live in it at any moment, counted by the sizes that the program asks for; None: no limit but the machine's.
    spill : str or None
        The tier that takes what does not fit; None: DRAM.
    bind : bool
        Of a node: never fall back to another. A node that is full then ends the program.
    policy : str or None
        Of kmem: one of `KMEM_POLICIES`.
    weights : tuple of (int, int)
        Of interleave: nodes, each with how many pages it takes in turn.
    page_bytes : int or None
        Of hugetlb: the size of the pool's pages.
    bandwidth_bytes_per_s : float or None
        Of emulated: what all threads together may move; None: no cap.
    """

    name: str
    kind: str = "dram"
    folder: Path | None = None
    node: int | None = None
    factor: float | None = None
    capacity_bytes: int | None = None
    spill: str | None = None
    bind: bool = False
    policy: str | None = None
    weights: tuple[tuple[int, int], ...] = ()
    page_bytes: int | None = None
    bandwidth_bytes_per_s: float | None = None

    @property
    def spec(self) -> str:
        """The part behind NAME=, as `parse_tier` reads it."""
        detail = _DETAILS[self.kind](self)
        return f"{self.kind}:{detail}" if detail else self.kind


def _exact_size(size_bytes: float) -> str:
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size_bytes >= unit and size_bytes % unit == 0:
            return f"{size_bytes / unit:.0f}{name}"
    return f"{size_bytes:.0f}B"


def _emulated_detail(tier: TierSpec) -> str:
    cap = "" if tier.bandwidth_bytes_per_s is None else f",{_exact_size(tier.bandwidth_bytes_per_s)}/s"
    return f"{tier.factor:g}{cap}"


_DETAILS: dict[str, Callable[[TierSpec], str]] = {
    "dram": lambda tier: "",
    "pmem": lambda tier: str(tier.folder),
    "node": lambda tier: f"{tier.node}{',bind' if tier.bind else ''}",
    "kmem": lambda tier: "" if tier.policy in (None, "nearest") else str(tier.policy),
    "interleave": lambda tier: ",".join(f"{node}={weight}" for node, weight in tier.weights),
    "huge": lambda tier: "",
    "hugetlb": lambda tier: "" if tier.page_bytes in (None, DEFAULT_HUGE_PAGE_BYTES) else _exact_size(tier.page_bytes or 0),
    "emulated": _emulated_detail,
}


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
    if not equals or ":" in name:
        name, spec = text.partition(":")[0], text
    if not _NAME.fullmatch(name):
        raise TierError(
            f"tier '{text}'", f"'{name}' is no name of up to 31 letters, digits, _, . and -", "write NAME=SPEC, like slow=emulated:2.5"
        )
    kind, colon, detail = spec.partition(":")
    if kind not in _PARSERS:
        raise TierError(f"tier '{text}'", f"there is no kind '{kind}'", _MEND)
    tier = None if colon and not detail else _PARSERS[kind](text, name, detail)
    if tier is None:
        raise TierError(f"tier '{text}'", f"'{spec}' is not how a tier of kind {kind} is written", _MEND)
    return tier


def _is_number(text: str, limit: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= limit


def _parse_plain(text: str, name: str, detail: str) -> TierSpec | None:
    return None if detail else TierSpec(name, text.rpartition("=")[2])


def _parse_pmem(text: str, name: str, detail: str) -> TierSpec | None:
    if not detail:
        return None
    folder = Path(detail).expanduser().absolute()
    if len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
        raise TierError(
            f"tier '{text[:40]}...'", f"the folder's path has more than {_MAX_FOLDER_BYTES} bytes", "mount or link it at a shorter path"
        )
    return TierSpec(name, "pmem", folder=folder)


def _parse_node(text: str, name: str, detail: str) -> TierSpec | None:
    number, comma, how = detail.partition(",")
    if not _is_number(number, _MAX_NODE) or (comma and how != "bind"):
        return None
    return TierSpec(name, "node", node=int(number), bind=bool(comma))


def _parse_kmem(text: str, name: str, detail: str) -> TierSpec | None:
    policy = detail or "nearest"
    return TierSpec(name, "kmem", policy=policy) if policy in KMEM_POLICIES else None


def _parse_interleave(text: str, name: str, detail: str) -> TierSpec | None:
    pairs = [part.partition("=") for part in detail.split(",")]
    if not all(_is_number(node, _MAX_NODE) and _is_number(weight, 10**9) for node, _, weight in pairs):
        return None
    weights = tuple((int(node), int(weight)) for node, _, weight in pairs)
    if len(weights) > MAX_WEIGHTS or len({node for node, _ in weights}) < len(weights):
        raise TierError(f"tier '{text}'", f"it names more than {MAX_WEIGHTS} nodes, or one twice", "name each node once")
    if not all(1 <= weight <= MAX_WEIGHT for _, weight in weights):
        raise TierError(f"tier '{text}'", f"a weight is outside 1 to {MAX_WEIGHT}", "write small whole numbers, like interleave:0=3,1=1")
    return TierSpec(name, "interleave", weights=weights)


def _parse_hugetlb(text: str, name: str, detail: str) -> TierSpec | None:
    page_bytes = DEFAULT_HUGE_PAGE_BYTES
    if detail:
        try:
            page_bytes = parse_size_bytes(detail)
        except TierprofError:
            return None
    if page_bytes < 8192 or page_bytes & (page_bytes - 1):
        raise TierError(f"tier '{text}'", f"no processor has huge pages of {format_bytes(page_bytes)}", "write hugetlb or hugetlb:1GiB")
    return TierSpec(name, "hugetlb", page_bytes=page_bytes)


def _parse_emulated(text: str, name: str, detail: str) -> TierSpec | None:
    if not detail:
        return None
    number, comma, cap = detail.partition(",")
    factor = _parse_factor(text, number)
    return TierSpec(name, "emulated", factor=factor, bandwidth_bytes_per_s=_parse_bandwidth(text, cap) if comma else None)


def _parse_factor(text: str, detail: str) -> float:
    match = _FACTOR.fullmatch(detail)
    if match is None:
        raise TierError(f"tier '{text}'", f"'{detail}' is no factor", "write how many times slower, like emulated:2.5")
    factor = float(match.group(1))
    if not (1.0 < factor <= MAX_FACTOR and math.isfinite(factor)):
        why = f"a factor of {factor:g} is outside 1 to {MAX_FACTOR:g}, where emulation is calibrated"
        raise TierError(f"tier '{text}'", why, "give one above 1 and up to 3")
    return factor


def _parse_bandwidth(text: str, cap: str) -> float:
    size, slash, second = cap.partition("/")
    try:
        bandwidth = parse_size_bytes(size) if slash and second == "s" else 0
    except TierprofError:
        bandwidth = 0
    if bandwidth <= 0:
        raise TierError(f"tier '{text}'", f"'{cap}' is no bandwidth", "write bytes a second, like emulated:2.5,4GiB/s")
    return float(bandwidth)


_PARSERS: dict[str, Callable[[str, str, str], TierSpec | None]] = {
    "dram": _parse_plain,
    "huge": _parse_plain,
    "pmem": _parse_pmem,
    "node": _parse_node,
    "kmem": _parse_kmem,
    "interleave": _parse_interleave,
    "hugetlb": _parse_hugetlb,
    "emulated": _parse_emulated,
}


def nodes() -> list[int]:
    """Numbers of the NUMA nodes that have memory; [0] where the kernel does not tell."""
    return machine.nodes()


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
        _check_nodes(what, [tier.node])
    elif tier.weights:
        _check_nodes(what, [node for node, _ in tier.weights])
    elif tier.kind == "kmem":
        _check_kmem(what)
    elif tier.kind == "huge":
        _check_huge(what)
    elif tier.page_bytes is not None:
        _check_pool(what, tier.page_bytes)


def _check_folder(what: str, folder: Path) -> None:
    if not folder.is_dir():
        why = "it is not a folder" if folder.exists() else "the folder does not exist"
        raise TierError(what, why, f"mount the memory there (ndctl, mkfs, mount -o dax), or mkdir {folder} for a trial")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TierError(what, "the folder is not writable", f"ask its owner for access, or chmod {folder}")


def _check_nodes(what: str, wanted: list[int]) -> None:
    have = nodes()
    for node in wanted:
        if node not in have:
            numbers = ", ".join(map(str, have))
            raise TierError(
                what, f"this machine has no NUMA node {node} with memory (it has {numbers})", "give one of these; `numactl -H` lists them"
            )


def _check_kmem(what: str) -> None:
    setting = os.environ.get("MEMKIND_DAX_KMEM_NODES")  # memkind's own, in place of the machine's devices
    if setting is None and not machine.kmem_nodes():
        raise TierError(
            what,
            "no device is under the kernel's KMEM driver",
            "daxctl reconfigure-device --mode=system-ram, or write node:N",
        )


def _check_huge(what: str) -> None:
    mode = machine.transparent_huge_pages()
    if mode is None:
        raise TierError(what, "the kernel has no transparent huge pages", "use another tier")
    if mode == "never":
        raise TierError(what, "transparent huge pages are set to never", f"as root: echo madvise > {machine.HUGE_SETTING}")


def _check_pool(what: str, page_bytes: int) -> None:
    pools = machine.huge_pools()
    pool = next((pool for pool in pools if pool.page_bytes == page_bytes), None)
    if pool is None:
        sizes = ", ".join(_exact_size(pool.page_bytes) for pool in pools) or "none"
        raise TierError(what, f"the kernel has no pool of {_exact_size(page_bytes)} pages (it has {sizes})", "give one of these sizes")
    if pool.free + pool.surplus == 0:
        setting = machine.HUGE_POOLS / f"hugepages-{page_bytes // 1024}kB" / "nr_hugepages"
        raise TierError(what, f"the pool has {pool.total} pages, none of them free", f"as root: echo PAGES > {setting}")
