"""The numbers that perf gives to x86-64 registers, and where each stands in a sample."""

from typing import Final

RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, RIP, RFLAGS = range(10)
R8, R9, R10, R11, R12, R13, R14, R15 = range(16, 24)

NONE: Final = -1
MODULE: Final = -2  # the module's bias: what is relative to rip

# Columns of a sample's register array: 0..9, then r8..r15.
SAMPLED: Final = (*range(10), *range(16, 24))

GENERAL: Final = {
    "rax": RAX,
    "rbx": RBX,
    "rcx": RCX,
    "rdx": RDX,
    "rsi": RSI,
    "rdi": RDI,
    "rbp": RBP,
    "rsp": RSP,
    **{f"r{number}": 16 + number - 8 for number in range(8, 16)},
}

# Any name of a register or of a part of one -> (number, bits written by it).
PARTS: Final = {
    **{name: (number, 64) for name, number in GENERAL.items()},
    **{f"e{name[1:]}": (number, 32) for name, number in GENERAL.items() if not name[1].isdigit()},
    **{name[1:]: (number, 16) for name, number in GENERAL.items() if not name[1].isdigit()},
    **{f"{letter}{half}": (number, 8) for letter, number in zip("abcd", (RAX, RBX, RCX, RDX), strict=True) for half in "lh"},
    **{name: (number, 8) for name, number in (("sil", RSI), ("dil", RDI), ("bpl", RBP), ("spl", RSP))},
    **{f"r{number}{suffix}": (8 + number, bits) for number in range(8, 16) for suffix, bits in (("d", 32), ("w", 16), ("b", 8))},
}

# What a call may change by the System V ABI.
CALL_CLOBBERED: Final = frozenset((RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11))
