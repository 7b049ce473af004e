"""What doctor says of this machine's memory, for machines that have and have not got it."""

import errno
from pathlib import Path

import pytest

from tierprof.base.errors import TierError
from tierprof.placer import machine, memkind, memory_checks
from tierprof.placer.check import ABSENT, OK

NOTHING = machine.NodeTiming(None, None, None, None)


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two nodes, of which one is memory only, and slower by the firmware's word."""
    timing = {0: machine.NodeTiming(80, 85, 100_000, 90_000), 1: machine.NodeTiming(320, 400, 20_500, 10_000)}
    monkeypatch.setattr(machine, "nodes", lambda: [0, 1])
    monkeypatch.setattr(machine, "nodes_without_cpus", lambda: [1])
    monkeypatch.setattr(machine, "node_timing", timing.__getitem__)


@pytest.fixture
def with_memkind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memkind, "version", lambda: "1.14.0")


@pytest.mark.usefixtures("two_nodes")
def test_nodes_are_told_with_the_firmwares_timing() -> None:
    found = "nodes [0, 1]; without CPUs: [1]; read, by the firmware's HMAT: 0: 80ns 100GB/s, 1: 320ns 20.5GB/s"
    assert memory_checks.check_node().found == found
    assert memory_checks.check_interleave().found == "over nodes [0, 1]"


@pytest.mark.usefixtures("two_nodes")
def test_a_firmware_without_timing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "node_timing", lambda node: NOTHING)
    monkeypatch.setattr(machine, "nodes_without_cpus", list)
    assert memory_checks.check_node().found == "nodes [0, 1]; all with CPUs; no timing from the firmware (HMAT)"


def test_one_node_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nodes", lambda: [0])
    for check in (memory_checks.check_node(), memory_checks.check_interleave()):
        assert (check.state, check.found.partition(":")[0]) == (ABSENT, "1 node")
        assert "daxctl" in check.mend


@pytest.mark.usefixtures("two_nodes", "with_memkind")
@pytest.mark.parametrize(
    ("devices", "state", "found", "mend"),
    [
        ([], ABSENT, "no device is under the kernel's KMEM driver", "daxctl reconfigure-device --mode=system-ram DEVICE"),
        ([2], ABSENT, "devices of nodes [2]: none is online", "daxctl online-memory DEVICE"),
        ([1, 2], OK, "devices are nodes [1]; libmemkind 1.14.0", ""),
    ],
)
def test_devices_are_of_use_once_they_are_online(
    devices: list[int], state: str, found: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "kmem_nodes", lambda: devices)
    check = memory_checks.check_kmem()
    assert (check.state, check.found, check.mend) == (state, found, mend)


@pytest.mark.usefixtures("with_memkind")
@pytest.mark.parametrize(
    ("folders", "found", "mend"),
    [
        ([], "any folder; none is on persistent memory; libmemkind 1.14.0", "for PMEM: ndctl, mkfs, mount -o dax"),
        ([Path("/mnt/a"), Path("/mnt/b")], "persistent memory (DAX) at /mnt/a, /mnt/b; libmemkind 1.14.0", ""),
    ],
)
def test_file_systems_with_dax_are_named(folders: list[Path], found: str, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "dax_folders", lambda: folders)
    check = memory_checks.check_pmem()
    assert (check.state, check.found, check.mend) == (OK, found, mend)


def test_without_memkind_files_serve_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def version() -> str:
        raise TierError("memkind", "libmemkind.so.0 is not there", "apt")

    monkeypatch.setattr(memkind, "version", version)
    check = memory_checks.check_pmem()
    assert check.state == OK
    assert "libmemkind.so.0 is not there: tierprof's own mappings serve all sizes" in check.found
    assert "apt install libmemkind0" in check.mend


@pytest.mark.parametrize(
    ("pools", "state", "found"),
    [
        ([], ABSENT, "the kernel has no pools of huge pages"),
        ([machine.HugePool(2 << 20, 0, 0, 0), machine.HugePool(1 << 30, 0, 0, 0)], ABSENT, "2.0MiB: 0 of 0 pages free; 1.0GiB: 0 of 0"),
        ([machine.HugePool(2 << 20, 8, 3, 0)], OK, "2.0MiB: 3 of 8 pages free"),
        ([machine.HugePool(2 << 20, 0, 0, 4)], OK, "2.0MiB: 0 of 0 pages free"),
    ],
)
def test_a_pool_serves_as_long_as_it_has_pages(
    pools: list[machine.HugePool], state: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "huge_pools", lambda: pools)
    check = memory_checks.check_hugetlb()
    assert check.state == state
    assert check.found.startswith(found)
    assert bool(check.mend) == (state == ABSENT)


@pytest.mark.parametrize(
    ("mode", "state", "mend"), [("always", OK, ""), ("never", ABSENT, "echo madvise | sudo tee"), (None, ABSENT, "none on this kernel")]
)
def test_huge_pages_are_as_the_kernel_is_set(mode: str | None, state: str, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "transparent_huge_pages", lambda: mode)
    check = memory_checks.check_huge()
    assert check.state == state
    assert check.mend.startswith(mend)


@pytest.mark.parametrize(
    ("answers", "state", "mend"),
    [
        ({0: 0}, OK, ""),
        ({0: errno.EPERM, 1: 0}, OK, "sudo sysctl vm.unprivileged_userfaultfd=1"),
        ({0: errno.EPERM, 1: errno.EPERM}, ABSENT, "sudo sysctl vm.unprivileged_userfaultfd=1"),
        ({0: errno.ENOSYS, 1: errno.ENOSYS}, ABSENT, "none on this kernel"),
    ],
)
def test_what_keeps_writers_waiting_is_what_the_kernel_gives(
    answers: dict[int, int], state: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_checks, "_USERFAULTFD_DEVICE", str(tmp_path / "none"))
    monkeypatch.setattr(memory_checks, "_userfaultfd", answers.__getitem__)
    check = memory_checks.check_move()
    assert (check.part, check.state, check.mend) == ("move", state, mend)


def test_the_kernel_itself_answers() -> None:
    """On this machine: some answer, and no descriptor is left."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert memory_checks._userfaultfd(1) >= 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before
