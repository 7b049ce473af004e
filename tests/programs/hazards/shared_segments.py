"""Hazard: shared memory by name, seen by a child, beside memory that is not shared."""

import os
from multiprocessing import shared_memory

own = bytearray(b"o") * 300_000
segment = shared_memory.SharedMemory(create=True, size=300_000)
pid = os.fork()
if pid == 0:
    other = shared_memory.SharedMemory(name=segment.name)
    other.buf[:300_000] = b"s" * 300_000
    own[:] = b"c" * 300_000
    other.close()
    os._exit(own.count(b"c") == 300_000)
print(os.waitpid(pid, 0)[1] >> 8, bytes(segment.buf[:300_000]).count(b"s"), own.count(b"o"))
segment.close()
segment.unlink()
