"""Make the guest's initramfs: busybox, `init`, and the kernel modules that a guest with tiers needs, in the order in which they load."""

import argparse
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile

#: What the guest loads; what these need comes before them. Built-in ones have no file and are left out.
WANTED = (
    "virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay",
    "crc32c_generic", "ext4",
    "nfit", "nd_pmem", "dax_pmem", "device_dax", "kmem",
)  # fmt: skip

_FOLDERS = ("bin", "dev", "proc", "sys", "modules", "host", "layer", "all")
_CONSOLE = (5, 1)  # major and minor number: the kernel opens it before anything is mounted
_ALIGN = 4


def dependencies(module: Path) -> list[str]:
    """The modules that a module file says it needs, from its .modinfo section."""
    with module.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".modinfo")
        entries = section.data().split(b"\0") if section is not None else []
    named = next((entry.removeprefix(b"depends=") for entry in entries if entry.startswith(b"depends=")), b"")
    return [plain(name) for name in named.decode().split(",") if name]


def plain(name: str) -> str:
    """A module's name as the kernel writes it: files have - where it has _."""
    return name.replace("-", "_")


def load_order(files: Mapping[str, Path]) -> list[Path]:
    """Files of the wanted modules, each after those that it needs.

    Parameters
    ----------
    files
        All module files of the kernel by plain name; a module that is not among them is built in.
    """
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in order or name not in files:
            return
        for needed in dependencies(files[name]):
            add(needed)
        order[name] = files[name]

    for name in WANTED:
        add(name)
    return list(order.values())


def entry(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One member of a cpio archive in the "newc" form (kernel: Documentation/driver-api/early-userspace/buffer-format.rst)."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
    header = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + encoded
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGN)


def members(modules: list[Path], busybox: Path, init: Path) -> Iterator[bytes]:
    """The whole archive, member by member."""
    for folder in _FOLDERS:
        yield entry(folder, stat.S_IFDIR | 0o755)
    yield entry("dev/console", stat.S_IFCHR | 0o600, device=_CONSOLE)
    yield entry("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    yield entry("init", stat.S_IFREG | 0o755, init.read_bytes())
    for module in modules:
        yield entry(f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes())
    yield entry("modules/order", stat.S_IFREG | 0o644, "".join(f"{module.name}\n" for module in modules).encode())
    yield entry("TRAILER!!!", 0)


def main() -> None:
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", type=Path, help="the kernel's modules folder")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--busybox", type=Path, default=Path("/bin/busybox"), help="a static one")
    args = parser.parse_args()
    files = {plain(path.name.removesuffix(".ko")): path for path in args.modules.rglob("*.ko")}
    args.output.write_bytes(b"".join(members(load_order(files), args.busybox, Path(__file__).with_name("init"))))


if __name__ == "__main__":
    main()
