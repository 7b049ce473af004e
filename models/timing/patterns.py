"""Simple access patterns as the simulator sees them: what PerMA-Bench's loops do, an operation at a time.

PerMA-Bench (Benson, Papke, Rabl, PVLDB 15(11), 2022; https://github.com/hpides/perma-bench) publishes what these patterns reach
on Optane and on DRAM. What an operation is was read in its sources, not tried out against its results:

- Raw patterns (``io_operation.hpp``, ``read_write_ops.hpp``) walk a list of addresses that was drawn beforehand, one 8-byte
  pointer an operation, and move ``bytes`` at each with 512-bit loads or stores. Operations do not depend on each other. Writes
  with ``nocache`` are non-temporal stores and an sfence an operation; with ``none`` plain stores and no fence.
- Random addresses are multiples of ``bytes``, uniform over 10 GiB. Sequential ones are dealt out: with one partition, its
  default, thread t of T takes operations t, t + T, t + 2T ... (``benchmark.cpp``).
- Custom reads of more than 512 bytes read their first 512 over and over: `simd_read` of one address steps through the range, but
  loads from its start. (Raw patterns of that size go through another function, which does not.)
- Custom operations draw each read's address (a 64-bit Lehmer generator, then an unsigned division by the size of the range)
  from a base that is the same for every operation: reads of one operation would depend on each other, operations do not. A
  write goes where the read before it went. After it come clwb, clflushopt or nothing, and an sfence unless it is nothing.
- The region is a file on fsdax or anonymous memory with huge pages: both are mapped with 2 MiB pages.

The counts of micro-operations are what gcc 12 -O3 makes of code of this shape; a window of the core holds micro-operations, and
one division is 36 of them on Cascade Lake, 4 on Ice Lake (uops.info, DIV R64), so it matters where.

clwb and clflushopt are taken as non-temporal stores: the line has just been read, goes to memory, and leaves the caches. That
is exact for clflushopt, and for clwb on Cascade Lake (which drops the line, too); Ice Lake keeps the line, which nothing here
reads again. sfence is taken as the simulator takes any fence: loads do not pass it either, as they may on hardware.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.models.timing.simulator import REGISTERS, Access, Exit, Flows, Kind, Simulator
from tierprof.profiler.exact.profile import ExactProfile

LINE_BYTES = 64
REGION_BYTES = 10 << 30
HUGE_PAGE_BYTES = 2 << 20
#: Objects of the profile: the memory under test, and the lists of addresses, which are always in fast memory.
REGION, ADDRESSES = 1, 2

_REGION_START = 1 << 40
_ADDRESSES_START = 1 << 44
_ADDRESSES_A_THREAD = 1 << 34
_CODE = 0x400000
# Threads take turns of so many operations, short ones where their neighbours' lines matter. Who begins changes.
_TURN_RANDOM, _TURN_SEQUENTIAL = 64, 8


class Core(NamedTuple):
    """What of a processor the count of an operation's micro-operations depends on."""

    division_uops: int
    division_cycles: int


#: uops.info, DIV R64 with a zero high half.
CASCADE_LAKE = Core(division_uops=36, division_cycles=42)
ICE_LAKE = Core(division_uops=4, division_cycles=15)


@dataclass(frozen=True)
class Pattern:
    """A loop of independent operations, run by some threads alike.

    Attributes
    ----------
    accesses : tuple of Access
        Of one operation, in order.
    offsets : tuple of int or None
        Where each access goes, from the operation's place in the region; None: the thread's list of addresses; -1: nowhere (a fence).
    uops : int
        Of one operation, the loop's own included.
    carried_cycles : int
        From one turn of the loop to the next.
    bytes : int
        That one operation moves in the region; its place is a multiple of it.
    threads : int
        That run it.
    sequential : bool
        Whether operations are dealt out in order; else at random.
    dirties : bool
        Whether lines stay dirty in the caches: only full caches then show what is written.
    """

    accesses: tuple[Access, ...]
    offsets: tuple[int | None, ...]
    uops: int
    carried_cycles: int
    bytes: int
    threads: int
    sequential: bool = False
    dirties: bool = False


class Run(NamedTuple):
    """A pattern simulated."""

    profile: ExactProfile
    operations: int  # measured, of all threads


def reads(size: int, threads: int, *, sequential: bool = False) -> Pattern:
    """Reads of `size` bytes each (``random_reads``, ``sequential_reads``)."""
    return _listed(Kind.LOAD, size, threads, sequential=sequential, fence=False)


