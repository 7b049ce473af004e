"""What one x86-64 instruction does to addresses: the memory it touches, the registers it writes, and how from the old values."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tierprof.profiler.recover import registers as reg

VECTOR = 100

ACCESS_NONE, ACCESS_LOAD, ACCESS_STORE, ACCESS_UPDATE = range(4)


class Linear(NamedTuple):
    """constant + sum of coefficient x register; the registers are perf's numbers, or `registers.MODULE`."""

    terms: dict[int, Fraction]
    constant: Fraction = Fraction(0)

    def plus(self, other: "Linear", factor: Fraction | int = 1) -> "Linear":
        """This plus `factor` times the other."""
        terms = dict(self.terms)
        for register, coefficient in other.terms.items():
            terms[register] = terms.get(register, Fraction(0)) + factor * coefficient
        return Linear({r: c for r, c in terms.items() if c}, self.constant + factor * other.constant)

    def times(self, factor: Fraction | int) -> "Linear":
        """`factor` times this."""
        return Linear({}).plus(self, factor)


def register_value(number: int) -> Linear:
    """The expression that is one register."""
    return Linear({number: Fraction(1)})


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory operand: base + index x scale + displacement, before the instruction ran."""

    address: Linear
    base: int  # perf's number, registers.NONE or registers.MODULE
    index: int
    access: int
    index_known: bool  # False: the index is a vector register, which is not sampled
    thread_local: bool  # fs or gs


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction.

    `effects` maps a written register to its new value in terms of the old ones, or to None where that is not linear.
    `pointer_written` is the register that an 8-byte load fills: a pointer, perhaps. `reads` and `result` are register operands, of
    general registers by perf's number and of vector registers by `VECTOR` plus theirs; addresses and flags are not among them.
    """

    offset: int
    size: int
    mnemonic: str
    memory: Memory | None
    effects: dict[int, Linear | None]
    pointer_written: int
    reads: frozenset[int]
    result: int
    repeated: bool

    @property
    def is_padding(self) -> bool:
        """Whether it retires without doing anything, so that a sample cannot have waited for it."""
        return self.mnemonic.startswith(("nop", "endbr", "data16"))

    @property
    def touches_stack(self) -> bool:
        """Whether its memory operand is relative to the stack pointer."""
        return self.memory is not None and self.memory.base == reg.RSP
