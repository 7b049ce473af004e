"""Whose an address is: claims and releases against a stack of claims for every byte."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.models.timing.simulator import Access, Exit, ExitKind, Simulator
from tierprof.profiler.exact.profile import ExactProfile

START, SPAN = 0x7000_0000_0000, 96
UNKNOWN = -5
SLICE = 1000
MOST_CLAIMS = 16

CONFIG = {"timing": 0, "slice_instructions": SLICE, "reuse_every": 0}

Change = tuple[bool, int, int]  # claimed, first byte, bytes


class Bytes:
    """A stack of claims (first, end, object) for every byte; the last of it is the owner."""

    def __init__(self) -> None:
        self.claims: list[list[tuple[int, int, int]]] = [[] for _ in range(SPAN)]

    def change(self, claimed: bool, first: int, size: int, number: int) -> None:
        end = first + size
        for byte in range(first, min(end, SPAN)):
            stack = self.claims[byte]
            ended = []
            while stack and first <= stack[-1][0] and stack[-1][1] <= end:
                ended.append(stack.pop())
            if claimed:
                if len(stack) == MOST_CLAIMS:
                    stack.pop()
                stack.append((first, end, number))
            elif stack and not any(claim[:2] == (first, end) for claim in ended):
                stack.pop()

    def owners(self) -> list[int]:
        return [stack[-1][2] if stack else UNKNOWN for stack in self.claims]


class Looks:
    """A simulator that looks at each byte once a slice, from one instruction or from one each."""

    def __init__(self, instructions: int) -> None:
        self.simulator = Simulator(CONFIG)
        accesses = [Access(bytes=1)] * SPAN
        # One block of a single load, run for every byte, or one of a load for every byte: the cached range is used differently.
        n_loads = SPAN if instructions > 1 else 1
        block = self.simulator.block(0x1000, accesses[:n_loads], [Exit(n_loads, SLICE * n_loads // SPAN, ExitKind.JUMP)])
        last = self.simulator.block(0x2000, [], [Exit(0, SLICE, ExitKind.JUMP)])
        runs = np.empty((SPAN // n_loads, 1 + n_loads), np.uint64)
        runs[:, 0] = block.exits[0].word
        runs[:, 1:] = START + np.arange(SPAN).reshape(-1, n_loads)
        self.words = np.append(runs.reshape(-1), np.uint64(last.exits[0].word))

    def look(self) -> None:
        self.simulator.feed(0, self.words)

    def seen(self) -> list[dict[int, int]]:
        objects = ExactProfile.from_bytes(self.simulator.end()).objects
        return [dict(zip(part["object"], part["loads"], strict=True)) for _, part in objects.groupby("slice")]


def counted(owners: Sequence[int]) -> dict[int, int]:
    return {number: owners.count(number) for number in set(owners)}


nested = st.tuples(st.booleans(), st.integers(0, SPAN - 1), st.integers(1, SPAN // 2))
grid = st.tuples(st.booleans(), st.integers(0, 5).map(lambda k: 16 * k), st.integers(1, 3).map(lambda k: 16 * k))


@settings(max_examples=150, deadline=None)
@given(st.lists(nested | grid, max_size=40), st.sampled_from([1, SPAN]))
def test_every_byte_belongs_to_the_newest_claim_on_it(changes: list[Change], instructions: int) -> None:
    # GIVEN claims and releases of any ranges, equal, nested and overlapping
    reference, looks, expected = Bytes(), Looks(instructions), []
    # WHEN every byte is loaded after each of them
    for number, (claimed, first, size) in enumerate(changes, 1):
        reference.change(claimed, first, size, number)
        if claimed:
            looks.simulator.claim(START + first, size, number)
        else:
            looks.simulator.release(START + first, size)
        looks.look()
        expected.append(counted(reference.owners()))
    # THEN each load counts for the owner of its byte
    assert looks.seen() == expected


def test_an_allocation_takes_its_part_of_the_heap_and_gives_it_back() -> None:
    # GIVEN a heap, and within it an allocation that an instruction has just met
    looks = Looks(1)
    looks.simulator.claim(START, 64, 1)
    looks.simulator.claim(START + 16, 8, 2)
    looks.look()
    # WHEN it is freed and its place taken by a smaller one
    looks.simulator.release(START + 16, 8)
    looks.look()
    looks.simulator.claim(START + 20, 4, 3)
    looks.look()
    # THEN at each time the bytes are those of who holds them
    assert looks.seen() == [{1: 56, 2: 8, UNKNOWN: 32}, {1: 64, UNKNOWN: 32}, {1: 60, 3: 4, UNKNOWN: 32}]


def test_unmapping_ends_what_was_never_freed_inside() -> None:
    # GIVEN an allocation inside mapped memory
    looks = Looks(SPAN)
    looks.simulator.claim(START, 96, 1)
    looks.simulator.claim(START + 16, 8, 2)
    # WHEN a part that holds it is unmapped
    looks.simulator.release(START + 8, 40)
    looks.look()
    # THEN all of that part belongs to nobody
    assert looks.seen() == [{1: 56, UNKNOWN: 40}]


def test_a_hundred_thousand_claims_are_told_apart() -> None:
    # GIVEN as many claims with gaps, made in a shuffled order, every other one released again
    count, stride = 1 << 17, 4096
    simulator = Simulator({"timing": 0, "reuse_every": 0})
    order = np.random.default_rng(7).permutation(count)
    for k in order.tolist():
        simulator.claim(START + k * stride, stride // 2, 1 + k)
    for k in range(1, count, 2):
        simulator.release(START + k * stride, stride // 2)
    # WHEN the last byte of each and the first behind it are loaded
    block = simulator.block(0x1000, [Access(bytes=1), Access(bytes=1)], [Exit(2, 1)])
    words = np.empty((count, 3), np.uint64)
    words[:, 0] = block.exits[0].word
    words[:, 1] = START + order * stride + stride // 2 - 1
    words[:, 2] = words[:, 1] + np.uint64(1)
    simulator.feed(0, words)
    loads = ExactProfile.from_bytes(simulator.end()).objects.set_index("object")["loads"]
    # THEN each that lives was met once, and all else belongs to nobody
    assert loads.pop(UNKNOWN) == count + count // 2
    assert sorted(loads.index) == list(range(1, count, 2))
    assert (loads == 1).all()


def test_instructions_that_met_many_allocations_see_the_one_that_took_their_place() -> None:
    # GIVEN six allocations side by side, each met by instructions of its own
    looks = Looks(SPAN)
    for k in range(6):
        looks.simulator.claim(START + 16 * k, 16, 1 + k)
    looks.look()
    # WHEN all are freed, and met again as nobody's, and one takes the place of all
    for k in range(6):
        looks.simulator.release(START + 16 * k, 16)
    looks.look()
    looks.simulator.claim(START, SPAN, 7)
    looks.look()
    # THEN every instruction meets that one
    assert looks.seen() == [{1 + k: 16 for k in range(6)}, {UNKNOWN: SPAN}, {7: SPAN}]
