"""Calls Python functions that allocate nothing, while a handler in C that does interrupts them at any instruction."""

import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])
handled = ctypes.c_int.in_dll(library, "handled")


def leaf(n):
    return n


def deep(n):
    return deep(n - 1) if n else leaf(n)


def spin(calls):
    for _ in range(calls):
        max(map(leaf, (1, 2)))  # each an evaluation loop of its own
        deep(3)


library.set_signals(100)
while handled.value < 3000:
    spin(500)
library.set_signals(0)
print("done")
