"""The simulator of caches and core (native/model), fed from Python: blocks of code made by hand, runs as arrays of words."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cache
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Self

import cffi
import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import MachineError
from tierprof.base.native import native_path

#: A flow's source below this is a register at the block's entry; from here on, what access (source - REGISTERS) loaded.
REGISTERS = 64

_WHY_BYTES = 256

# native/model/{block,config,sim,host}.h
_DECLARATIONS = """
struct tpm_flow { uint8_t source, cycles; };
struct tpm_flows { const struct tpm_flow *flow; uint32_t count; };
struct tpm_access {
    uint64_t pc; uint8_t kind, load; uint16_t bytes; struct tpm_flows address, data; void *range; uint32_t generation, pad;
};
struct tpm_transfer { uint32_t reg; struct tpm_flows value; };
struct tpm_exit {
    const struct tpm_block *block; uint32_t index, kind, n_accesses, n_instructions; struct tpm_flows condition;
    const struct tpm_transfer *transfers; uint32_t n_transfers, pad;
};
struct tpm_block { uint64_t address; uint32_t n_accesses, n_exits; struct tpm_access *accesses; struct tpm_exit *exits; };
struct tpm_recorder *tpm_recorder_new(uint32_t pid);
const struct tpm_host *tpm_recorder_host(struct tpm_recorder *recorder);
const unsigned char *tpm_recorder_bytes(const struct tpm_recorder *recorder, size_t *count);
void tpm_recorder_free(struct tpm_recorder *recorder);
size_t tpm_config_size(void);
bool tpm_config_parse(void *config, const char *text, size_t bytes, char *why, size_t why_bytes);
struct tpm_sim *tpm_sim_new(const void *config, const struct tpm_host *host);
bool tpm_sim_fork(struct tpm_sim *sim, const struct tpm_host *host);
void tpm_sim_mode(struct tpm_sim *sim, int mode, double weight);
void tpm_sim_feed(struct tpm_sim *sim, uint32_t thread, const uint64_t *words, size_t count);
void tpm_sim_claim(struct tpm_sim *sim, uint64_t address, uint64_t bytes, uint32_t object);
void tpm_sim_release(struct tpm_sim *sim, uint64_t address, uint64_t bytes);
uint64_t tpm_sim_instructions(const struct tpm_sim *sim);
void tpm_sim_end(struct tpm_sim *sim);
"""


class Kind(IntEnum):
    """What an access does (enum tpm_kind)."""

    LOAD = 0
    STORE = 1
    UPDATE = 2  # a locked read-modify-write: a full fence, too
    STORE_NT = 3
    PREFETCH = 4
    FENCE = 5


class ExitKind(IntEnum):
    """How a block is left (enum tpm_exit_kind)."""

    BRANCH = 0  # conditional
    JUMP = 1
    INDIRECT = 2
    OTHER = 3
    RETURN = 4


_MODES = {"skip": 0, "warm": 1, "measure": 2}

#: What a value is made of: (source, cycles from there) each.
Flows = tuple[tuple[int, int], ...]


class Access(NamedTuple):
    """One access of a block: what it does, how wide, at which instruction, and what its address and data are made of."""

    kind: int = Kind.LOAD
    bytes: int = 8
    pc: int = 0
    address: Flows = ()
    data: Flows = ()


class Exit(NamedTuple):
    """A place where a block may be left, and the effect of having run that far from the block's start.

    Attributes
    ----------
    n_accesses, n_instructions : int
        From the block's start up to here.
    kind : int
        An `ExitKind`.
    condition : Flows
        What the branch's condition, or a computed target, is made of.
    transfers : tuple of (int, Flows)
        The registers that were written, and what with.
    """

    n_accesses: int
    n_instructions: int
    kind: int = ExitKind.BRANCH
    condition: Flows = ()
    transfers: tuple[tuple[int, Flows], ...] = ()


class ExitWord(NamedTuple):
    """An exit of a block that the simulator knows."""

    word: int  # stands in a stream of words for a run of the block that was left here
    n_accesses: int  # so many addresses follow it


class Block(NamedTuple):
    """A block that the simulator knows; it lives as long as the simulator does."""

    address: int
    exits: tuple[ExitWord, ...]


@cache
def _library() -> tuple[cffi.FFI, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi, ffi.dlopen(str(native_path("libtierprof_model.so")))


class Simulator:
    """Caches, TLBs, prefetchers and core of a machine; what was fed before `end` comes out as the bytes of an exact run's file.

    Parameters
    ----------
    config
        Figures by the names of native/model/config.h; those not given have that list's defaults. `Machine.config` gives them.

    Raises
    ------
    MachineError
        If a figure has an unknown name or is out of its range, or if memory does not suffice.
    """

    def __init__(self, config: Mapping[str, int]) -> None:
        self._ffi, self._library = _library()
        self._kept: list[Any] = []  # the blocks' memory
        text = "".join(f"{name} {int(value)}\n" for name, value in config.items()).encode()
        parsed = self._ffi.new("uint64_t[]", self._library.tpm_config_size() // 8)
        why = self._ffi.new("char[]", _WHY_BYTES)
        if not self._library.tpm_config_parse(parsed, text, len(text), why, _WHY_BYTES):
            raise MachineError("the machine cannot be simulated", self._ffi.string(why).decode(), "correct the machine file")
        self._recorder = self._library.tpm_recorder_new(0)
        host = self._library.tpm_recorder_host(self._recorder) if self._recorder else self._ffi.NULL
        self._sim = self._library.tpm_sim_new(parsed, host) if host else self._ffi.NULL
        if not self._sim:
            self._close()
            raise MachineError("the machine cannot be simulated", "there is no memory for its caches", "simulate fewer cores")

    def __enter__(self) -> Self:
        """Itself; what is not wanted any more is given back at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the memory back, whether or not the run was ended."""
        self._close()

    def __del__(self) -> None:
        """Give the memory back, whether or not the run was ended."""
        self._close()

    def _close(self) -> None:
        if getattr(self, "_sim", None):
            self._library.tpm_sim_end(self._sim)
        if getattr(self, "_recorder", None):
            self._library.tpm_recorder_free(self._recorder)
        self._sim = self._recorder = self._ffi.NULL
        self._kept.clear()

    def block(self, address: int, accesses: Sequence[Access], exits: Sequence[Exit]) -> Block:
        """Make a block of code known.

        Parameters
        ----------
        address
            Of its first instruction.
        accesses
            In the order in which they happen.
        exits
            In the order in which they are passed; the last is the block's end.

        Raises
        ------
        ValueError
            If the exits do not follow each other, or one goes beyond the accesses.
        """
        counts = [(exit.n_accesses, exit.n_instructions) for exit in exits]
        if not exits or any(a > b or i > j for (a, i), (b, j) in pairwise(counts)) or counts[-1][0] > len(accesses):
            raise ValueError(f"exits {counts} of {len(accesses)} accesses are not in order")
        ffi = self._ffi
        block = self._new("struct tpm_block *")
        block.address, block.n_accesses, block.n_exits = address, len(accesses), len(exits)
        block.accesses = self._new("struct tpm_access[]", len(accesses))
        block.exits = self._new("struct tpm_exit[]", len(exits))
        for number, access in enumerate(accesses):
            into = block.accesses[number]
            into.pc, into.kind, into.bytes, into.load = access.pc, access.kind, access.bytes, min(number, REGISTERS - 1)
            self._flows(into.address, access.address)
            self._flows(into.data, access.data)
        for number, exit in enumerate(exits):
            into = block.exits[number]
            into.block, into.index, into.kind = block, number, exit.kind
            into.n_accesses, into.n_instructions = exit.n_accesses, exit.n_instructions
            self._flows(into.condition, exit.condition)
            transfers = self._new("struct tpm_transfer[]", len(exit.transfers))
            for at, (register, value) in enumerate(exit.transfers):
                transfers[at].reg = register
                self._flows(transfers[at].value, value)
            into.transfers, into.n_transfers = transfers, len(exit.transfers)
        first, each = int(ffi.cast("uintptr_t", block.exits)), ffi.sizeof("struct tpm_exit")
        return Block(address, tuple(ExitWord(first + each * number, exit.n_accesses) for number, exit in enumerate(exits)))

    def _new(self, declaration: str, *initial: Any) -> Any:
        made = self._ffi.new(declaration, *initial)
        self._kept.append(made)
        return made

    def _flows(self, into: Any, flows: Flows) -> None:
        into.flow, into.count = self._new("struct tpm_flow[]", list(flows)), len(flows)

    def feed(self, thread: int, words: NDArray[np.uint64]) -> None:
        """Run blocks on a thread.

        Parameters
        ----------
        thread
            Its number; it runs on core `thread` modulo the config's `cores`.
        words : ndarray of uint64
            For every run of a block the word of the exit by which it was left, then that exit's addresses; an address 0 is an access
            that did not happen, or a fence. Whole runs only: they are not checked.
        """
        words = np.ascontiguousarray(words, np.uint64).reshape(-1)
        self._library.tpm_sim_feed(self._open(), thread, self._ffi.from_buffer("uint64_t[]", words), words.size)

    def claim(self, address: int, size: int, number: int) -> None:
        """`size` bytes from `address` on belong to object `number` from now on."""
        self._library.tpm_sim_claim(self._open(), address, size, number)

    def release(self, address: int, size: int) -> None:
        """`size` bytes from `address` on belong to whatever is around them."""
        self._library.tpm_sim_release(self._open(), address, size)

    def mode(self, mode: str, weight: float = 1.0) -> None:
        """How what follows is taken: ``skip`` (counted only), ``warm`` (caches learn) or ``measure``.

        Parameters
        ----------
        mode
            One of the three; a new simulator measures.
        weight
            How many instructions each one that is measured stands for.
        """
        self._library.tpm_sim_mode(self._open(), _MODES[mode], weight)

    @property
    def instructions(self) -> int:
        """Fed so far, in any mode."""
        return int(self._library.tpm_sim_instructions(self._open()))

    def end(self) -> bytes:
        """Close the last slice; the simulator cannot be used any more.

        Returns
        -------
        bytes
            A whole file, as native/model/exactfile.h has it.
        """
        self._library.tpm_sim_end(self._open())
        self._sim = self._ffi.NULL
        count = self._ffi.new("size_t *")
        written = self._library.tpm_recorder_bytes(self._recorder, count)
        data = bytes(self._ffi.buffer(written, count[0]))
        self._close()
        return data

    def _open(self) -> Any:
        if not self._sim:
            raise ValueError("the simulator has ended")
        return self._sim
