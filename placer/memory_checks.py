"""What this machine's memory can do for tierprof: one check for each kind of real tier, and one for moving live objects."""

import ctypes
import errno
import os
import platform

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes
from tierprof.placer import machine, memkind
from tierprof.placer.check import ABSENT, OK, Check

_USERFAULTFD = {"x86_64": 323, "aarch64": 282}  # the system call's number
_USERFAULTFD_DEVICE = "/dev/userfaultfd"
_USER_MODE_ONLY = 1  # UFFD_USER_MODE_ONLY of linux/userfaultfd.h
_NODE_MEND = "a CXL or KMEM device shows as a node: see daxctl reconfigure-device"
_MEMKIND_MEND = "apt install libmemkind0, for small allocations at less cost"


def _memkind() -> tuple[str, str]:
    """What serves small allocations, and the mend."""
    try:
        return f"libmemkind {memkind.version()}", ""
    except TierprofError as error:
        return f"{error.why}: tierprof's own mappings serve all sizes", _MEMKIND_MEND


def check_pmem() -> Check:
    """Whether file systems with DAX are mounted, and whether memkind is there for small allocations."""
    library, mend = _memkind()
    folders = ", ".join(map(str, machine.dax_folders()))
    where = f"persistent memory (DAX) at {folders}" if folders else "any folder; none is on persistent memory"
    return Check("tier", "pmem:FOLDER", OK, f"{where}; {library}", mend or ("" if folders else "for PMEM: ndctl, mkfs, mount -o dax"))


def _timing(node: int) -> str:
    timing = machine.node_timing(node)
    latency = f"{timing.read_latency_ns}ns" if timing.read_latency_ns else ""
    bandwidth = f"{timing.read_bandwidth_mb_s / 1000:.4g}GB/s" if timing.read_bandwidth_mb_s else ""
    return f"{node}: {' '.join(filter(None, (latency, bandwidth)))}" if latency or bandwidth else ""


def check_node() -> Check:
    """Which NUMA nodes there are to place on, and how fast their firmware says they are."""
    nodes = machine.nodes()
    if len(nodes) < 2:
        return Check("tier", "node:N", ABSENT, f"{len(nodes)} node: nothing to place on beside it", _NODE_MEND)
    without_cpus = machine.nodes_without_cpus()
    kinds = f"without CPUs: {without_cpus}" if without_cpus else "all with CPUs"
    timing = ", ".join(filter(None, map(_timing, nodes)))
    firmware = f"read, by the firmware's HMAT: {timing}" if timing else "no timing from the firmware (HMAT)"
    return Check("tier", "node:N", OK, f"nodes {nodes}; {kinds}; {firmware}")


def check_kmem() -> Check:
    """Whether the kernel has taken devices as memory, and they are online."""
    name, nodes = "kmem[:all|:preferred]", machine.kmem_nodes()
    if not nodes:
        mend = "daxctl reconfigure-device --mode=system-ram DEVICE"
        return Check("tier", name, ABSENT, "no device is under the kernel's KMEM driver", mend)
    online = [node for node in nodes if node in machine.nodes()]
    if not online:
        return Check("tier", name, ABSENT, f"devices of nodes {nodes}: none is online", "daxctl online-memory DEVICE")
    library, mend = _memkind()
    return Check("tier", name, OK, f"devices are nodes {online}; {library}", mend)


def check_interleave() -> Check:
    """Whether there are nodes to spread pages over."""
    nodes = machine.nodes()
    if len(nodes) < 2:
        return Check("tier", "interleave:N=WEIGHT,...", ABSENT, f"{len(nodes)} node: nothing to interleave with", _NODE_MEND)
    return Check("tier", "interleave:N=WEIGHT,...", OK, f"over nodes {nodes}")


def check_huge() -> Check:
    """Whether madvise yields huge pages."""
    mode = machine.transparent_huge_pages()
    if mode in ("always", "madvise"):
        return Check("tier", "huge", OK, f"transparent huge pages: {mode}")
    found = f"transparent huge pages: {mode or 'not in this kernel'}"
    return Check("tier", "huge", ABSENT, found, f"echo madvise | sudo tee {machine.HUGE_SETTING}" if mode else "none on this kernel")


def check_hugetlb() -> Check:
    """Whether a pool of huge pages has any."""
    pools = machine.huge_pools()
    if not pools:
        return Check("tier", "hugetlb[:PAGE]", ABSENT, "the kernel has no pools of huge pages", "none on this kernel")
    sizes = "; ".join(f"{format_bytes(pool.page_bytes)}: {pool.free} of {pool.total} pages free" for pool in pools)
    if any(pool.free + pool.surplus for pool in pools):
        return Check("tier", "hugetlb[:PAGE]", OK, sizes)
    setting = machine.HUGE_POOLS / f"hugepages-{pools[0].page_bytes // 1024}kB" / "nr_hugepages"
    return Check("tier", "hugetlb[:PAGE]", ABSENT, sizes, f"echo PAGES | sudo tee {setting}")


def _userfaultfd(flags: int) -> int:
    """errno of opening one; 0: the kernel gives it."""
    number = _USERFAULTFD.get(platform.machine())
    if number is None:
        return errno.ENOSYS
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.syscall(ctypes.c_long(number), ctypes.c_long(os.O_CLOEXEC | flags))
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def check_move() -> Check:
    """What keeps writers waiting while an object moves (native/place/freeze.h)."""
    name, device = "userfaultfd", os.access(_USERFAULTFD_DEVICE, os.R_OK | os.W_OK)
    if device or _userfaultfd(0) == 0:
        return Check("move", name, OK, "writers to a piece that moves wait, their system calls too; files on DAX or disk: by mprotect")
    code = _userfaultfd(_USER_MODE_ONLY)
    mend = "sudo sysctl vm.unprivileged_userfaultfd=1"
    if code == 0:
        return Check("move", name, OK, "writers to a piece that moves wait; a system call that writes there fails meanwhile", mend)
    found = f"{os.strerror(code)}: mprotect stands in; a system call that writes into a piece that moves fails meanwhile"
    return Check("move", name, ABSENT, found, "none on this kernel" if code == errno.ENOSYS else mend)
