"""The guest's initramfs: what is in it, and in which order its modules load."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/guest/initramfs.py"
HEADER_BYTES = 110

MakeModules = Callable[[Mapping[str, Sequence[str]]], Path]


@pytest.fixture
def make_modules(tmp_path: Path) -> MakeModules:
    """`make_modules({file: needed})`: a folder of kernel modules that say what they need."""

    def make(needs: Mapping[str, Sequence[str]]) -> Path:
        folder = tmp_path / "modules"
        for file, needed in needs.items():
            path = folder / "kernel" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = f"license=GPL\\0depends={','.join(needed)}\\0name={path.stem}"
            source = f'static const char info[] __attribute__((section(".modinfo"), used)) = "{text}";'
            command = ["cc", "-xc", "-", "-c", "-o", str(path)]
            subprocess.run(command, input=source, text=True, check=True)
        return folder

    return make


def read_archive(data: bytes) -> dict[str, bytes]:
    """Names and contents of a cpio archive in the newc form, in its order."""
    members: dict[str, bytes] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[place : place + 8], 16) for place in range(at + 6, at + HEADER_BYTES, 8)]
        name_bytes, size = fields[11], fields[6]
        name = data[at + HEADER_BYTES : at + HEADER_BYTES + name_bytes - 1].decode()
        start = -(-(at + HEADER_BYTES + name_bytes) // 4) * 4
        if name == "TRAILER!!!":
            return members
        members[name] = data[start : start + size]
        at = -(-(start + size) // 4) * 4


def make_archive(modules: Path, folder: Path) -> dict[str, bytes]:
    (folder / "busybox").write_bytes(b"a static one")
    command = [sys.executable, str(SCRIPT), str(modules), "-o", str(folder / "initramfs"), "--busybox", str(folder / "busybox")]
    subprocess.run(command, check=True)
    return read_archive((folder / "initramfs").read_bytes())


def test_modules_load_after_what_they_need_and_built_in_ones_are_left_out(tmp_path: Path, make_modules: MakeModules) -> None:
    # GIVEN a kernel in which some wanted modules, and one that they need, are files; and a module that nobody wants
    modules = make_modules(
        {
            "fs/overlayfs/overlay.ko": [],
            "fs/9p/9p.ko": ["9pnet", "fs-cache"],
            "fs/fs-cache.ko": ["netfs"],
            "net/9p/9pnet.ko": [],
            "drivers/virtio/virtio_pci.ko": ["virtio_ring"],
            "sound/loud.ko": ["9pnet"],
        }
    )
    # WHEN the archive is made
    archive = make_archive(modules, tmp_path)
    # THEN each comes after those that it needs, which are named with _ and may be filed with -
    order = archive["modules/order"].decode().split()
    assert order == ["virtio_pci.ko", "9pnet.ko", "fs-cache.ko", "9p.ko", "overlay.ko"]
    assert archive["modules/9p.ko"] == (modules / "kernel/fs/9p/9p.ko").read_bytes()
    assert "modules/loud.ko" not in archive


def test_the_archive_has_what_the_guest_begins_with(tmp_path: Path, make_modules: MakeModules) -> None:
    archive = make_archive(make_modules({"a.ko": []}), tmp_path)
    assert archive["bin/busybox"] == b"a static one"
    assert archive["init"] == SCRIPT.with_name("init").read_bytes()
    assert {"dev", "proc", "sys", "dev/console"} <= archive.keys()
