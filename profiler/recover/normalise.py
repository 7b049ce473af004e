"""capstone's detailed instructions in the few terms that attribution needs: the only code that knows capstone's tables."""

from fractions import Fraction

import capstone
from capstone import x86

from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.instruction import (
    ACCESS_LOAD,
    ACCESS_NONE,
    ACCESS_STORE,
    ACCESS_UPDATE,
    VECTOR,
    Instruction,
    Linear,
    Memory,
    register_value,
)

_STORES = (
    "mov",
    "vmov",
    "set",
    "vextract",
    "extract",
    "pextr",
    "vpextr",
    "stos",
    "fst",
    "fist",
    "movnt",
    "vpscatter",
    "vscatter",
    "vmaskmov",
    "vpmaskmov",
)
_READ_ONLY = (
    "cmp",
    "test",
    "bt",
    "push",
    "call",
    "jmp",
    "mul",
    "imul",
    "div",
    "idiv",
    "prefetch",
    "fld",
    "fild",
    "fadd",
    "fmul",
    "lods",
    "scas",
    "ucomis",
    "comis",
    "vucomis",
    "vcomis",
    "vcmp",
    "ldmxcsr",
)
_BIT_UPDATES = ("bts", "btr", "btc")
_NO_ACCESS = ("lea", "nop", "endbr", "clflush", "invlpg")
_COMPARISONS = ("cmp", "test", "ucomis", "comis", "vucomis", "vcomis", "ptest", "vptest", "bt")
# Two-operand instructions whose first operand is only written.
_REPLACING = (
    "mov",
    "vmov",
    "lea",
    "cvt",
    "vcvt",
    "sqrt",
    "pmov",
    "vpmov",
    "pshuf",
    "bsf",
    "bsr",
    "tzcnt",
    "lzcnt",
    "popcnt",
    "vpbroadcast",
    "vbroadcast",
)
_ONLY_READING = ("cmp", "test", "push", "bt", "jmp")
_STRING = {"movs", "stos", "lods", "cmps", "scas"}
_STRING_OPCODES = {0xA4, 0xA5, 0xA6, 0xA7, *range(0xAA, 0xB0)}


def _access(mnemonic: str, position: int) -> int:
    """Loads, stores or both, by the operand's place: capstone's own flags are missing for many vector instructions."""
    if position > 0:
        return ACCESS_UPDATE if mnemonic.endswith("xchg") else ACCESS_LOAD
    plain = mnemonic.removeprefix("lock ")
    if plain.startswith(_BIT_UPDATES):
        return ACCESS_UPDATE
    if plain.startswith(_STORES) or plain == "pop":
        return ACCESS_STORE
    return ACCESS_LOAD if plain.startswith(_READ_ONLY) else ACCESS_UPDATE


