"""An ELF file as attribution needs it: its segments, build-id, code bytes and table of functions. Nothing about where it is mapped."""

import mmap
import struct
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

PAGE_BYTES = 4096
_PF_X = 1
_STT_OBJECT, _STT_FUNC, _STT_IFUNC = 1, 2, 10
_SHN_UNDEF = 0
_SYMBOL = np.dtype([("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")])
# DW_EH_PE_datarel | DW_EH_PE_sdata4: the only encoding of the search table that linkers write.
_DATAREL_SDATA4 = 0x3B
_EH_PE_OMIT = 0xFF
_EH_PE_SIZES = {0x00: 8, 0x02: 2, 0x03: 4, 0x04: 8, 0x0A: 2, 0x0B: 4, 0x0C: 8}
_EM_X86_64 = 62


class Segment(NamedTuple):
    """One PT_LOAD program header."""

    vaddr: int
    offset: int
    file_bytes: int
    memory_bytes: int
    executable: bool


class SymbolTable(NamedTuple):
    """Symbols of one kind, sorted by value; `names` are offsets into `strings`."""

    value: np.ndarray
    size: np.ndarray
    names: np.ndarray
    strings: bytes

    def name(self, row: int) -> str:
        """The name of a row, mangled as in the file, without its symbol version."""
        start = int(self.names[row])
        return self.strings[start : self.strings.index(b"\0", start)].decode("utf-8", "replace").split("@", 1)[0]


@dataclass
class Image:
    """An ELF file, mapped read-only.

    Attributes
    ----------
    path : str
    segments : list of Segment
    build_id : bytes
        Empty if the file has none.
    """

    path: str
    data: mmap.mmap
    elf: ELFFile
    segments: list[Segment]
    build_id: bytes
    is_x86_64: bool
    _cache: dict = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str) -> "Image | None":
        """Open a 64-bit ELF file; None if it is gone or is none (a deleted file, ``[vdso]``, JIT memory)."""
        try:
            with Path(path).open("rb") as stream:
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            elf = ELFFile(data)  # type: ignore[arg-type]  # reads, seeks and tells like a file
            if elf.elfclass != 64:
                return None
            segments = [
                Segment(p["p_vaddr"], p["p_offset"], p["p_filesz"], p["p_memsz"], bool(p["p_flags"] & _PF_X))
                for p in elf.iter_segments("PT_LOAD")
            ]
            return cls(path, data, elf, segments, _build_id(elf), elf.header["e_machine"] == "EM_X86_64")
        except (OSError, ValueError, ELFError, struct.error, UnicodeDecodeError):
            return None

    def bias(self, start: int, file_offset: int) -> int | None:
        """Address minus virtual address of what is mapped at `start` from `file_offset`.

        Taken from the segment that the mapping covers, because patched libraries have segments whose virtual address and file
        offset differ. Where two segments share the page, the executable one counts: only mappings of code are recorded.
        """
        best = None
        for segment in self.segments:
            first = segment.offset & -PAGE_BYTES
            if first <= file_offset < segment.offset + segment.file_bytes and (best is None or segment.executable):
                best = segment
        return None if best is None else start - (file_offset - best.offset + best.vaddr)

    @cached_property
    def extent(self) -> tuple[int, int]:
        """First and past-the-last virtual address of all segments."""
        low = min((s.vaddr for s in self.segments), default=0)
        return low & -PAGE_BYTES, max((s.vaddr + s.memory_bytes for s in self.segments), default=0)

    def code(self, start: int, end: int) -> bytes:
        """Bytes of the virtual addresses [start, end), as far as one executable segment holds them."""
        for segment in self.segments:
            if segment.executable and segment.vaddr <= start < segment.vaddr + segment.file_bytes:
                last = min(end, segment.vaddr + segment.file_bytes)
                return self.data[start - segment.vaddr + segment.offset : last - segment.vaddr + segment.offset]
        return b""

    @cached_property
    def functions(self) -> SymbolTable:
        """Function symbols of .symtab and .dynsym, one a start address."""
        return self._symbols((_STT_FUNC, _STT_IFUNC))

    @cached_property
    def statics(self) -> SymbolTable:
        """Data symbols of .symtab and .dynsym, one a start address."""
        return self._symbols((_STT_OBJECT,))

    def _symbols(self, kinds: tuple[int, ...]) -> SymbolTable:
        empty = np.zeros(0, np.uint64)
        tables = [SymbolTable(empty, empty, np.zeros(0, np.int64), b"")]
        for section_name in (".symtab", ".dynsym"):
            section = self.elf.get_section_by_name(section_name)
            if section is None:
                continue
            strings = self.elf.get_section(section["sh_link"]).data()
            rows = np.frombuffer(section.data(), _SYMBOL)
            rows = rows[np.isin(rows["info"] & 15, kinds) & (rows["section"] != _SHN_UNDEF) & (rows["value"] != 0)]
            tables.append(SymbolTable(rows["value"], rows["size"], rows["name"].astype(np.int64), strings))
        return _merge_symbols(tables)

    @cached_property
    def starts(self) -> np.ndarray:
        """Sorted virtual addresses at which functions start: from symbols, and from the unwind table's index, which strip leaves."""
        known = [self.functions.value.astype(np.uint64), self._unwind_starts()]
        return np.unique(np.concatenate(known))

    def _unwind_starts(self) -> np.ndarray:
        for segment in self.elf.iter_segments("PT_GNU_EH_FRAME"):
            offset, size, vaddr = segment["p_offset"], segment["p_filesz"], segment["p_vaddr"]
            return _search_table(self.data[offset : offset + size], vaddr)
        return np.zeros(0, np.uint64)

    def function_bounds(self, offset: int) -> tuple[int, int] | None:
        """Start of the function that holds a virtual address, and start of the next (or end of the segment)."""
        row = int(np.searchsorted(self.starts, np.uint64(offset), side="right")) - 1
        segment = next((s for s in self.segments if s.executable and s.vaddr <= offset < s.vaddr + s.file_bytes), None)
        if segment is None:
            return None
        start = int(self.starts[row]) if row >= 0 else segment.vaddr
        end = int(self.starts[row + 1]) if row + 1 < len(self.starts) else segment.vaddr + segment.file_bytes
        return max(start, segment.vaddr), min(end, segment.vaddr + segment.file_bytes)


