"""Which instruction a sample waited for, and the recipe for the address it accessed."""

from fractions import Fraction
from typing import NamedTuple

from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.code import Stretch
from tierprof.profiler.recover.instruction import ACCESS_LOAD, ACCESS_NONE, ACCESS_STORE, Instruction, Linear, register_value
from tierprof.profiler.recover.values import Path

CONFIDENCE_NONE, CONFIDENCE_CHASE, CONFIDENCE_BASE, CONFIDENCE_EXACT = range(4)

HINT_NONE, HINT_STACK, HINT_RUNTIME, HINT_STATIC, HINT_BRANCH = "", "stack", "runtime", "static", "branch"

# How far back copies are followed.
_PATH_STEPS = 24
# A jump back over no more than this, with one of these inside, is a loop that waits for another thread or for time to pass.
_SPIN_BYTES = 64
_WAITING = frozenset(("pause", "tpause", "umwait", "rdtsc", "rdtscp"))
_FUSED_WITH_BRANCH = ("cmp", "test", "add", "sub", "inc", "dec", "and")
_SHIFTS = {Fraction(1 << shift): shift for shift in range(7)}
_LIMIT = 1 << 62


class Recipe(NamedTuple):
    """struct tp_recipe of native/common/planfile.h, and what the instruction alone tells (`hint`)."""

    offset: int
    base: int = reg.NONE
    index: int = reg.NONE
    shift: int = 0
    displacement: int = 0
    access: int = ACCESS_NONE
    confidence: int = CONFIDENCE_NONE
    hint: str = HINT_NONE


class _Candidate(NamedTuple):
    """A way by which control came to the sampled instruction: rows in the order of execution, the last at distance 1."""

    rows: list[int]
    accessing: int  # position in rows of the instruction that may have waited; -1: none touches memory


def derive(stretch: Stretch, row: int) -> Recipe:
    """The recipe for samples on an instruction.

    Parameters
    ----------
    stretch
        The code around it.
    row
        Row of the sampled instruction in the stretch.
    """
    offset = stretch.offsets[row]
    sampled = stretch.instruction(row)
    if _is_spinning(stretch, row):
        return Recipe(offset, hint=HINT_RUNTIME)
    if sampled is not None and sampled.repeated and sampled.memory is not None:
        # The instruction pointer of an interrupted rep stays on it, and the registers have moved on.
        return _recipe(offset, sampled, sampled.memory.address)
    ways = [_candidate(stretch, source) for source in _sources(stretch, row)]
    for way in ways:
        if way.accessing >= 0:
            return _from_way(stretch, offset, way)
    if not ways:
        return _without_predecessor(stretch, row)
    last = stretch.mnemonics[ways[0].rows[-1]]
    return Recipe(offset, hint=HINT_BRANCH if last[0] == "j" else HINT_NONE)


def _sources(stretch: Stretch, row: int) -> list[int]:
    """Rows that may have run just before: jumps back first (loops are where the time is), then what falls through, then jumps ahead."""
    jumps = stretch.jumps_to.get(stretch.offsets[row], [])
    back = [jump for jump in jumps if jump >= row]
    ahead = [jump for jump in jumps if jump < row]
    falls = [row - 1] if row > 0 and stretch.falls_through(row - 1) else []
    return back + falls + ahead


def _candidate(stretch: Stretch, source: int) -> _Candidate:
    rows = _path_rows(stretch, source)
    at = len(rows) - 1
    while at > 0 and _is_padding(stretch, rows[at]):
        at -= 1
    if at > 0 and stretch.is_branch(rows[at]) and stretch.mnemonics[rows[at - 1]] in _FUSED_WITH_BRANCH:
        at -= 1
    instruction = stretch.instruction(rows[at])
    accesses = instruction is not None and instruction.memory is not None
    return _Candidate(rows, at if accesses else -1)


def _is_padding(stretch: Stretch, row: int) -> bool:
    instruction = stretch.instruction(row)
    return instruction is not None and instruction.is_padding


def _path_rows(stretch: Stretch, source: int) -> list[int]:
    """Rows that surely ran before and including the source, in order: back to where control may have come from elsewhere."""
    rows = [source]
    while len(rows) < _PATH_STEPS:
        row = rows[-1]
        if row == 0 or not stretch.falls_through(row - 1) or stretch.offsets[row] in stretch.jumps_to:
            break
        rows.append(row - 1)
    return rows[::-1]


