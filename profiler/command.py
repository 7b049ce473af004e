"""The program to be wrapped, looked at before it is started: does it exist, will it run, can the shim go along."""

import os
import platform
import shlex
import shutil
import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierprof.base.errors import CommandError

_ELF_MAGIC = b"\x7fELF"
_CLASS_32, _CLASS_64 = 1, 2
_LITTLE_ENDIAN = 1
_PT_INTERP = 3
_MACHINES = {"x86_64": 62, "aarch64": 183}  # EM_*
_EHDR = {_CLASS_64: struct.Struct("<16xHHIQQQIHHHHHH"), _CLASS_32: struct.Struct("<16xHHIIIIIHHHHHH")}
_MAX_SCRIPT_DEPTH = 4  # the kernel's own limit on interpreters of interpreters


@dataclass(frozen=True)
class CommandFacts:
    """What can be told of a command without running it."""

    path: Path  # as PATH resolves it
    program: Path  # what is executed in the end: the interpreter of a script
    script: bool
    static: bool
    setuid: bool  # set-uid or set-gid of somebody else: the loader ignores LD_PRELOAD
    bits: int  # 64 | 32; 0: no ELF file
    foreign: bool = False  # for another machine: it runs through an emulator, if at all

    @property
    def preloadable(self) -> bool:
        """Whether the shim can be loaded into it."""
        return self.warning is None

    @property
    def warning(self) -> str | None:
        """One line on why the shim stays out, or None."""
        reason = None
        if self.foreign:
            reason = f"{self.program} is a program for another machine; build it for this one"
        elif self.bits == 32:
            reason = f"{self.program} is a 32-bit program and the shim is 64-bit; build it for 64 bit"
        elif self.static:
            reason = f"{self.program} is linked statically and cannot load the shim; link it dynamically"
        elif self.setuid:
            reason = f"{self.program} is set-uid or set-gid and cannot load the shim; copy it without that bit"
        return f"no allocations will be seen: {reason}" if reason else None


def _find(name: str, environment: Mapping[str, str]) -> Path:
    what = f"{name!r} cannot be run" if not name or " " in name else f"{name} cannot be run"
    if "/" in name:
        path = Path(name)
        if path.is_dir():
            raise CommandError(what, "it is a folder", "give the program in it")
        if not path.exists():
            raise CommandError(what, "there is no such file", "check the path")
    else:
        search = environment.get("PATH", os.defpath)
        found = shutil.which(name, path=search)
        if found is None:
            beside = Path(name).is_file()
            mend = f"write ./{name} for the file in this folder" if beside else "check the name, or give its path"
            raise CommandError(what, "it is in no folder of PATH", mend)
        path = Path(found)
    if not path.is_file():
        raise CommandError(what, "it is no regular file", "give a program")
    if not os.access(path, os.X_OK):
        raise CommandError(what, "it is not executable", f"run `chmod +x {shlex.quote(str(path))}`, or name its interpreter")
    return path


def _head(path: Path) -> bytes:
    """The file's first 4 KiB; empty where it may be run but not read."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _interpreter(script: Path, head: bytes, environment: Mapping[str, str]) -> Path:
    """What runs a file that is no ELF: the program of its first line, `/bin/sh` where it has none, as execvp does."""
    if not head.startswith(b"#!"):
        return Path("/bin/sh")
    words = os.fsdecode(head[2:].split(b"\n", 1)[0]).split()
    if not words:
        return Path("/bin/sh")
    interpreter = Path(words[0])
    if not interpreter.exists():
        raise CommandError(f"{script} cannot be run", f"its interpreter {interpreter} does not exist", "correct its first line")
    if interpreter.name == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        found = shutil.which(named[0], path=environment.get("PATH", os.defpath)) if named else None
        if named and found is None:
            raise CommandError(f"{script} cannot be run", f"its interpreter {named[0]} is in no folder of PATH", "install it")
        return Path(found) if found else interpreter
    return interpreter


def _elf_kind(path: Path, head: bytes) -> tuple[int, bool]:
    """The ELF class (0: no ELF file), and whether it is for another machine; 32-bit x86 is this one's."""
    if not head.startswith(_ELF_MAGIC):
        return 0, False
    if len(head) < _EHDR[_CLASS_32].size:
        raise CommandError(f"{path} cannot be run", "its ELF header is cut short", "build or fetch it again")
    elf_class, order, machine = head[4], head[5], int.from_bytes(head[18:20], "little")
    here = _MACHINES.get(platform.machine())
    foreign = order != _LITTLE_ENDIAN or (elf_class == _CLASS_64 and here is not None and machine != here)
    return elf_class, foreign


def _has_interpreter_segment(path: Path, head: bytes, elf_class: int) -> bool:
    """Whether the ELF file asks for a dynamic loader; static and static-pie files do not."""
    fields = _EHDR[elf_class].unpack_from(head.ljust(64, b"\0"))
    offset, entry_bytes, count = fields[4], fields[8], fields[9]
    if not 4 <= entry_bytes <= 256:
        return False
    with path.open("rb") as file:
        file.seek(offset)
        table = file.read(entry_bytes * count)
    return any(int.from_bytes(table[at : at + 4], "little") == _PT_INTERP for at in range(0, len(table), entry_bytes))


def _gains_privilege(path: Path) -> bool:
    status = path.stat()
    set_uid = bool(status.st_mode & stat.S_ISUID) and status.st_uid != os.getuid()
    set_gid = bool(status.st_mode & stat.S_ISGID) and bool(status.st_mode & stat.S_IXGRP) and status.st_gid != os.getgid()
    try:
        capable = os.getuid() != 0 and bool(os.getxattr(path, "security.capability"))
    except OSError:
        capable = False
    return set_uid or set_gid or capable


def check_command(command: Sequence[str], environment: Mapping[str, str] | None = None) -> CommandFacts:
    """Look at the program of a command.

    Parameters
    ----------
    command
        As typed: program and arguments.
    environment
        Whose PATH is searched; this process's by default.

    Returns
    -------
    CommandFacts
        A static, set-uid or 32-bit program runs, but without the shim: see `CommandFacts.warning`.

    Raises
    ------
    CommandError
        If there is nothing that could be started.
    """
    if not command:
        raise CommandError("no command was given", "nothing follows the options", "write it after --: tierprof run -- ./program")
    environment = os.environ if environment is None else environment
    path = _find(command[0], environment)
    program, head = path, _head(path)
    for _ in range(_MAX_SCRIPT_DEPTH):
        if not head or head.startswith(_ELF_MAGIC):
            break
        program = _interpreter(program, head, environment)
        head = _head(program)
    elf_class, foreign = _elf_kind(program, head)
    known = elf_class in _EHDR and not foreign
    return CommandFacts(
        path=path,
        program=program,
        script=program != path,
        static=known and not _has_interpreter_segment(program, head, elf_class),
        setuid=_gains_privilege(program),
        bits={_CLASS_32: 32, _CLASS_64: 64}.get(elf_class, 0),
        foreign=foreign,
    )
