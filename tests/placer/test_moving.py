"""Moves of a running program's objects, as `tierprof move` and the online policy ask for them; and what they are told if they cannot be."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tierprof.base.errors import TierprofError
from tierprof.cli import main
from tierprof.placer.binary import plan_bytes
from tierprof.placer.control import ControlledProcess
from tierprof.placer.moving import find_site, request_move
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec

BYTES, TRIGGER_BYTES = 9 << 20, 5000
CHUNK_BYTES = 2 << 20
DRAM = TierSpec("dram")

Capture = pytest.CaptureFixture[str]


def plan_of(slow: TierSpec) -> bytes:
    """All objects begin in DRAM."""
    return plan_bytes(Plan((DRAM, slow), "dram"), {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a tier made of files."""
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


@pytest.fixture
def program(folder: Path, compile_program: Callable[..., Path], start_moved: Callable[..., Any]) -> Any:
    """A program with an object of 9 MiB and five of 5000 bytes."""
    return start_moved(plan_of(TierSpec("slow", "pmem", folder=folder)), compile_program("move_phases"))


@pytest.fixture
def site(program: Any) -> str:
    """Key of the large object."""
    return str(next(key for key, size, _ in program.born() if size == BYTES))


def refusal_of(*words: str, capfd: Capture) -> str:
    """What the command says, in one line, when it refuses."""
    capfd.readouterr()
    assert main(["move", *words]) == 1
    captured = capfd.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    return captured.err


