"""Hazard: multiprocessing by spawn: a fresh interpreter for each worker, started from a running one."""

import multiprocessing


def work(queue: "multiprocessing.Queue[int]", data: bytes) -> None:
    queue.put(sum(data) + len(bytearray(500_000)))


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue: "multiprocessing.Queue[int]" = context.Queue()
    process = context.Process(target=work, args=(queue, bytes(range(250)) * 1000))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