def writes(size: int, threads: int, *, temporal: bool, sequential: bool = False) -> Pattern:
    """Writes of `size` bytes each: plain stores if `temporal`, else non-temporal ones with a fence after each operation."""
    return _listed(Kind.STORE if temporal else Kind.STORE_NT, size, threads, sequential=sequential, fence=not temporal)


def custom(operations: str, threads: int, core: Core, *, clocked: bool = False, alone: bool = False) -> Pattern:
    """A custom operation: ``rp_64`` or ``rp_64,wp_64_cache``.

    Parameters
    ----------
    operations
        One read, and maybe a write of as many bytes where the read was.
    threads
        That run it.
    core
        For the cost of the division that draws an address.
    clocked
        Whether some operations are timed: the loop then takes another division to find out which.
    alone
        Whether each operation waits for the one before it, as a timed one does (its clock is read behind an lfence).
    """
    read, _, write = operations.partition(",")
    size = int(read.removeprefix("rp_"))
    # Drawing an address: multiply the state, add, divide, mask; dependent on nothing but the state.
    draw_cycles = _LEHMER_CYCLES + core.division_cycles + 2
    uops = _CUSTOM_UOPS + core.division_uops + (_CLOCKED_UOPS + core.division_uops if clocked else 0)
    accesses, offsets = _block_of(Kind.LOAD, size, 0, ((0, draw_cycles),))
    offsets = tuple(offset % _CUSTOM_READ_BYTES for offset in offsets)
    kind = write.removeprefix(f"wp_{size}_")
    if write:
        temporal = kind == "none"
        more, where = _block_of(Kind.STORE if temporal else Kind.STORE_NT, size, len(accesses), ((0, draw_cycles),))
        accesses, offsets = (*accesses, *more), (*offsets, *where)
        uops += _CUSTOM_WRITE_UOPS
        if not temporal:
            accesses, offsets = (*accesses, _fence()), (*offsets, -1)
            # A flush a line, an sfence.
            uops += (size // LINE_BYTES if kind in ("cache", "cacheinv") else 0) + 2
    if alone and (not accesses or accesses[-1].kind != Kind.FENCE):
        accesses, offsets = (*accesses, _fence()), (*offsets, -1)
    uops += len(accesses)
    return Pattern(accesses, offsets, uops, _LEHMER_CYCLES, size, threads, dirties=kind == "none")


# The generator's multiplication (4) and the way of its state through memory, which the benchmark's barrier forces (about 6).
_LEHMER_CYCLES = 10
# Of a function of the benchmark's shape, gcc 12 -O3 makes 65 instructions for an operation that reads a line, counted by single
# steps: call, saved registers, the generator behind its thread-local wrapper, dispatch on kind and size, the copy to the stack,
# vzeroupper. Less the line's load and the division, plus 5 micro-operations for those that take more than one.
_CUSTOM_UOPS = 68
# Another 7, one of them a division; and 22 for a chained write of one line.
_CLOCKED_UOPS = 6
_CUSTOM_WRITE_UOPS = 21
# A custom read goes no further.
_CUSTOM_READ_BYTES = 512
_CLOCKED_UOPS = 8


def _block_of(kind: Kind, size: int, first: int, address: Flows) -> tuple[tuple[Access, ...], tuple[int, ...]]:
    """One access a line of an operation, `first` accesses into it."""
    offsets = tuple(range(0, size, LINE_BYTES))
    accesses = tuple(Access(kind=kind, bytes=LINE_BYTES, pc=_CODE + 8 * (first + at), address=address) for at in range(len(offsets)))
    return accesses, offsets


def _fence() -> Access:
    return Access(kind=Kind.FENCE, bytes=1, pc=_CODE + 4, address=())


def _listed(kind: Kind, size: int, threads: int, *, sequential: bool, fence: bool) -> Pattern:
    """A walk along a list of addresses: load the pointer, move the bytes."""
    pointer = Access(kind=Kind.LOAD, bytes=8, pc=_CODE, address=((0, 0),))
    accesses, offsets = _block_of(kind, size, 1, ((REGISTERS, 0),))
    lines = len(offsets)
    # The pointer's load, one micro-operation a line (fused), the step along the list, compare and branch; beyond 512 bytes an
    # inner loop of eight lines a turn, with two more.
    uops = 1 + lines + 2 + (2 * lines // 8 if lines > 8 else 0)
    steps: tuple[Access, ...] = (pointer, *accesses)
    where: tuple[int | None, ...] = (None, *offsets)
    if fence:
        steps, where, uops = (*steps, _fence()), (*where, -1), uops + 2
    return Pattern(steps, where, uops, 1, size, threads, sequential=sequential, dirties=kind == Kind.STORE)


def simulate(pattern: Pattern, config: Mapping[str, int], *, lines: int = 200_000, seed: int = 1) -> Run:
    """Run a pattern through the simulator until its caches are warm, then measure.

    Parameters
    ----------
    pattern
        What to run.
    config
        The machine's, as `Machine.config` gives it. Threads, pages and slices are set here: one core a thread, 2 MiB pages, one
        slice.
    lines
        To move in the region while measuring, of all threads together.
    seed
        Of the addresses.

    Returns
    -------
    Run
        Every thread is simulated, so that they share L3 and the tier's buffers; together they move `lines` lines.
    """
    operation_lines = max(1, pattern.bytes // LINE_BYTES)
    own = {"cores": pattern.threads, "page_bytes": HUGE_PAGE_BYTES, "slice_instructions": 1 << 40, "seed": seed}
    own |= {"reuse_every": 0, "heat_bytes": 0}  # nobody asks for these
    simulator = Simulator({**config, **own})
    _claim(simulator, pattern.threads)
    exit_word = _loop(simulator, pattern)
    warm_lines = _warm_lines(pattern, config)
    turns_warm, turns = (max(1, -(-count // (operation_lines * _turn(pattern) * pattern.threads))) for count in (warm_lines, lines))
    for mode, first, count in (("warm", 0, turns_warm), ("measure", turns_warm, turns)):
        simulator.mode(mode)
        for turn, words in enumerate(_words(pattern, exit_word, first, count, seed)):
            for place in range(pattern.threads):
                thread = (turn + place) % pattern.threads
                simulator.feed(thread, words[thread])
    return Run(ExactProfile.from_bytes(simulator.end()), turns * _turn(pattern) * pattern.threads)


def _turn(pattern: Pattern) -> int:
    """Operations of one thread in one turn."""
    return _TURN_SEQUENTIAL if pattern.sequential and pattern.threads > 1 else _TURN_RANDOM


def _warm_lines(pattern: Pattern, config: Mapping[str, int]) -> int:
    """Enough to fill the tier's buffers; and every cache, where dirty lines have to push each other out."""
    private = pattern.threads * (config["l1_bytes"] + config["l2_bytes"])
    caches = (config["l3_bytes"] + private) // LINE_BYTES
    return 50_000 + (3 * caches // 2 if pattern.dirties else 0)


def _claim(simulator: Simulator, threads: int) -> None:
    simulator.claim(_REGION_START, REGION_BYTES, REGION)
    simulator.claim(_ADDRESSES_START, threads * _ADDRESSES_A_THREAD, ADDRESSES)


def _loop(simulator: Simulator, pattern: Pattern) -> int:
    """Makes the operation's block; the word for its one exit, the branch back to its start."""
    end = Exit(
        n_accesses=len(pattern.accesses),
        n_instructions=pattern.uops,
        condition=((0, 1),),
        transfers=((0, ((0, pattern.carried_cycles),)),),
    )
    block = simulator.block(_CODE, pattern.accesses, (end,))
    return block.exits[0].word


def _words(pattern: Pattern, exit_word: int, first: int, count: int, seed: int) -> Iterator[NDArray[np.uint64]]:
    """What `count` turns of all threads feed, a turn at a time: (threads, words); `first` turns went before."""
    rng = np.random.default_rng([seed, first])
    places = REGION_BYTES // pattern.bytes
    columns = np.array([-1 if offset is None else offset for offset in pattern.offsets])
    listed, nowhere = np.array([offset is None for offset in pattern.offsets]), np.array([offset == -1 for offset in pattern.offsets])
    threads = np.arange(pattern.threads)[:, None]
    length = _turn(pattern)
    words = np.empty((pattern.threads, length, 1 + columns.size), np.uint64)
    words[..., 0] = exit_word
    for turn in range(first, first + count):
        number = turn * length + np.arange(length)[None, :]
        place = (number * pattern.threads + threads) % places if pattern.sequential else rng.integers(0, places, (pattern.threads, length))
        words[..., 1:] = (_REGION_START + place * pattern.bytes)[..., None] + np.where(listed | nowhere, 0, columns)
        words[..., 1:][..., listed] = (_ADDRESSES_START + threads * _ADDRESSES_A_THREAD + number * 8)[..., None]
        words[..., 1:][..., nowhere] = 0
        yield words.reshape(pattern.threads, -1)
