"""Which access a sample waited for: by which ways control may have come to the sampled instruction, and what stands at their ends."""

from collections.abc import Iterator
from typing import NamedTuple

from tierprof.profiler.recover.code import Stretch
from tierprof.profiler.recover.instruction import ACCESS_LOAD, ACCESS_UPDATE

# How far back copies are followed.
_PATH_STEPS = 24
# How far before an instruction that waited for a value the load of it may be.
_PRODUCER_STEPS = 4
# How far after a mispredicted branch time may still be spent on it.
_BRANCH_STEPS = 3
_FUSED_WITH_BRANCH = ("cmp", "test", "add", "sub", "inc", "dec", "and")


ACCESS, VALUE, BRANCH = "access", "value", "branch"


class Way(NamedTuple):
    """Rows of instructions that ran one after the other before the sampled one, and which of them accessed what was waited for."""

    rows: list[int]
    accessing: int  # position in rows
    waited_for: str  # ACCESS: it ran last; VALUE: what ran last needed its value; BRANCH: a branch on its value led here


def ways(stretch: Stretch, row: int) -> Iterator[Way]:
    """The accesses that a sample may have waited for, likeliest first.

    A load that misses keeps everything behind it from retiring, so the sample lands right after it: an access at the end of a way
    comes first. Loads that hit retire together with what follows, and the sample lands after the first instruction that needs the
    value. After a mispredicted branch it lands on the first instructions of the right path: those wait for what the branch compared.
    """
    starts = [path_to(stretch, source) for source in sources(stretch, row)]
    for rows in starts:
        at = _last_that_counts(stretch, rows)
        instruction = stretch.instruction(rows[at])
        if instruction is not None and instruction.memory is not None:
            yield Way(rows, at, ACCESS)
    for rows in starts:
        if stretch.mnemonics[rows[-1]][0] != "j":
            yield from _producer(stretch, rows, len(rows) - 1, VALUE)
    for rows in starts:
        yield from _steering(stretch, rows)


def sources(stretch: Stretch, row: int) -> list[int]:
    """Rows that may have run just before: jumps back first (loops are where the time is), then what falls through, then jumps ahead."""
    jumps = stretch.jumps_to.get(stretch.offsets[row], [])
    back = [jump for jump in jumps if jump >= row]
    ahead = [jump for jump in jumps if jump < row]
    falls = [row - 1] if row > 0 and stretch.falls_through(row - 1) else []
    return back + falls + ahead


def path_to(stretch: Stretch, source: int) -> list[int]:
    """Rows that surely ran before and including the source, in order: back to where control may have come from elsewhere."""
    rows = [source]
    while len(rows) < _PATH_STEPS:
        row = rows[-1]
        if row == 0 or not stretch.falls_through(row - 1) or stretch.offsets[row] in stretch.jumps_to:
            break
        rows.append(row - 1)
    return rows[::-1]


def _last_that_counts(stretch: Stretch, rows: list[int]) -> int:
    """Position of the last instruction that a core can wait for: not padding; the comparison, where a branch is fused with one."""
    at = len(rows) - 1
    while at > 0 and _is_padding(stretch, rows[at]):
        at -= 1
    return _compared(stretch, rows, at) if stretch.is_branch(rows[at]) else at


def _compared(stretch: Stretch, rows: list[int], branch: int) -> int:
    """Position of the comparison that is fused with a branch; the branch's own where there is none."""
    fused = branch > 0 and stretch.mnemonics[rows[branch - 1]] in _FUSED_WITH_BRANCH
    return branch - 1 if fused else branch


def _is_padding(stretch: Stretch, row: int) -> bool:
    instruction = stretch.instruction(row)
    return instruction is not None and instruction.is_padding


def _producer(stretch: Stretch, rows: list[int], waiting: int, waited_for: str) -> Iterator[Way]:
    """The load whose value the instruction at position `waiting` needs, directly or through a few others."""
    instruction = stretch.instruction(rows[waiting])
    needed = set(instruction.reads) if instruction is not None else set()
    for earlier in range(waiting - 1, max(waiting - 1 - _PRODUCER_STEPS, -1), -1):
        step = stretch.instruction(rows[earlier])
        if step is None or step.mnemonic == "call":
            return
        if step.result not in needed:
            continue
        if step.memory is not None and step.memory.access == ACCESS_LOAD:
            yield Way(rows, earlier, waited_for)
            return
        needed = (needed - {step.result}) | step.reads


def _steering(stretch: Stretch, rows: list[int]) -> Iterator[Way]:
    """What the branch compared that led to the last few instructions of a way, none of which accesses memory."""
    for first in range(len(rows) - 1, max(len(rows) - 1 - _BRANCH_STEPS, -1), -1):
        if stretch.is_branch(rows[first]):
            yield from _branch_operand(stretch, rows, first)
            return
        instruction = stretch.instruction(rows[first])
        if instruction is None or instruction.memory is not None:
            return
        if first == 0 and stretch.offsets[rows[0]] in stretch.jumps_to:
            for source in sources(stretch, rows[0]):
                path = path_to(stretch, source)
                if stretch.is_branch(source):
                    yield from _branch_operand(stretch, path + rows, len(path) - 1)


def _branch_operand(stretch: Stretch, rows: list[int], branch: int) -> Iterator[Way]:
    at = _compared(stretch, rows, branch)
    instruction = stretch.instruction(rows[at])
    if instruction is not None and instruction.memory is not None and instruction.memory.access in (ACCESS_LOAD, ACCESS_UPDATE):
        yield Way(rows, at, BRANCH)
    elif at != branch:
        yield from _producer(stretch, rows, at, BRANCH)
