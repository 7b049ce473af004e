"""What the sweep's commands read: texts, numbers, a picture and sources, the same in every sweep."""

import random
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Parts of the project that are programs of some size and need nothing but a C compiler.
_SOURCES = ("native/model", "native/common", "native/scan", "native/shim", "native/place", "native/include")

_SYLLABLES = ["ka", "to", "mi", "re", "sol", "fa", "si", "do", "la", "ne", "pu", "ri", "va", "ze", "ho", "qui", "xa", "yo", "bre", "stra"]


def _words(random_: random.Random, count: int) -> list[str]:
    return ["".join(random_.choices(_SYLLABLES, k=random_.randint(1, 4))) for _ in range(count)]


def _text(random_: random.Random, lines: int) -> str:
    return "".join(" ".join(_words(random_, random_.randint(0, 14))) + "\n" for _ in range(lines))


def _picture(random_: random.Random, width: int, height: int) -> bytes:
    """A PPM: gradients with noise, so that it compresses neither away nor not at all."""
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            pixels += bytes(((x * 255 // width + random_.randint(0, 7)) % 256, y * 255 // height, (x ^ y) % 256))
    return f"P6\n{width} {height}\n255\n".encode() + bytes(pixels)


def make(folder: Path) -> None:
    """Fill the folder.

    text.txt (2.6 MB of words), numbers.txt (200 000 lines), table.csv (20 000 rows of five), data.bin (4 MB that cannot be compressed),
    picture.ppm (640 by 480), tree/ (400 small files in 20 folders), src/ (C sources of this project).
    """
    random_ = random.Random(20240229)
    (folder / "text.txt").write_text(_text(random_, 40_000), encoding="ascii")
    (folder / "numbers.txt").write_text("".join(f"{random_.randint(0, 10**9)}\n" for _ in range(200_000)), encoding="ascii")
    rows = (
        f"{number},{random_.choice(_SYLLABLES)},{random_.randint(0, 999)},{random_.random():.6f},n{number % 97}" for number in range(20_000)
    )
    (folder / "table.csv").write_text("id,word,count,share,grp\n" + "\n".join(rows) + "\n", encoding="ascii")
    (folder / "data.bin").write_bytes(random_.randbytes(4 << 20))
    (folder / "picture.ppm").write_bytes(_picture(random_, 640, 480))
    for part in range(20):
        inner = folder / f"tree/part{part}"
        inner.mkdir(parents=True)
        for number in range(20):
            (inner / f"file{number}.txt").write_text(_text(random_, random_.randint(1, 60)), encoding="ascii")
    for source in _SOURCES:
        shutil.copytree(ROOT / source, folder / "src" / source, ignore=shutil.ignore_patterns("__pycache__"))
