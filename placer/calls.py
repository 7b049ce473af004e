"""The calls in a function: where each returns to. Of x86-64 code only; nothing is told of other machines' code."""

import capstone

from tierprof.profiler.image import Image


def call_returns(image: Image, start: int, end: int) -> set[int]:
    """Virtual addresses behind the call instructions of [start, end)."""
    if not image.is_x86_64:
        return set()
    lite = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    lite.skipdata = True
    found = lite.disasm_lite(image.code(start, end), start)
    return {
        address + size for address, size, mnemonic, _ in found if mnemonic.removeprefix("bnd ").removeprefix("notrack ").startswith("call")
    }
