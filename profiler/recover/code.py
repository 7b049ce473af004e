"""A stretch of machine code with its flow: instruction boundaries, who jumps where, and each instruction in detail when asked for."""

import re
from collections import defaultdict
from typing import NamedTuple

import capstone
import numpy as np

from tierprof.profiler.image import Image
from tierprof.profiler.recover.instruction import Instruction
from tierprof.profiler.recover.normalise import Normaliser

# Longer functions are decoded in windows around what was sampled.
_WHOLE_FUNCTION_BYTES = 128 << 10
_WINDOW_BYTES = 4 << 10
_DETAIL_BLOCK = 16
_LONGEST_INSTRUCTION = 15

_HEX = re.compile(r"0x[0-9a-f]+\Z")
_ENDS = ("jmp", "ret", "hlt", "ud2", "iret")


class _Window(NamedTuple):
    """Code to decode, [first, last), for the sampled addresses in it; `at_start`: its first byte is an instruction's for certain."""

    first: int
    last: int
    at_start: bool
    members: list[int]


class Stretch:
    """Consecutive instructions, decoded forward from a known boundary.

    Parameters
    ----------
    code
        The bytes.
    start
        Virtual address of the first.
    normaliser
        Shared: it holds the decoder's tables.
    """

    def __init__(self, code: bytes, start: int, normaliser: Normaliser) -> None:
        self._code = code
        self._start = start
        self._normaliser = normaliser
        self._detail: dict[int, Instruction] = {}
        self.offsets: list[int] = []
        self.sizes: list[int] = []
        self.mnemonics: list[str] = []
        self.jumps_to: dict[int, list[int]] = defaultdict(list)  # target offset -> rows of the jumps
        self.target: dict[int, int] = {}  # row of a direct jump -> its target offset
        self._scan()
        self.rows = {offset: row for row, offset in enumerate(self.offsets)}

    def _scan(self) -> None:
        lite = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        lite.skipdata = True
        for offset, size, mnemonic, text in lite.disasm_lite(self._code, self._start):
            if mnemonic[0] == "j" and _HEX.match(text):
                target = int(text, 16)
                self.jumps_to[target].append(len(self.offsets))
                self.target[len(self.offsets)] = target
            self.offsets.append(offset)
            self.sizes.append(size)
            self.mnemonics.append(mnemonic.removeprefix("bnd ").removeprefix("notrack "))

    def __len__(self) -> int:
        """How many instructions it has."""
        return len(self.offsets)

    def falls_through(self, row: int) -> bool:
        """Whether the next instruction in memory may run after this one."""
        return not self.mnemonics[row].startswith(_ENDS)

    def is_branch(self, row: int) -> bool:
        """Whether it is a conditional jump."""
        mnemonic = self.mnemonics[row]
        return mnemonic[0] == "j" and not mnemonic.startswith("jmp")

    def instruction(self, row: int) -> Instruction | None:
        """The instruction in detail; None where the bytes are none."""
        offset = self.offsets[row]
        if offset not in self._detail:
            self._decode_block(row)
        return self._detail.get(offset)

    def _decode_block(self, row: int) -> None:
        last = min(row + _DETAIL_BLOCK, len(self.offsets)) - 1
        first = self.offsets[row] - self._start
        end = self.offsets[last] + self.sizes[last] - self._start
        for found in self._normaliser.engine.disasm(self._code[first:end], self.offsets[row]):
            self._detail.setdefault(found.address, self._normaliser.normalise(found))


def stretches(image: Image, offsets: np.ndarray, normaliser: Normaliser) -> list[tuple[Stretch, list[int]]]:
    """Decode around sampled virtual addresses.

    Parameters
    ----------
    image
        The module.
    offsets
        Sorted, distinct virtual addresses of sampled instructions.

    Returns
    -------
    list of (Stretch, list of int)
        Each stretch with the sampled addresses in it that are boundaries of its instructions.
    """
    found = []
    for (start, end), inside in _by_function(image, offsets):
        for window in _windows(start, end, inside):
            stretch = _synchronised(image, window, normaliser)
            found.append((stretch, [offset for offset in window.members if offset in stretch.rows]))
    return found


def _by_function(image: Image, offsets: np.ndarray) -> list[tuple[tuple[int, int], list[int]]]:
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for offset in offsets.tolist():
        bounds = image.function_bounds(offset)
        if bounds is not None:
            groups[bounds].append(offset)
    return list(groups.items())


def _windows(start: int, end: int, inside: list[int]) -> list[_Window]:
    if end - start <= _WHOLE_FUNCTION_BYTES:
        return [_Window(start, end, True, inside)]
    windows: list[_Window] = []
    for offset in inside:
        last = min(end, offset + _WINDOW_BYTES)
        if windows and offset - _WINDOW_BYTES <= windows[-1].last:
            windows[-1] = windows[-1]._replace(last=last, members=[*windows[-1].members, offset])
        else:
            first = max(start, offset - _WINDOW_BYTES)
            windows.append(_Window(first, last, first == start, [offset]))
    return windows


def _synchronised(image: Image, window: _Window, normaliser: Normaliser) -> Stretch:
    """Decode a window. Inside a long function its first byte may lie within an instruction: then the next is tried, until what was
    sampled, which is a boundary for certain, comes out as one.
    """
    stretch = Stretch(image.code(window.first, window.last), window.first, normaliser)
    if window.at_start:
        return stretch
    for shift in range(1, _LONGEST_INSTRUCTION):
        if window.members[0] in stretch.rows:
            break
        first = window.first + shift
        stretch = Stretch(image.code(first, window.last), first, normaliser)
    return stretch
