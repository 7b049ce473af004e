"""Names of functions and lines for module offsets, from symbol tables and DWARF line programs, within a budget of time."""

import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.lineprogram import LineProgram

from tierprof.profiler.image import Image, SymbolTable
from tierprof.profiler.modules import Images

# Line programs of a large library take seconds each to run in Python; names matter more than lines.
LINE_BUDGET_S = 1.5
_DEBUG_FOLDER = Path("/usr/lib/debug/.build-id")


class Symbol(NamedTuple):
    """What is at an offset: ``function`` empty if unknown, ``file`` empty and ``line`` 0 without debug information."""

    function: str
    file: str
    line: int


class Symboliser:
    """Looks offsets up in the files of a run; each file's tables and each line program are read once, when first asked for.

    Parameters
    ----------
    images
        The files.
    line_budget_s
        Time for all line lookups together; after it only functions are named.
    """

    def __init__(self, images: Images, line_budget_s: float = LINE_BUDGET_S) -> None:
        self._images = images
        self._left_s = line_budget_s
        self._lines: dict[str, _Lines | None] = {}

    def symbols(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Symbol]:
        """Name every (path, virtual address), those that matter most first: the time for lines may end before all have one.

        C++ names come demangled where c++filt is installed.
        """
        found = {place: self._symbol(*place) for place in dict.fromkeys(places)}
        plain = demangle({symbol.function for symbol in found.values()})
        return {place: symbol._replace(function=plain.get(symbol.function, symbol.function)) for place, symbol in found.items()}

    def static_name(self, path: str, offset: int) -> str:
        """The data symbol that covers a virtual address; empty if none does."""
        image = self._images.get(path)
        return "" if image is None else _covering(image.statics, offset)

    def _symbol(self, path: str, offset: int) -> Symbol:
        image = self._images.get(path)
        if image is None:
            return Symbol("", "", 0)
        file, line = self._line(path, image, offset)
        return Symbol(_covering(image.functions, offset), file, line)

    def _line(self, path: str, image: Image, offset: int) -> tuple[str, int]:
        if self._left_s <= 0:
            return "", 0
        began = time.monotonic()
        if path not in self._lines:
            self._lines[path] = _Lines.open(image)
        lines = self._lines[path]
        found = lines.at(offset, began + self._left_s) if lines is not None else ("", 0)
        self._left_s -= time.monotonic() - began
        return found


def _covering(table: SymbolTable, offset: int) -> str:
    row = int(np.searchsorted(table.value, np.uint64(offset), side="right")) - 1
    if row < 0:
        return ""
    size = int(table.size[row])
    return table.name(row) if size == 0 or offset < int(table.value[row]) + size else ""


class _Lines:
    """The line programs of one file, by compile unit."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self._dwarf = dwarf
        self._aranges = dwarf.get_aranges()
        self._programs: dict[int, tuple[np.ndarray, list[tuple[str, int]]]] = {}
        self._units: list[tuple[int, int, int]] | None = None

    @classmethod
    def open(cls, image: Image) -> "_Lines | None":
        """The file's own debug information, or that which the distribution keeps apart; None without any."""
        elf = image.elf
        try:
            if not elf.get_section_by_name(".debug_line") and not elf.get_section_by_name(".zdebug_line"):
                build_id = image.build_id.hex()
                apart = Image.open(str(_DEBUG_FOLDER / build_id[:2] / f"{build_id[2:]}.debug")) if build_id else None
                if apart is None:
                    return None
                elf = apart.elf
            return cls(elf.get_dwarf_info(follow_links=False)) if elf.has_dwarf_info() else None
        except (ELFError, DWARFError, KeyError, ValueError, OSError):
            return None

    def at(self, offset: int, deadline: float) -> tuple[str, int]:
        """File and line of a virtual address."""
        try:
            unit = self._unit(offset, deadline)
            if unit is None:
                return "", 0
            addresses, lines = self._program(unit)
        except (ELFError, DWARFError, KeyError, ValueError, IndexError, AttributeError):
            return "", 0
        row = int(np.searchsorted(addresses, np.uint64(offset), side="right")) - 1
        return lines[row] if row >= 0 else ("", 0)

    def _unit(self, offset: int, deadline: float) -> CompileUnit | None:
        if self._aranges is not None:
            position = self._aranges.cu_offset_at_addr(offset)
            if position is not None:
                return self._dwarf.get_CU_at(position)
        if self._units is None:
            self._units = self._scan_units(deadline)
        return next((self._dwarf.get_CU_at(place) for low, high, place in self._units if low <= offset < high), None)

    def _scan_units(self, deadline: float) -> list[tuple[int, int, int]]:
        """Contiguous compile units, for files without .debug_aranges; as many as the time allows."""
        found = []
        for unit in self._dwarf.iter_CUs():
            attributes = unit.get_top_DIE().attributes
            if "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
                low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
                found.append((low, high.value if high.form == "DW_FORM_addr" else low + high.value, unit.cu_offset))
            if time.monotonic() > deadline:
                break
        return found

    def _program(self, unit: CompileUnit) -> tuple[np.ndarray, list[tuple[str, int]]]:
        if unit.cu_offset not in self._programs:
            program = self._dwarf.line_program_for_CU(unit)
            names = _file_names(program)
            rows = []
            for entry in program.get_entries() if program is not None else ():
                state = entry.state
                if state is not None:
                    rows.append((state.address, ("", 0) if state.end_sequence else (names.get(state.file, ""), state.line)))
            rows.sort(key=lambda row: row[0])
            self._programs[unit.cu_offset] = np.array([row[0] for row in rows], np.uint64), [row[1] for row in rows]
        return self._programs[unit.cu_offset]


def _file_names(program: LineProgram | None) -> dict[int, str]:
    if program is None:
        return {}
    first = 0 if program.header.version >= 5 else 1
    return {number + first: entry.name.decode("utf-8", "replace") for number, entry in enumerate(program.header.file_entry)}


def demangle(names: Iterable[str]) -> dict[str, str]:
    """Readable C++ names for mangled ones, without parameters; empty where c++filt is not installed."""
    mangled = sorted(name for name in set(names) if name.startswith("_Z"))
    tool = shutil.which("c++filt")
    if not mangled or tool is None:
        return {}
    done = subprocess.run([tool, "-p"], input="\n".join(mangled), capture_output=True, text=True, check=False)
    plain = done.stdout.splitlines()
    return dict(zip(mangled, plain, strict=True)) if done.returncode == 0 and len(plain) == len(mangled) else {}
