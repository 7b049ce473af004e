"""Allocates in forked and spawned workers, in threads of a pool, and in a fork by hand; sizes tell which."""

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

MEGABYTE = 1_000_000


def work(number: int) -> int:
    kept = bytearray(number * MEGABYTE + 1)
    return len(kept)


def in_processes(how: str, first: int) -> None:
    with multiprocessing.get_context(how).Pool(2) as pool:
        assert sum(pool.map(work, [first, first + 1])) > 0


if __name__ == "__main__":
    in_processes("fork", 1)
    in_processes("spawn", 3)
    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(work, [5, 6])) > 0
    child = os.fork()
    if child == 0:
        work(7)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sys.exit(0)
