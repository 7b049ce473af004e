"""What a register held before an earlier instruction of a straight path, in terms of the registers sampled after its end."""

from fractions import Fraction

from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.instruction import Instruction, Linear, register_value

_DEPTH = 8


class Path:
    """Instructions that ran one after the other; the sample was taken after the last.

    Parameters
    ----------
    steps
        In the order of execution.
    """

    def __init__(self, steps: list[Instruction]) -> None:
        self._steps = steps

    def before(self, expression: Linear, step: int, depth: int = _DEPTH) -> Linear | None:
        """The expression over registers as they were before `steps[step]`, rewritten over the sampled registers."""
        total = Linear({}, expression.constant)
        for register, coefficient in expression.terms.items():
            value = self._register(register, step, depth)
            if value is None:
                return None
            total = total.plus(value, coefficient)
        return total

    def _register(self, register: int, step: int, depth: int) -> Linear | None:
        if register == reg.MODULE or not any(register in s.effects for s in self._steps[step:]):
            return register_value(register)
        if depth == 0:
            return None
        undone = self._undo(register, step, depth - 1)
        return undone if undone is not None else self._definition(register, step, depth - 1)

    def _undo(self, register: int, step: int, depth: int) -> Linear | None:
        """From the sampled value back through what changed it since: each change must be linear in the register itself."""
        value = register_value(register)
        for later in range(len(self._steps) - 1, step - 1, -1):
            effects = self._steps[later].effects
            if register not in effects:
                continue
            effect = effects[register]
            factor = effect.terms.get(register, Fraction(0)) if effect is not None else Fraction(0)
            if effect is None or factor == 0:
                return None
            rest = Linear({r: c for r, c in effect.terms.items() if r != register}, effect.constant)
            others = self.before(rest, later, depth)
            if others is None:
                return None
            value = value.plus(others, -1).times(1 / factor)
        return value

    def _definition(self, register: int, step: int, depth: int) -> Linear | None:
        """From the instruction that gave the register its value before the step: a copy, or arithmetic on registers that are left."""
        for earlier in range(step - 1, -1, -1):
            effects = self._steps[earlier].effects
            if register in effects:
                effect = effects[register]
                return None if effect is None else self.before(effect, earlier, depth)
        return None
