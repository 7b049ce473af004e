"""Hazard: MemoryError under a limit of the address space; the interpreter lives on."""

import resource

with open("/proc/self/statm", encoding="ascii") as file:
    mapped = int(file.read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 30), mapped + (1 << 30)))
held = bytearray(b"h") * (8 << 20)
refused = 0
for size in (1 << 31, 1 << 40, 1 << 62):
    try:
        bytearray(size)
    except (MemoryError, OverflowError) as error:
        refused += isinstance(error, MemoryError)
try:
    held *= 512
except MemoryError:
    refused += 1
print(refused, held.count(b"h"), len([0] * 100_000))
