"""What is told of a program before it is started; each bad input has its one line."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.base.errors import CommandError
from tierprof.profiler import command
from tierprof.profiler.command import check_command


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        check_command(list(words))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_dynamic_program_takes_the_shim(compile_program: Callable[..., Path]) -> None:
    facts = check_command([str(compile_program("run_status"))])
    assert (facts.bits, facts.static, facts.setuid, facts.script) == (64, False, False, False)
    assert facts.preloadable
    assert facts.warning is None


def test_a_program_is_looked_for_in_the_path_of_its_environment(tmp_path: Path) -> None:
    # GIVEN a program in a folder that only the environment given names
    script(tmp_path / "only-here", "#!/bin/sh\n")
    facts = check_command(["only-here"], {"PATH": str(tmp_path)})
    assert facts.path == tmp_path / "only-here"


@pytest.mark.parametrize("flag", ["-static", "-static-pie"])
def test_a_static_program_runs_without_the_shim_and_one_line_says_so(compile_program: Callable[..., Path], flag: str) -> None:
    program = compile_program("run_status", flag)
    facts = check_command([str(program)])
    assert facts.static
    assert not facts.preloadable
    assert facts.warning == (f"no allocations will be seen: {program} is linked statically and cannot load the shim; link it dynamically")


def test_a_32_bit_program_runs_without_the_shim(tmp_path: Path) -> None:
    # GIVEN the headers of a 32-bit ELF file with a dynamic loader
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    program = tmp_path / "old"
    program.write_bytes(header + struct.pack("<8I", 3, 0, 0, 0, 0, 0, 0, 0))
    program.chmod(0o755)
    facts = check_command([str(program)])
    assert (facts.bits, facts.static) == (32, False)
    assert facts.warning is not None
    assert "32-bit" in facts.warning


def test_a_set_uid_program_of_another_user_runs_without_the_shim(
    compile_program: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a set-uid program; its owner may load the shim
    program = tmp_path / "su"
    program.write_bytes(compile_program("run_status").read_bytes())
    program.chmod(0o4755)
    assert not check_command([str(program)]).setuid
    # WHEN somebody else runs it
    owner = os.getuid()
    monkeypatch.setattr(command.os, "getuid", lambda: owner + 1)
    facts = check_command([str(program)])
    # THEN the loader would ignore LD_PRELOAD
    assert facts.setuid
    assert facts.warning is not None
    assert "set-uid" in facts.warning


def test_a_program_of_another_machine_is_warned_of(tmp_path: Path) -> None:
    # GIVEN the header of a big-endian 64-bit ELF file for S/390
    program = tmp_path / "foreign"
    program.write_bytes((b"\x7fELF\x02\x02\x01".ljust(16, b"\0") + b"\0\x02\0\x16").ljust(64, b"\0"))
    program.chmod(0o755)
    facts = check_command([str(program)])
    assert facts.foreign
    assert facts.warning == f"no allocations will be seen: {program} is a program for another machine; build it for this one"


@pytest.mark.parametrize(
    ("first_line", "program"),
    [("#!/bin/sh -e", "/bin/sh"), ("#! /bin/sh", "/bin/sh"), ("#!/usr/bin/env -S sh -e", None), ("echo no first line", "/bin/sh")],
)
def test_a_script_is_judged_by_its_interpreter(tmp_path: Path, first_line: str, program: str | None) -> None:
    facts = check_command([script(tmp_path / "script", f"{first_line}\n")])
    assert facts.script
    assert facts.program.name == "sh"
    assert program is None or str(facts.program) == program
    assert facts.bits == 64


def test_a_script_of_a_static_interpreter_is_warned_of(compile_program: Callable[..., Path], tmp_path: Path) -> None:
    facts = check_command([script(tmp_path / "script", f"#!{compile_program('run_status', '-static')}\n")])
    assert facts.static


def test_each_bad_command_has_its_line(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert refusal().startswith("no command was given: nothing follows the options;")
    assert refusal("no-such-program") == "no-such-program cannot be run: it is in no folder of PATH; check the name, or give its path"
    assert refusal(str(tmp_path / "absent")) == f"{tmp_path}/absent cannot be run: there is no such file; check the path"
    assert refusal(str(tmp_path)) == f"{tmp_path} cannot be run: it is a folder; give the program in it"
    assert "it is not executable; run `chmod +x" in refusal(str(plain))
    assert "it is no regular file" in refusal(str(fifo))
    assert "its interpreter /no/such does not exist" in refusal(script(tmp_path / "a", "#!/no/such\n"))
    assert "its interpreter no-such is in no folder of PATH" in refusal(script(tmp_path / "b", "#!/usr/bin/env no-such\n"))


def test_a_program_in_the_working_folder_is_hinted_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "mine", "#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    assert "write ./mine" in refusal("mine")


def test_an_elf_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "cut"
    program.write_bytes(b"\x7fELF\x02\x01\x01")
    program.chmod(0o755)
    assert "its ELF header is cut short" in refusal(str(program))
