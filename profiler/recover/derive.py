"""The recipe for a sampled instruction: the address that was accessed just before it, over the registers sampled at it."""

from fractions import Fraction
from typing import NamedTuple

from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.code import Stretch
from tierprof.profiler.recover.instruction import ACCESS_LOAD, ACCESS_NONE, ACCESS_STORE, Instruction, Linear, register_value
from tierprof.profiler.recover.values import Path
from tierprof.profiler.recover.waits import ACCESS, BRANCH, Way, sources, ways

CONFIDENCE_NONE, CONFIDENCE_CHASE, CONFIDENCE_BASE, CONFIDENCE_EXACT = range(4)

HINT_NONE, HINT_STACK, HINT_RUNTIME, HINT_STATIC, HINT_BRANCH = "", "stack", "runtime", "static", "branch"

# A jump back over no more than this, with one of these inside, is a loop that waits for another thread or for time to pass.
_SPIN_BYTES = 64
_WAITING = frozenset(("pause", "tpause", "umwait", "rdtsc", "rdtscp"))
_SHIFTS = {Fraction(1 << shift): shift for shift in range(7)}
_LIMIT = 1 << 62


class Recipe(NamedTuple):
    """struct tp_recipe of native/common/planfile.h, and what the instruction alone tells (`hint`)."""

    offset: int
    base: int = reg.NONE
    index: int = reg.NONE  # type: ignore[assignment]  # the table's column, and not the method of tuples
    shift: int = 0
    displacement: int = 0
    access: int = ACCESS_NONE
    confidence: int = CONFIDENCE_NONE
    hint: str = HINT_NONE


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
        return _recipe(offset, sampled, sampled.memory.address) or Recipe(offset)
    way = next(ways(stretch, row), None)
    return _without_access(stretch, row) if way is None else _from_way(stretch, offset, way)


def _is_spinning(stretch: Stretch, row: int) -> bool:
    for near in range(max(0, row - 8), min(len(stretch), row + 9)):
        target = stretch.target.get(near)
        if target is None or not 0 <= stretch.offsets[near] - target <= _SPIN_BYTES:
            continue
        first = stretch.rows.get(target)
        if first is not None and first <= row <= near and not _WAITING.isdisjoint(stretch.mnemonics[first : near + 1]):
            return True
    return stretch.mnemonics[row] == "pause"


def _without_access(stretch: Stretch, row: int) -> Recipe:
    offset = stretch.offsets[row]
    if row == 0:
        # A function's first instruction: a call pushed the return address.
        return Recipe(offset, reg.RSP, access=ACCESS_STORE, confidence=CONFIDENCE_EXACT, hint=HINT_STACK)
    before = sources(stretch, row)
    return Recipe(offset, hint=HINT_BRANCH if not before or stretch.mnemonics[before[0]][0] == "j" else HINT_NONE)


def _from_way(stretch: Stretch, offset: int, way: Way) -> Recipe:
    steps = [instruction for row in way.rows if (instruction := stretch.instruction(row)) is not None]
    if len(steps) != len(way.rows):
        return Recipe(offset)
    accessing = steps[way.accessing]
    if accessing.mnemonic == "call":
        return Recipe(offset, reg.RSP, displacement=-8, access=ACCESS_LOAD, confidence=CONFIDENCE_EXACT, hint=HINT_STACK)
    memory = accessing.memory
    assert memory is not None
    if accessing.repeated:
        # It ran to its end: the registers stand behind the last byte.
        return Recipe(offset, memory.base, displacement=-1, access=memory.access, confidence=CONFIDENCE_EXACT)
    path = Path(steps)
    recipe = _recipe(offset, accessing, path.before(memory.address, way.accessing))
    if recipe is None or recipe.confidence != CONFIDENCE_EXACT:
        recipe = _less_exact(offset, accessing, path, way.accessing)
    if way.waited_for == ACCESS:
        return recipe
    hint = HINT_BRANCH if way.waited_for == BRANCH and recipe.hint == HINT_NONE else recipe.hint
    return recipe._replace(confidence=min(recipe.confidence, CONFIDENCE_BASE), hint=hint)


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
    confidence = CONFIDENCE_EXACT if memory.index_known else CONFIDENCE_BASE
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