class Normaliser:
    """Turns capstone's detailed instructions into `Instruction`; keeps the names of registers."""

    def __init__(self) -> None:
        self.engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self.engine.detail = True
        names = {number: self.engine.reg_name(number) or "" for number in range(1, x86.X86_REG_ENDING)}
        self._parts = {number: reg.PARTS[name] for number, name in names.items() if name in reg.PARTS}
        self._data = {number: part[0] for number, part in self._parts.items()}
        self._data |= {number: VECTOR + int(name[3:]) for number, name in names.items() if name[:3] in ("xmm", "ymm", "zmm")}
        self._zero = {number for number, name in names.items() if name in ("riz", "eiz")}

    def normalise(self, code: capstone.CsInsn) -> Instruction:
        """One instruction; offsets are those that the engine was given."""
        mnemonic = code.mnemonic
        stem = mnemonic.split()[-1]
        operands = code.operands
        memory = self._memory(code, stem, operands)
        effects: dict[int, Linear | None] = {}
        for number in self._written(code):
            effects[number] = None
        self._linear_effects(code, stem, operands, effects)
        pointer = reg.NONE
        if memory is not None and memory.access == ACCESS_LOAD and operands and operands[0].type == x86.X86_OP_REG:
            number, bits = self._parts.get(operands[0].reg, (reg.NONE, 0))
            pointer = number if bits == 64 and stem == "mov" else reg.NONE
        reads, result = self._dataflow(stem, operands)
        return Instruction(code.address, code.size, stem, memory, effects, pointer, reads, result, mnemonic.startswith("rep"))

    def _dataflow(self, stem: str, operands: list) -> tuple[frozenset[int], int]:
        """Registers whose values go into the result, and the register that holds it."""
        used = [self._data.get(operand.reg, reg.NONE) if operand.type == x86.X86_OP_REG else reg.NONE for operand in operands]
        keeps_nothing = stem.startswith(_COMPARISONS)
        replaces = len(operands) > 2 or stem.startswith(_REPLACING)
        reads = set(used if keeps_nothing or not replaces else used[1:])
        if stem == "lea" and operands[1].type == x86.X86_OP_MEM:
            reads |= {self._data.get(r, reg.NONE) for r in (operands[1].mem.base, operands[1].mem.index)}
        result = reg.NONE if keeps_nothing or not used else used[0]
        return frozenset(reads - {reg.NONE}), result

    def _written(self, code: capstone.CsInsn) -> set[int]:
        stem = code.mnemonic.split()[-1]
        if stem == "call":
            return set(reg.CALL_CLOBBERED)
        if stem == "syscall":
            return {reg.RAX, reg.RCX, reg.R11}
        written = {self._parts[r][0] for r in code.regs_access()[1] if r in self._parts}
        first = code.operands[0] if code.operands and stem not in _ONLY_READING else None
        if first is not None and first.type == x86.X86_OP_REG and first.reg in self._parts:
            written.add(self._parts[first.reg][0])
        return written

    # -- memory ------------------------------------------------------------------------------------------------------

    def _memory(self, code: capstone.CsInsn, stem: str, operands: list) -> Memory | None:
        if stem.startswith(_NO_ACCESS):
            return None
        implicit = _stack_access(stem, operands)
        found = [(place, operand) for place, operand in enumerate(operands) if operand.type == x86.X86_OP_MEM]
        if found and _is_string(code, stem):
            return self._string_memory(stem, found)
        if not found:
            return implicit
        place, operand = found[0]
        return self._operand(code, operand.mem, _access(code.mnemonic, place))

    def _operand(self, code: capstone.CsInsn, mem: x86.X86OpMem, access: int) -> Memory:
        address = Linear({}, Fraction(mem.disp))
        local = mem.segment in (x86.X86_REG_FS, x86.X86_REG_GS)
        base = index = reg.NONE
        known = True
        if mem.base in (x86.X86_REG_RIP, x86.X86_REG_EIP):
            base = reg.MODULE
            address = Linear({reg.MODULE: Fraction(1)}, Fraction(mem.disp + code.address + code.size))
        elif mem.base in self._parts:
            base = self._parts[mem.base][0]
            address = address.plus(register_value(base))
        if mem.index in self._parts:
            index = self._parts[mem.index][0]
            address = address.plus(register_value(index), mem.scale)
        elif mem.index != 0 and mem.index not in self._zero:
            known = False
        return Memory(address, base, index, access, known, local)

    def _string_memory(self, stem: str, found: list) -> Memory:
        """The side of a string instruction that waits: the source where it has one, else the destination."""
        source = stem[:-1] in ("movs", "lods", "cmps")
        register = reg.RSI if source else reg.RDI
        access = ACCESS_STORE if stem[:-1] == "stos" else ACCESS_LOAD
        return Memory(register_value(register), register, reg.NONE, access, True, False)

    # -- effects -----------------------------------------------------------------------------------------------------

    def _linear_effects(self, code: capstone.CsInsn, stem: str, operands: list, effects: dict[int, Linear | None]) -> None:
        if stem in ("push", "pop", "call", "ret"):
            effects[reg.RSP] = Linear({reg.RSP: Fraction(1)}, Fraction({"push": -8, "pop": 8, "call": 0, "ret": 8}[stem]))
            return
        if _is_string(code, stem):
            self._string_effects(code, stem, effects)
            return
        if stem in ("cdqe", "cwde"):
            effects[reg.RAX] = register_value(reg.RAX)
            return
        if not operands or operands[0].type != x86.X86_OP_REG or operands[0].reg not in self._parts:
            return
        target, bits = self._parts[operands[0].reg]
        if bits < 32:
            return
        if stem == "xchg" and operands[1].type == x86.X86_OP_REG:
            other = self._parts[operands[1].reg][0]
            effects[target], effects[other] = register_value(other), register_value(target)
            return
        effects[target] = self._new_value(code, stem, operands, target)

    def _string_effects(self, code: capstone.CsInsn, stem: str, effects: dict[int, Linear | None]) -> None:
        if code.mnemonic.startswith("rep"):
            return
        step = Fraction({"b": 1, "w": 2, "d": 4, "q": 8}[stem[-1]])
        for register in (reg.RSI, reg.RDI):
            if register in effects:
                effects[register] = Linear({register: Fraction(1)}, step)

    def _new_value(self, code: capstone.CsInsn, stem: str, operands: list, target: int) -> Linear | None:
        """What the target register holds afterwards, over the registers before; None where that is not linear."""
        old = register_value(target)
        if stem == "lea":
            memory = self._operand(code, operands[1].mem, ACCESS_NONE)
            return memory.address if memory.index_known else None
        if stem in ("inc", "dec"):
            return old.plus(Linear({}, Fraction(1 if stem == "inc" else -1)))
        if stem == "imul" and len(operands) == 3:
            source = self._source(operands[1])
            return None if source is None else source.times(operands[2].imm)
        source = self._source(operands[1]) if len(operands) == 2 else None
        return None if source is None else _combined(stem, old, source, operands[0].reg == operands[1].reg)

    def _source(self, operand: x86.X86Op) -> Linear | None:
        if operand.type == x86.X86_OP_IMM:
            return Linear({}, Fraction(operand.imm))
        if operand.type == x86.X86_OP_REG and operand.reg in self._parts:
            number, bits = self._parts[operand.reg]
            return register_value(number) if bits >= 32 else None
        return None


