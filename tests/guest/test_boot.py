"""Booting a guest: the command's own output and status, or one readable error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BOOT = Path(__file__).parents[2] / "scripts/guest/boot.py"
IMAGE = os.environ.get("TIERPROF_GUEST_IMAGE")

needs_image = pytest.mark.skipif(IMAGE is None, reason="only `make test-guest` makes a guest")

Boot = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    """`boot(shell command, *options)`: what came of it, in a folder of its own."""

    def run(shell: str, *options: str, image: Path | None = None) -> "subprocess.CompletedProcess[str]":
        folder = image or Path(str(IMAGE)).absolute()
        command = [sys.executable, str(BOOT), "--image", str(folder), *options, "nodes", "--", "sh", "-c", shell]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@needs_image
def test_the_command_finds_its_folder_files_and_variables_and_its_status_comes_back(boot: Boot, tmp_path: Path) -> None:
    # GIVEN a file here, and a variable with what a shell would mistake
    (tmp_path / "file").write_text("content\n", encoding="utf-8")
    # WHEN a command in the guest reads both, changes the file and fails
    done = boot('pwd; cat file; echo "$MARK"; echo changed > file; cat file; exit 7', "--env", "MARK=it's $HOME")
    # THEN all is told, and the file is as it was
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path}\ncontent\nit's $HOME\nchanged\n", "")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "content\n"


@needs_image
def test_a_hang_ends_at_the_limit_with_the_consoles_last_lines(boot: Boot) -> None:
    done = boot("sleep 1000", "--limit", "3")
    assert done.returncode == 125
    first, *console = done.stderr.splitlines()
    assert first == "guest: it was stopped after 3 s, the limit; the last lines of its console:"
    assert 1 <= len(console) <= 25


@needs_image
def test_a_crash_ends_with_the_consoles_last_lines(boot: Boot) -> None:
    done = boot("echo c > /proc/sysrq-trigger")
    assert done.returncode == 125
    assert done.stderr.startswith("guest: it went down (qemu's status 0) before the command ended; the last lines of its console:\n")
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert len(done.stderr.splitlines()) <= 101


def test_a_folder_without_a_guest_is_told(boot: Boot, tmp_path: Path) -> None:
    done = boot("true", image=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path} holds no guest: `make test-guest` makes one in build/guest" in done.stderr
