"""The shared libraries that a program loads at its start, as the dynamic loader would find them; nothing is run to find out."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.elf.dynamic import DynamicSection

from tierprof.profiler.image import Image

_USUAL = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_LDCONFIG = ("/sbin/ldconfig", "-p")


def library_paths(program: Path) -> dict[str, str]:
    """By name, the paths of the libraries that a program needs, and of those that they need."""
    cache = _cache()
    found: dict[str, str] = {}
    waiting = [program]
    while waiting:
        path = waiting.pop()
        for name, folders in _needed(path):
            if name in found:
                continue
            place = next((str(folder / name) for folder in folders if (folder / name).exists()), cache.get(name))
            if place is not None:
                found[name] = place
                waiting.append(Path(place))
    return found


def _needed(path: Path) -> Iterator[tuple[str, list[Path]]]:
    """Names of the libraries that a file needs, with the folders where it wants them looked for first."""
    image = Image.open(str(path))
    section = image.elf.get_section_by_name(".dynamic") if image is not None else None
    if not isinstance(section, DynamicSection):
        return
    tags: list[Any] = list(section.iter_tags())
    texts = [tag.runpath if tag.entry.d_tag == "DT_RUNPATH" else tag.rpath for tag in tags if tag.entry.d_tag in ("DT_RUNPATH", "DT_RPATH")]
    origin = str(path.parent)
    own = [Path(part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)) for text in texts for part in text.split(":") if part]
    asked = [Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]
    for tag in tags:
        if tag.entry.d_tag == "DT_NEEDED":
            yield tag.needed, [*asked, *own, *map(Path, _USUAL)]


def _cache() -> dict[str, str]:
    """The loader's cache of libraries by name; the first entry of a name is the loader's choice."""
    try:
        text = subprocess.run(_LDCONFIG, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow:
            found.setdefault(name.split(" ", 1)[0], path)
    return found