def _combined(stem: str, old: Linear, source: Linear, same: bool) -> Linear | None:
    """The result of a two-operand instruction on a register; `same`: both operands are that register."""
    if stem in ("mov", "movabs", "movsxd", "movsx", "movzx"):
        return source
    if stem in ("xor", "sub") and same:
        return Linear({})
    if stem in ("add", "sub"):
        return old.plus(source, 1 if stem == "add" else -1)
    if stem in ("shl", "sal") and not source.terms:
        return old.times(1 << (int(source.constant) & 63))
    return None


def _is_string(code: capstone.CsInsn, stem: str) -> bool:
    """Whether it is movs, stos, ... and not one of SSE's instructions of the same name."""
    return stem[:-1] in _STRING and code.opcode[0] in _STRING_OPCODES


def _stack_access(stem: str, operands: list) -> Memory | None:
    """push, pop, call, ret, leave: one access at the stack pointer as it is before, or below it."""
    if stem == "push" and operands and operands[0].type == x86.X86_OP_MEM:
        return None
    shift = {"push": -8, "call": -8, "pop": 0, "ret": 0}.get(stem)
    if shift is None:
        if stem != "leave":
            return None
        return Memory(register_value(reg.RBP), reg.RSP, reg.NONE, ACCESS_LOAD, True, False)
    address = Linear({reg.RSP: Fraction(1)}, Fraction(shift))
    access = ACCESS_STORE if shift else ACCESS_LOAD
    return Memory(address, reg.RSP, reg.NONE, access, True, False)
