"""What can back one part of a table, by kind of tier: DRAM, huge pages, a file, NUMA nodes.

memkind is not among them. It hands out memory at addresses of its own choice, and a table is one range of addresses; what its two
kinds would give, a file in a folder and the nodes of KMEM devices, is mapped here directly.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

from tierprof.base.errors import TierError
from tierprof.base.units import format_bytes
from tierprof.placer import machine
from tierprof.placer.embedding import system
from tierprof.placer.tiers import TierSpec, check_tier

#: Backs `size_bytes` at a reserved address; raises OSError.
Storage = Callable[[int, int], None]

_KINDS = "dram, huge, pmem:FOLDER, node:N or kmem"


def storage_of(tier: TierSpec) -> Storage:
    """What backs memory of this tier.

    Raises
    ------
    TierError
        If rows cannot lie in such a tier, or this machine has not got it.
    """
    if tier.kind not in _STORAGES:
        raise TierError(f"tier {tier.name} ({tier.spec})", f"a table's rows cannot lie in a tier of kind {tier.kind}", f"give {_KINDS}")
    check_tier(tier)
    return partial(_STORAGES[tier.kind], tier)


def refusal(tier: TierSpec, size_bytes: int, error: OSError) -> TierError:
    """The error for a storage that could not back so many bytes."""
    what = f"tier {tier.name} ({tier.spec})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM):
        return TierError(
            what, f"it has no room for {format_bytes(size_bytes)} of rows ({error.strerror})", "free some, or give another tier"
        )
    if error.errno == errno.EPERM:
        return TierError(what, "this process may not choose NUMA nodes (mbind)", "allow mbind, in containers by CAP_SYS_NICE")
    return TierError(what, f"{error.strerror}", "give another tier")


def _dram(tier: TierSpec, address: int, size_bytes: int) -> None:
    system.back_by_memory(address, size_bytes)


def _huge(tier: TierSpec, address: int, size_bytes: int) -> None:
    system.back_by_memory(address, size_bytes)
    system.advise_huge_pages(address, size_bytes)


def _file(tier: TierSpec, address: int, size_bytes: int) -> None:
    # It has no name from the start, so nothing is left behind however the process ends. Its blocks are all taken now: a file
    # that ran out of room later would end the process by SIGBUS.
    with tempfile.TemporaryFile(dir=tier.folder, buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
        system.back_by_file(address, size_bytes, file.fileno())


def _nodes(address: int, size_bytes: int, mode: int, nodes: Sequence[int]) -> None:
    system.back_by_memory(address, size_bytes)
    try:
        system.set_policy(address, size_bytes, mode, nodes)
    except OSError as error:
        # Before Linux 5.15 one node only could be preferred.
        if mode != system.PREFERRED_MANY or error.errno != errno.EINVAL:
            raise
        system.set_policy(address, size_bytes, system.PREFERRED, nodes[:1])


def _node(tier: TierSpec, address: int, size_bytes: int) -> None:
    assert tier.node is not None
    # Preferred, not bound, unless asked for: with MPOL_BIND a full node calls the kernel's OOM killer.
    _nodes(address, size_bytes, system.BIND if tier.bind else system.PREFERRED_MANY, [tier.node])


def _kmem(tier: TierSpec, address: int, size_bytes: int) -> None:
    # Of several preferred nodes the kernel takes the nearest that has room, which is what all three policies of the tier ask for.
    _nodes(address, size_bytes, system.PREFERRED_MANY, machine.kmem_nodes())


_STORAGES: dict[str, Callable[[TierSpec, int, int], None]] = {
    "dram": _dram,
    "huge": _huge,
    "pmem": _file,
    "node": _node,
    "kmem": _kmem,
}
