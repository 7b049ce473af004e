"""Searches 8 MiB of bytes four times, the second and third time inside nested marks."""

from tierprof.base.region import region

data = bytes(8 << 20)
data.find(b"x")
with region():
    with region():
        data.find(b"x")
    data.find(b"x")
data.find(b"x")
