"""How long it takes to join samples to allocations: 10 million samples, 1 million allocations, addresses reused heavily.

Run `python benchmarks/join.py`; it prints the median and the spread over the repeats, and what share of the samples found an allocation.
"""

import argparse
import statistics
import time

import numpy as np

from tierprof.profiler.join import IntervalIndex, never

_BLOCK_BYTES = 16


def heap(allocations: int, slots: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Rectangles of a heap with `slots` places of very different size: each place is handed out again and again, whole or in part."""
    random = np.random.default_rng(seed)
    sizes = (np.exp(random.normal(9, 2.5, slots)).astype(np.uint64) + np.uint64(_BLOCK_BYTES)) & np.uint64(2**64 - _BLOCK_BYTES)
    places = np.uint64(0x5555_0000_0000) + np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.uint64)
    slot = random.integers(0, slots, allocations)
    birth = np.sort(random.integers(0, 10**10, allocations))
    order = np.lexsort((birth, slot))
    following = np.full(allocations, never())
    same = slot[order][1:] == slot[order][:-1]
    following[order[:-1][same]] = birth[order[1:][same]]
    span = np.minimum(following, 10**10) - birth
    death = np.where(random.random(allocations) < 0.9, birth + (span * random.random(allocations)).astype(np.int64), following)
    part = (sizes[slot] * random.uniform(0.3, 1.0, allocations)).astype(np.uint64) + np.uint64(1)
    return places[slot], places[slot] + np.minimum(part, sizes[slot]), birth, death


def points(rectangles: tuple[np.ndarray, ...], count: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Samples in the order of time: addresses inside rectangles, most of them alive at that time."""
    start, end, birth, death = rectangles
    random = np.random.default_rng(seed)
    row = random.integers(0, len(start), count)
    address = start[row] + (random.random(count) * (end[row] - start[row])).astype(np.uint64)
    lasting = np.minimum(death[row], 10**10) - birth[row]
    when = birth[row] + (random.random(count) * 1.25 * lasting).astype(np.int64)
    order = np.argsort(when)
    return address[order], when[order]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--allocations", type=int, default=1_000_000)
    parser.add_argument("--slots", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    rectangles = heap(args.allocations, args.slots)
    address, when = points(rectangles, args.samples)
    build, find = [], []
    for _ in range(args.repeat):
        begin = time.perf_counter()
        index = IntervalIndex(*rectangles)
        built = time.perf_counter()
        rows = index.find(address, when)
        build.append(built - begin)
        find.append(time.perf_counter() - built)
    total = [a + b for a, b in zip(build, find, strict=True)]
    print(
        f"{args.samples} samples, {args.allocations} allocations at {args.slots} places; {np.mean(rows >= 0):.1%} of the samples found one"
    )
    for name, seconds in (("build", build), ("find", find), ("total", total)):
        print(f"{name:6} median {statistics.median(seconds):6.2f} s   lowest {min(seconds):6.2f} s   highest {max(seconds):6.2f} s")


if __name__ == "__main__":
    main()
