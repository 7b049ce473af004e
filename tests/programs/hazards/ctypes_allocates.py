"""Hazard: Python calls malloc, realloc and free itself, and writes through the addresses."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
for name in ("malloc", "calloc", "realloc", "aligned_alloc"):
    getattr(libc, name).restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.malloc.argtypes = [ctypes.c_size_t]

good = 0
for size in (1, 5000, 100_000, 3 << 20):
    memory = libc.malloc(size)
    ctypes.memset(memory, 7, size)
    memory = libc.realloc(memory, size * 2)
    good += ctypes.string_at(memory, size) == b"\7" * size
    libc.free(memory)
    buffer = ctypes.create_string_buffer(size)
    good += buffer.raw == bytes(size)
refused = libc.malloc((1 << 63) - 4096)
print("good", good, "refused", refused is None, "errno", ctypes.get_errno() in (0, 12))
