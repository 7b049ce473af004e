"""Hazard: multiprocessing by fork: workers inherit a large object, change it for themselves, and send others back."""

import multiprocessing

held = bytearray(range(256)) * 2000


def work(number: int) -> tuple[int, bytes]:
    held[number] = 0
    return sum(held), bytes([number]) * 100_000


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        results = pool.map(work, [255, 254, 253, 252], chunksize=1)
    print(results[0][0], results[2][0], [len(data) for _, data in results], sum(held))
