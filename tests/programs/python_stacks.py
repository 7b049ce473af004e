"""Allocates in every kind of Python frame; prints as JSON, by size, the stack that Python itself knows at that very line."""

import asyncio
import contextlib
import ctypes
import functools
import json
import signal
import sys
import threading

SIZES = iter(range(1_000_003, 9_000_000, 1024))
STACKS: dict[int, list[list[object]]] = {}
KEPT: list[object] = []
MALLOC = ctypes.CDLL(None).malloc  # called without the interpreter's lock
MALLOC.argtypes, MALLOC.restype = [ctypes.c_size_t], ctypes.c_void_p


def size() -> int:
    """A size of its own, for which the caller's stack is noted."""
    own, frame, stack = next(SIZES), sys._getframe(1), []
    while frame is not None:
        code = frame.f_code
        stack.append([code.co_filename, frame.f_lineno, code.co_qualname, code.co_firstlineno])
        frame = frame.f_back
    STACKS[own] = stack
    return own


def plain() -> None:
    KEPT.extend([bytearray(size()), bytearray(size())])
    MALLOC(size())


class Model:
    BODY = bytearray(size())

    def __init__(self) -> None:
        self.weight = bytearray(size())
        self.rows = [bytearray(size()) for _ in range(2)]
        self.later = lambda: bytearray(size())

    def __del__(self) -> None:
        KEPT.append(bytearray(size()))


def allocate(_: int) -> bytearray:
    return bytearray(size())


def generate():
    yield bytearray(size())
    yield from (bytearray(size()) for _ in range(2))


@contextlib.contextmanager
def managed():
    yield bytearray(size())


async def wait() -> None:
    await asyncio.sleep(0)
    KEPT.append(bytearray(size()))


def recurse(depth: int) -> bytearray:
    return recurse(depth - 1) if depth else bytearray(size())


def mutual(depth: int) -> bytearray:
    return other(depth - 1) if depth else bytearray(size())


def other(depth: int) -> bytearray:
    return mutual(depth)


def many_lines() -> None:
    lines = ["def far():"] + ["    x = 1"] * 700 + ["    KEPT.append(bytearray(size()))", "far()"]
    exec(compile("\n".join(lines), "ünïcode/日本.py", "exec"))


def made_anew() -> None:
    for blank in range(40):  # code objects at the same place as those before them
        exec(compile("\n" * blank + "KEPT.append(bytearray(size()))", "<string>", "exec"))


def run() -> None:
    plain()
    model = Model()
    KEPT.append(model.later())
    del model
    KEPT.extend(generate())
    KEPT.extend(map(allocate, range(2)))
    KEPT.append(functools.reduce(lambda _, n: bytearray(size()), range(3)))
    with managed() as kept:
        KEPT.append(kept)
    asyncio.run(wait())
    KEPT.extend([recurse(5), recurse(300), mutual(4), mutual(150)])
    many_lines()
    made_anew()
    signal.signal(signal.SIGUSR1, lambda *_: KEPT.append(bytearray(size())))
    signal.raise_signal(signal.SIGUSR1)
    threads = [threading.Thread(target=plain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


run()
print(json.dumps(STACKS))