def test_the_command_moves_an_object_and_tells_it_exactly(program: Any, site: str, capfd: Capture) -> None:
    # WHEN a user asks by the beginning of the object's key, for pieces of 4 MiB
    assert main(["move", str(program.pid), site[:10], "slow", "--chunk", "4MiB", "--json"]) == 0
    # THEN all has moved, and that is told
    told = json.loads(capfd.readouterr().out)
    (one,) = told["processes"]
    known = {"pid": program.pid, "site": site, "moved_bytes": BYTES, "left_bytes": 0, "stay_bytes": {}, "unseen": False}
    assert (told["tier"], {key: one[key] for key in known}) == ("slow", known)
    assert one["name"].startswith("make_object ")
    assert one["chunks"] in (BYTES // CHUNK_BYTES + 1, BYTES // CHUNK_BYTES + 2)
    assert 0 < one["worst_freeze_s"] <= one["frozen_s"] <= one["taken_s"] <= one["seconds"]
    # AND once more is no error: it says that there is nothing to do
    assert main(["move", str(program.pid), "make_object", "slow"]) == 0
    assert f"process {program.pid}: all of make_object " in capfd.readouterr().out
    assert main(["move", str(program.pid), "make_object", "dram", "--rate", "1GiB/s"]) == 0
    assert "9.0MiB of make_object " in capfd.readouterr().out
    assert program.finish() == "good\n"


def test_a_part_of_an_object_moves_and_the_rest_later(program: Any, site: str) -> None:
    # GIVEN half of an object in its new tier
    first = request_move(program.pid, program.raw, site, "slow", max_bytes=BYTES // 2)
    assert BYTES // 2 <= first.bytes_moved < BYTES // 2 + CHUNK_BYTES
    assert first.bytes_moved + first.bytes_left == BYTES
    # WHEN it is asked for once more, or to come back
    assert request_move(program.pid, program.raw, site, "dram").bytes_moved == first.bytes_moved
    assert request_move(program.pid, program.raw, site, "slow").bytes_moved == BYTES
    # THEN it has all of its content
    assert program.finish() == "good\n"


def test_a_site_that_has_not_allocated_yet_is_told(program: Any, site: str, capfd: Capture) -> None:
    unseen = f"{int(site, 16) ^ 1:032x}"
    assert main(["move", str(program.pid), unseen, "slow"]) == 0
    assert f"{unseen} has not allocated yet; when it does, it will be in slow" in capfd.readouterr().out


def test_an_object_is_found_by_the_beginning_of_its_key_or_name(program: Any, site: str) -> None:
    process = ControlledProcess(program.pid)
    found = find_site(process, "make_obj")
    assert (found.key, found.name.split()[0]) == (site, "make_object")
    assert find_site(process, site[:12]) == found
    with pytest.raises(TierprofError, match=r"'make_' fits 2 sites: .*; give more letters"):
        find_site(process, "make_")
    with pytest.raises(TierprofError, match=r"no site of it is called 'make_objcet' or has such a key; did you mean 'make_object "):
        find_site(process, "make_objcet")
    with pytest.raises(TierprofError, match="`tierprof where` lists its objects"):
        find_site(process, "00000")
    process.close()


def test_a_tier_that_is_full_refuses(
    folder: Path, compile_program: Callable[..., Path], start_moved: Callable[..., Any], capfd: Capture
) -> None:
    # GIVEN a tier with room for less than the object
    slow = TierSpec("slow", "pmem", folder=folder, capacity_bytes=4 << 20)
    program = start_moved(plan_of(slow), compile_program("move_phases"))
    # WHEN that is to move
    status = main(["move", str(program.pid), "make_object", "slow"])
    # THEN it stays whole where it was, and that is told
    assert (status, "9.0MiB stay where they are: the tier is full" in capfd.readouterr().out) == (1, True)
    assert program.finish() == "good\n"


def test_small_objects_amid_others_stay(program: Any, capfd: Capture) -> None:
    assert main(["move", str(program.pid), "make_trigger", "slow", "--json"]) == 1
    (told,) = json.loads(capfd.readouterr().out)["processes"]
    assert (told["moved_bytes"], told["stay_bytes"]) == (0, {"small, in the C library's heap": 5 * TRIGGER_BYTES})


def test_whoever_cannot_be_asked_is_told_why(program: Any, tmp_path: Path, shim_library: Path, capfd: Capture) -> None:
    pid = str(program.pid)
    assert "it has no tier 'slwo'; it has dram, slow" in refusal_of(pid, "make_object", "slwo", capfd=capfd)
    assert "--chunk 0 cannot be used" in refusal_of(pid, "make_object", "slow", "--chunk", "0", capfd=capfd)
    assert "--rate 0 cannot be used" in refusal_of(pid, "make_object", "slow", "--rate", "0", capfd=capfd)
    assert "there is no such process" in refusal_of("2147483647", "make_object", "slow", capfd=capfd)
    assert "it does not run under tierprof" in refusal_of(str(os.getpid()), "make_object", "slow", capfd=capfd)
    assert "neither it nor its children" in refusal_of("2147483647", "make_object", "slow", "--children", capfd=capfd)
    # A process that records, without tiers
    environment = {**os.environ, "LD_PRELOAD": str(shim_library), "TIERPROF_DIR": str(tmp_path)}
    with subprocess.Popen(["cat"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as plain:
        assert plain.stdin is not None
        assert plain.stdout is not None
        plain.stdin.write(b"x")
        plain.stdin.flush()
        plain.stdout.read(1)
        assert "it has no tiers" in refusal_of(str(plain.pid), "make_object", "slow", capfd=capfd)
    # One that records elsewhere than the caller thinks
    with pytest.raises(TierprofError, match="it records into"):
        request_move(program.pid, tmp_path, "0" * 32, "slow")
    # One that is stopped
    os.kill(program.pid, signal.SIGSTOP)
    os.waitpid(program.pid, os.WUNTRACED)
    assert "it is stopped" in refusal_of(pid, "make_object", "slow", capfd=capfd)
    os.kill(program.pid, signal.SIGCONT)
    assert program.finish() == "good\n"


def test_a_process_that_blocks_the_signal_is_left_alone(folder: Path, start_moved: Callable[..., Any], capfd: Capture) -> None:
    script = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTRAP]); print('ready', flush=True); input()"
    program = start_moved(plan_of(TierSpec("slow", "pmem", folder=folder)), Path(sys.executable), "-c", script)
    assert "all its threads block SIGTRAP" in refusal_of(str(program.pid), "0" * 32, "slow", capfd=capfd)


def test_one_asker_at_a_time(program: Any, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN somebody who is moving objects of the process
    first = ControlledProcess(program.pid)
    with first, monkeypatch.context() as impatient:
        # THEN nobody else can
        impatient.setattr("tierprof.placer.control._PATIENCE_S", 0.0)
        with pytest.raises(TierprofError, match="somebody else is moving its objects"):
            request_move(program.pid, None, site, "slow")
    # until it is done
    assert request_move(program.pid, None, site, "slow").bytes_moved == BYTES
    first.close()