def _is_spinning(stretch: Stretch, row: int) -> bool:
    for near in range(max(0, row - 8), min(len(stretch), row + 9)):
        target = stretch.target.get(near)
        if target is None or not 0 <= stretch.offsets[near] - target <= _SPIN_BYTES:
            continue
        first = stretch.rows.get(target)
        if first is not None and first <= row <= near and not _WAITING.isdisjoint(stretch.mnemonics[first : near + 1]):
            return True
    return stretch.mnemonics[row] == "pause"


def _without_predecessor(stretch: Stretch, row: int) -> Recipe:
    offset = stretch.offsets[row]
    if row == 0:
        # A function's first instruction: a call pushed the return address.
        return Recipe(offset, reg.RSP, access=ACCESS_STORE, confidence=CONFIDENCE_EXACT, hint=HINT_STACK)
    return Recipe(offset, hint=HINT_BRANCH)


def _from_way(stretch: Stretch, offset: int, way: _Candidate) -> Recipe:
    steps = [instruction for row in way.rows if (instruction := stretch.instruction(row)) is not None]
    if len(steps) != len(way.rows):
        return Recipe(offset)
    accessing = steps[way.accessing]
    if accessing.mnemonic == "call":
        return Recipe(offset, reg.RSP, displacement=-8, access=ACCESS_LOAD, confidence=CONFIDENCE_EXACT, hint=HINT_STACK)
    memory = accessing.memory
    assert memory is not None
    path = Path(steps)
    address = path.before(memory.address, way.accessing)
    recipe = _recipe(offset, accessing, address) if address is not None else None
    if recipe is not None and recipe.confidence == CONFIDENCE_EXACT:
        return recipe
    return _less_exact(offset, accessing, path, way.accessing)


def _recipe(offset: int, accessing: Instruction, address: Linear | None) -> Recipe | None:
    """The recipe for an address over sampled registers; None where base + (index << shift) + displacement cannot express it."""
    memory = accessing.memory
    assert memory is not None
    hint = HINT_STATIC if memory.thread_local or memory.base == reg.MODULE else HINT_STACK if accessing.touches_stack else HINT_NONE
    if memory.thread_local:
        return Recipe(offset, access=memory.access, confidence=CONFIDENCE_EXACT, hint=hint)
    if address is None or address.constant.denominator != 1 or abs(address.constant) >= _LIMIT:
        return None
    terms = sorted(address.terms.items(), key=lambda term: (term[1], term[0] != memory.base))
    confidence = CONFIDENCE_EXACT if memory.bits_of_index_known else CONFIDENCE_BASE
    if len(terms) > 2 or not all(coefficient in _SHIFTS for _, coefficient in terms):
        return None
    if not terms or (len(terms) == 2 and terms[0][1] != 1):
        return None
    if terms[0][1] != 1:
        terms = [(reg.NONE, Fraction(1)), terms[0]]
    base = terms[0][0]
    index, scale = terms[1] if len(terms) == 2 else (reg.NONE, Fraction(1))
    if index == reg.MODULE:
        base, index = index, base
    return Recipe(offset, base, index, _SHIFTS[scale], int(address.constant), memory.access, confidence, hint)


def _less_exact(offset: int, accessing: Instruction, path: Path, step: int) -> Recipe:
    """The base register alone where the index is lost; the loaded pointer where the base itself was overwritten by it."""
    memory = accessing.memory
    assert memory is not None
    hint = HINT_STACK if accessing.touches_stack else HINT_NONE
    # An index that is not scaled may be the pointer, and what stands as the base the index.
    pointers = [memory.base] + ([memory.index] if memory.address.terms.get(memory.index) == 1 else [])
    for pointer in pointers:
        if pointer in (reg.NONE, reg.MODULE):
            continue
        value = path.before(register_value(pointer), step)
        recipe = _recipe(offset, accessing, value.plus(Linear({}, memory.address.constant))) if value is not None else None
        if recipe is not None:
            return recipe._replace(confidence=CONFIDENCE_BASE)
    if memory.index == reg.NONE and accessing.pointer_written == memory.base != reg.NONE:
        return Recipe(offset, memory.base, access=memory.access, confidence=CONFIDENCE_CHASE, hint=hint)
    if memory.base == reg.MODULE:
        return Recipe(
            offset,
            reg.MODULE,
            displacement=int(memory.address.constant),
            access=memory.access,
            confidence=CONFIDENCE_BASE,
            hint=HINT_STATIC,
        )
    return Recipe(offset, access=memory.access, hint=hint)
