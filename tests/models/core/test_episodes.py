"""Which misses wait for each other, on code made by hand; and how long the core takes for what needs no memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tierprof.models.timing.simulator import Access, Exit, ExitKind, Kind, Simulator
from tierprof.profiler.exact.profile import ExactProfile

FAR = 3
# Objects of 1 GiB each, object k at k GiB.
GIB = 1 << 30
LOADED = 64  # the source that an access's value is: LOADED + its number
JUMP = ExitKind.JUMP

# No prefetchers, no TLB cost, every miss far: what is counted can be told beforehand.
CONFIG = {
    "prefetch_next_line": 0,
    "prefetch_stream": 0,
    "prefetch_stride": 0,
    "near_blocks": 0,
    "mid_pages": 0,
    "tlb2_cycles": 0,
    "walk_cycles": 0,
    "issue_width": 4,
    "window_instructions": 224,
    "miss_buffers": 10,
    "l1_cycles": 5,
    "l2_cycles": 14,
    "mispredict_cycles": 16,
    "reuse_every": 0,
}


class Machine:
    """A simulator that knows objects 1 to 9, and where a fresh line of each is."""

    def __init__(self, **config: int) -> None:
        self.simulator = Simulator({**CONFIG, **config})
        self.used = dict.fromkeys(range(1, 10), 0)
        for number in self.used:
            self.simulator.claim(number * GIB, GIB, number)

    def fresh(self, number: int) -> int:
        """An address of an object whose line, 256 B block and page were never touched."""
        self.used[number] += 1
        return number * GIB + self.used[number] * 4096 + self.used[number] % 64 * 64

    def block(self, accesses: Sequence[Access], exits: Sequence[Exit], address: int = 0x1000) -> Any:
        return self.simulator.block(address, accesses, exits)

    def run(self, block: Any, *places: int, left: int = 0, thread: int = 0) -> None:
        self.simulator.feed(thread, np.array([block.exits[left].word, *places], np.uint64))

    def end(self) -> ExactProfile:
        return ExactProfile.from_bytes(self.simulator.end())


def episodes(profile: ExactProfile) -> list[tuple[int, int, list[list[tuple[int, int]]]]]:
    """(count, misses, chains of (object, count)) of every row."""
    rows = []
    for row in profile.episodes.itertuples():
        nodes = profile.nodes[profile.nodes["episode"] == row.episode]
        chains = [list(zip(part["object"], part["count"], strict=True)) for _, part in nodes.groupby("chain")]
        assert (nodes["node_class"] == FAR).all()
        rows.append((row.count, row.misses, chains))
    return rows


def load(*flows: tuple[int, int]) -> Access:
    return Access(Kind.LOAD, 8, 0x1000, flows)


CHASE = ([load((0, 0))], [Exit(1, 2, JUMP, transfers=((0, ((LOADED, 0),)),))])
# p = list[i++], then *p
GATHER = ([load((1, 1)), load((LOADED, 1))], [Exit(2, 4, JUMP, transfers=((1, ((1, 1),)),))])


def test_a_chase_is_one_chain() -> None:
    # GIVEN ten loads, each of the address that the one before brought
    machine = Machine()
    block = machine.block(*CHASE)
    for _ in range(10):
        machine.run(block, machine.fresh(1))
    # THEN they are one episode, of ten in a row
    assert episodes(machine.end()) == [(1, 10, [[(1, 10)]])]


def test_a_gather_is_one_load_long() -> None:
    # GIVEN a list in one line, and ten loads at addresses read from it
    machine = Machine()
    block = machine.block(*GATHER)
    index = machine.fresh(1)
    machine.run(machine.block([load()], [Exit(1, 1, JUMP)]), index)
    machine.run(machine.block([], [Exit(0, 224, JUMP)]))
    for k in range(10):
        machine.run(block, index + 8 * k % 64, machine.fresh(2))
    # THEN after the list's own episode, the ten are one long
    assert episodes(machine.end()) == [(1, 1, [[(1, 1)]]), (1, 10, [[(2, 1)]])]


def test_what_is_read_through_a_missing_index_waits_for_it() -> None:
    # GIVEN loads through a list whose lines are all missing, too
    machine = Machine()
    block = machine.block(*GATHER)
    for _ in range(5):
        machine.run(block, machine.fresh(1), machine.fresh(2))
    # THEN there are five chains of two that are alike: one
    assert episodes(machine.end()) == [(1, 10, [[(1, 1), (2, 1)]])]


def test_a_chase_beside_a_gather() -> None:
    # GIVEN three links of a list and three loads that depend on nothing
    machine = Machine()
    chase, free = machine.block(*CHASE), machine.block([load()], [Exit(1, 2, JUMP)])
    for _ in range(3):
        machine.run(chase, machine.fresh(1))
        machine.run(free, machine.fresh(2))
    # THEN both are chains of the one episode
    assert episodes(machine.end()) == [(1, 6, [[(1, 3)], [(2, 1)]])]


def test_two_chases_overlap() -> None:
    # GIVEN two lists that are walked in turn
    machine = Machine()
    accesses = [load((0, 0)), load((1, 0))]
    block = machine.block(accesses, [Exit(2, 4, JUMP, transfers=((0, ((LOADED, 0),)), (1, ((LOADED + 1, 0),))))])
    for _ in range(5):
        machine.run(block, machine.fresh(1), machine.fresh(2))
    # THEN each is a chain of five
    assert episodes(machine.end()) == [(1, 10, [[(1, 5)], [(2, 5)]])]


@pytest.mark.parametrize(("offset", "size", "length"), [(0, 8, 2), (4, 8, 2), (8, 8, 1), (-8, 64, 2)])
def test_a_pointer_that_was_spilled_still_makes_the_next_load_wait(offset: int, size: int, length: int) -> None:
    # GIVEN a pointer that a missing load brings, stored to the stack
    machine = Machine()
    spill = [load(), Access(Kind.STORE, 8, 0x1004, (), ((LOADED, 0),))]
    stack = 3 * GIB + 512
    machine.run(machine.block([Access(Kind.STORE, 64)], [Exit(1, 1, JUMP)]), stack - 8)
    machine.run(machine.block(spill, [Exit(2, 3, JUMP)]), machine.fresh(1), stack)
    # WHEN it is loaded from there again, or something that overlaps it or lies beside it, and followed
    back = [Access(Kind.LOAD, size, 0x1008), load((LOADED, 0))]
    machine.run(machine.block(back, [Exit(2, 3, JUMP)], 0x2000), stack + offset, machine.fresh(1))
    # THEN that load waits for the first one if it follows the pointer
    assert episodes(machine.end()) == [(1, 2, [[(1, length)]])]


def test_a_slot_that_was_overwritten_makes_nobody_wait() -> None:
    # GIVEN a spilled pointer, and another value stored over it
    machine = Machine()
    stack = 3 * GIB
    spill = [load(), Access(Kind.STORE, 8, 0x1004, (), ((LOADED, 0),)), Access(Kind.STORE, 8, 0x1008, (), ((5, 0),))]
    machine.run(machine.block([Access(Kind.STORE, 64)], [Exit(1, 1, JUMP)]), stack)
    machine.run(machine.block(spill, [Exit(3, 4, JUMP)]), machine.fresh(1), stack, stack)
    # WHEN the slot is loaded and followed
    back = [load(), load((LOADED, 0))]
    machine.run(machine.block(back, [Exit(2, 3, JUMP)], 0x2000), stack, machine.fresh(1))
    # THEN the two misses overlap
    assert episodes(machine.end()) == [(1, 2, [[(1, 1)]])]


def test_who_loads_a_line_that_is_on_its_way_waits_for_it() -> None:
    # GIVEN a load that misses, and another of the same line whose value is an address
    machine = Machine()
    line = machine.fresh(1)
    block = machine.block([load(), load(), load((LOADED + 1, 0))], [Exit(3, 4, JUMP)])
    machine.run(block, line, line + 8, machine.fresh(2))
    # THEN what is loaded from there comes after the line
    assert episodes(machine.end()) == [(1, 2, [[(1, 1), (2, 1)]])]


def test_a_wrong_guess_that_waits_for_a_load_ends_the_episode() -> None:
    # GIVEN a branch on a value that misses, which is not taken as it was before, and another load behind it
    machine = Machine(predictor_bits=4)
    block = machine.block([load(), load()], [Exit(1, 2, ExitKind.BRANCH, ((LOADED, 1),)), Exit(2, 4, JUMP)])
    hit = 9 * GIB
    machine.run(machine.block([load()], [Exit(1, 300, JUMP)], 0x5000), hit)
    for _ in range(8):  # taken, until every counter that its history leads to says so
        machine.run(block, hit)
    machine.run(block, machine.fresh(1), machine.fresh(2), left=1)
    # THEN the two misses do not overlap, though neither waits for the other
    assert episodes(machine.end()) == [(1, 1, [[(9, 1)]]), (1, 1, [[(1, 1)]]), (1, 1, [[(2, 1)]])]


def test_a_right_guess_lets_the_episode_go_on() -> None:
    # GIVEN the same branch, guessed right
    machine = Machine()
    block = machine.block([load(), load()], [Exit(1, 2, ExitKind.BRANCH, ((LOADED, 1),)), Exit(2, 4, JUMP)])
    machine.run(block, machine.fresh(1), machine.fresh(2), left=1)
    # THEN the misses overlap
    assert episodes(machine.end()) == [(1, 2, [[(1, 1)], [(2, 1)]])]


@pytest.mark.parametrize("kind", [Kind.FENCE, Kind.UPDATE])
def test_nothing_overlaps_across_a_fence(kind: Kind) -> None:
    # GIVEN a fence, or a locked update of a line that is there, between two loads
    machine = Machine()
    there = 9 * GIB
    machine.run(machine.block([Access(Kind.STORE)], [Exit(1, 1, JUMP)], 0x5000), there)
    block = machine.block([load(), Access(kind), load()], [Exit(3, 6, JUMP)])
    machine.run(block, machine.fresh(1), there if kind == Kind.UPDATE else 0, machine.fresh(2))
    profile = machine.end()
    # THEN they are two episodes
    assert episodes(profile) == [(1, 1, [[(1, 1)]]), (1, 1, [[(2, 1)]])]
    assert profile.threads["fences"].tolist() == [1]


def test_a_locked_update_that_misses_is_an_episode_of_its_own() -> None:
    # GIVEN locked updates of missing lines
    machine = Machine()
    block = machine.block([Access(Kind.UPDATE)], [Exit(1, 2, JUMP)])
    for _ in range(5):
        machine.run(block, machine.fresh(1))
    profile = machine.end()
    # THEN none overlaps with the next, and each is a load and a store
    assert episodes(profile) == [(5, 5, [[(1, 1)]])]
    [row] = profile.objects.to_dict("records")
    assert (row["loads"], row["stores"], row["far_loads"], row["rfo_lines"]) == (5, 5, 5, 0)


def test_stores_that_miss_wait_for_nobody() -> None:
    # GIVEN stores to missing lines
    machine = Machine()
    block = machine.block([Access(Kind.STORE)], [Exit(1, 2, JUMP)])
    for _ in range(20):
        machine.run(block, machine.fresh(1))
    profile = machine.end()
    # THEN they make no episode, and their lines are counted as fetched for stores
    assert episodes(profile) == []
    [row] = profile.objects.to_dict("records")
    assert (row["stores"], row["l2_misses"], row["rfo_lines"], row["far_loads"]) == (20, 20, 20, 0)


def test_a_line_that_a_prefetch_brought_is_no_miss() -> None:
    # GIVEN software prefetches, and loads of their lines
    machine = Machine()
    block = machine.block([Access(Kind.PREFETCH), load()], [Exit(2, 3, JUMP)])
    for _ in range(5):
        line = machine.fresh(1)
        machine.run(block, line, line)
    profile = machine.end()
    # THEN no load misses
    assert episodes(profile) == []
    [row] = profile.objects.to_dict("records")
    assert (row["loads"], row["prefetched_lines"], row["prefetched_used"], row["far_loads"]) == (5, 5, 5, 0)


@pytest.mark.parametrize("buffers", [1, 4, 10, 64])
def test_no_more_misses_overlap_than_there_are_buffers(buffers: int) -> None:
    # GIVEN 64 independent misses within one window
    machine = Machine(miss_buffers=buffers)
    block = machine.block([load()], [Exit(1, 1, JUMP)])
    for _ in range(64):
        machine.run(block, machine.fresh(1))
    profile = machine.end()
    # THEN they take as many episodes as it needs to have buffers for all
    assert profile.episodes["count"].sum() == -(-64 // buffers)
    assert profile.episodes["misses"].sum() == 64


def test_no_miss_overlaps_with_one_a_window_later() -> None:
    # GIVEN misses a hundred instructions apart, in a window of 224
    machine = Machine()
    block = machine.block([load()], [Exit(1, 100, JUMP)])
    for _ in range(9):
        machine.run(block, machine.fresh(1))
    profile = machine.end()
    # THEN three overlap at a time, and hide no more than a window's instructions take
    assert episodes(profile) == [(3, 9, [[(1, 1)]])]
    assert profile.episodes["instructions"].tolist() == [3 * 224]
    assert profile.episodes["base_cycles"].tolist() == [3 * 224 // 4]


def test_chains_of_many_kinds_overflow_into_more_rows() -> None:
    # GIVEN more different episodes than a thread's table has rows: chases through four objects in all mixtures
    machine = Machine(miss_buffers=64, window_instructions=4096)
    block = machine.block(*CHASE)
    fence = machine.block([Access(Kind.FENCE)], [Exit(1, 1, JUMP)], 0x2000)
    mixtures = [(a, b, c, d) for a in range(9) for b in range(9) for c in range(9) for d in range(9) if a + b + c + d][:5000]
    lines = np.random.default_rng(5).permutation(1 << 18)
    words: list[int] = []
    taken = 0
    for mixture in mixtures:
        for number, times in enumerate(mixture, 1):
            for _ in range(times):
                words += [block.exits[0].word, number * GIB + int(lines[taken % lines.size]) * 4096]
                taken += 1
        words += [fence.exits[0].word, 0]
    machine.simulator.feed(0, np.array(words, np.uint64))
    profile = machine.end()
    # THEN none is lost
    assert len(profile.episodes) == profile.episodes["count"].sum() == len(mixtures)
    assert profile.nodes["count"].sum() == sum(map(sum, mixtures))


def base_cycles(machine: Machine) -> int:
    [cycles] = machine.end().threads["base_cycles"]
    return int(cycles)


def test_instructions_that_wait_for_nothing_go_by_the_width() -> None:
    # GIVEN a million instructions without accesses
    machine = Machine()
    block = machine.block([], [Exit(0, 10, JUMP, transfers=((0, ((0, 1),)),))])
    machine.simulator.feed(0, np.full(100_000, block.exits[0].word, np.uint64))
    # THEN four go a cycle
    assert base_cycles(machine) == 250_000


def test_a_chain_of_additions_goes_by_its_latency() -> None:
    # GIVEN a loop of ten instructions whose sum takes four cycles a turn
    machine = Machine()
    block = machine.block([], [Exit(0, 10, JUMP, transfers=((0, ((0, 4),)),))])
    machine.simulator.feed(0, np.full(100_000, block.exits[0].word, np.uint64))
    # THEN it takes four cycles a turn, but for the window that is still under way at the end
    assert 400_000 - 4 * 24 <= base_cycles(machine) <= 400_000


def test_a_chase_in_l1_goes_by_its_latency() -> None:
    # GIVEN a chase through one line
    machine = Machine()
    block = machine.block(*CHASE)
    words = np.empty((100_000, 2), np.uint64)
    words[:, 0], words[:, 1] = block.exits[0].word, GIB
    machine.simulator.feed(0, words)
    # THEN it takes L1's five cycles a link, but for the window that is still under way at the end
    assert 500_000 - 5 * 113 <= base_cycles(machine) <= 500_000 + 14


def test_a_wrong_guess_costs_what_the_condition_waits_and_the_penalty() -> None:
    # GIVEN a branch that goes at random, on what a chase in L1 brings
    machine = Machine()
    accesses = [load((0, 0))]
    transfers = ((0, ((LOADED, 0),)),)
    exits = [Exit(1, 3, ExitKind.BRANCH, ((LOADED, 1),), transfers), Exit(1, 3, JUMP, transfers=transfers)]
    block = machine.block(accesses, exits)
    left = np.random.default_rng(3).integers(0, 2, 20_000)
    words = np.empty((left.size, 2), np.uint64)
    words[:, 0], words[:, 1] = np.array([exit.word for exit in block.exits], np.uint64)[left], GIB
    machine.simulator.feed(0, words)
    [row] = machine.end().threads.to_dict("records")
    # THEN half of the guesses are wrong
    assert row["branches"] == 20_000
    assert row["mispredicts"] == pytest.approx(10_000, rel=0.1)
    # AND each costs at least the load, the comparison and the penalty; at most as if all before it had been waited for
    assert row["mispredicts"] * (5 + 1 + 16) <= row["base_cycles"] <= row["mispredicts"] * (1 + 16) + 20_000 * 5 + 14


def test_a_computed_jump_is_guessed_by_where_it_went_last_and_a_return_is_known() -> None:
    # GIVEN a jump that goes to two places in turn, and one that returns from them
    machine = Machine()
    jump = machine.block([], [Exit(0, 1, ExitKind.INDIRECT)], 0x1000)
    places = [machine.block([], [Exit(0, 1, ExitKind.RETURN)], address) for address in (0x2000, 0x3000)]
    for k in range(100):
        machine.run(jump)
        machine.run(places[k // 10 % 2])
    [row] = machine.end().threads.to_dict("records")
    # THEN only the jumps to another place than before are wrong, the first one too
    assert (row["branches"], row["mispredicts"]) == (200, 10)
