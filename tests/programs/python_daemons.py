"""Ends while daemon threads are in C without the interpreter's lock, and allocate there without end."""

import ctypes
import sys
import threading


def nested(depth, call):
    return nested(depth - 1, call) if depth else call()


library = ctypes.CDLL(sys.argv[1])
for depth in range(4):
    threading.Thread(target=nested, args=(100 * depth, library.hold), daemon=True).start()
kept = [bytearray(50_000) for _ in range(100)]
