"""Hazard: threads that build and drop cycles while the garbage collector runs, with buffers in them."""

import gc
import threading


class Node:
    def __init__(self, size: int) -> None:
        self.buffer = bytearray(size)
        self.me = self


def churn(results: list[int], number: int) -> None:
    for size in range(1, 300):
        results[number] += len(Node(size * 97).buffer)


gc.set_threshold(50)
results = [0] * 4
threads = [threading.Thread(target=churn, args=(results, number)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(results, gc.collect() >= 0, gc.garbage)