def _merge_symbols(tables: list[SymbolTable]) -> SymbolTable:
    strings = b"".join(table.strings for table in tables)
    shifts = np.cumsum([0, *(len(table.strings) for table in tables[:-1])])
    value = np.concatenate([table.value for table in tables])
    size = np.concatenate([table.size for table in tables])
    names = np.concatenate([table.names + shift for table, shift in zip(tables, shifts, strict=True)])
    # Of aliases the largest stays, and of equals the first: .symtab's.
    order = np.lexsort((np.arange(len(value)), -size.astype(np.int64), value))
    first = np.ones(len(order), bool)
    first[1:] = value[order][1:] != value[order][:-1]
    kept = order[first]
    return SymbolTable(value[kept], size[kept], names[kept], strings)


def _search_table(header: bytes, vaddr: int) -> np.ndarray:
    if len(header) < 8 or header[0] != 1 or header[3] != _DATAREL_SDATA4:
        return np.zeros(0, np.uint64)
    position = 4
    if header[1] != _EH_PE_OMIT:
        position += _EH_PE_SIZES.get(header[1] & 15, 4)
    width = _EH_PE_SIZES.get(header[2] & 15, 4)
    count = int.from_bytes(header[position : position + width], "little")
    rows = np.frombuffer(header, "<i4", offset=position + width)
    starts = rows[: 2 * count : 2].astype(np.int64) + vaddr
    return starts.astype(np.uint64)


def _build_id(elf: ELFFile) -> bytes:
    for segment in elf.iter_segments("PT_NOTE"):
        if not isinstance(segment, NoteSegment):
            continue
        for note in segment.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes.fromhex(note["n_desc"])
    return b""
