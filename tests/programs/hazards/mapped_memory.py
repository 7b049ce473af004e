"""Hazard: the mmap module: anonymous, shared with a child, of a file, resized, advised."""

import mmap
import os

private = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
private[: 1 << 20] = b"p" * (1 << 20)
private.madvise(mmap.MADV_DONTNEED, 0, 1 << 19)
print(private[: 1 << 19].count(0), private[1 << 19 : 1 << 20].count(b"p"))
shared = mmap.mmap(-1, 1 << 16)
if os.fork() == 0:
    shared[:5] = b"child"
    private[:5] = b"child"
    os._exit(0)
os.wait()
print(shared[:5], private[:5])
with open("file", "w+b") as file:
    file.write(bytes(range(256)) * 400)
    file.flush()
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped.resize(200_000)
        mapped[150_000:150_004] = b"grew"
        print(len(mapped), sum(mapped[:102_400]), mapped.find(b"grew"))
bytes_held = bytearray(b"h") * 300_000
print(len(bytes_held), bytes_held.count(b"h"))
