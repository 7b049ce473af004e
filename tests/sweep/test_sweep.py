"""The sweep of real programs: which commands it has, and that it finds what tierprof changes."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("sweep_entries", ROOT / "scripts/sweep/entries.py")
assert _SPEC is not None and _SPEC.loader is not None
entries = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = entries
_SPEC.loader.exec_module(entries)

#: A command of each verdict, and one that is run by the whole command line.
COMMANDS = """
[[command]]
name = "sorts"
run = "sort -S 8M $CORPUS/numbers.txt | tail -n 1; exit 3"

[[command]]
name = "by-command-line"
whole = true
run = "sort -S 8M $CORPUS/numbers.txt | tail -n 1; echo told >&2"

[[command]]
name = "tells-itself-apart"
run = "test -n \\"$LD_PRELOAD\\" && echo preloaded"

[[command]]
name = "never-the-same"
run = "date +%N"

[[command]]
name = "cannot-be-made"
make = "exit 5"
run = "true"

[[command]]
name = "hidden-difference"
hide = ['\\d+ ns']
run = "echo at $(date +%N) ns"
"""


def sweep(commands: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    words = [sys.executable, str(ROOT / "scripts/sweep/sweep.py"), "--commands", str(commands), "--json", *arguments]
    ended = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_commands_are_those_that_were_promised() -> None:
    # GIVEN the tables of the repository
    found = entries.load()
    names = [entry.name for entry in found]

    # THEN there are enough of them, of the kinds that matter, and one in ten is run by the whole command line
    assert len(names) >= 100
    assert sum(name.startswith("cpython-") for name in names) >= 40
    for kind in ("gcc", "gxx", "git", "sqlite", "redis-server", "perl", "node", "java", "ffmpeg", "postgres", "bash", "coreutils"):
        assert any(name.startswith(kind) for name in names), kind
    assert sum(entry.whole for entry in found) >= len(found) / 10
    assert any(entry.disk for entry in found)


def test_table_with_each_is_one_entry_for_each(tmp_path: Path) -> None:
    # GIVEN one table for two commands
    (tmp_path / "a.toml").write_text('[[command]]\nname = "x-{name}"\neach = ["one 1", "two 2"]\nrun = "echo {each}"\npackages = ["p"]\n')

    # WHEN it is read
    found = entries.load(tmp_path)

    # THEN each word has its own, and the packages are named once
    assert [(entry.name, entry.run) for entry in found] == [("x-one", "echo one 1"), ("x-two", "echo two 2")]
    assert entries.packages(found) == ["p"]


@pytest.mark.parametrize(
    "table",
    ['[[command]]\nname = "a"\n', '[[command]]\nname = "a"\nrun = "true"\nruns = 1\n', '[[command]]\nname = "a"\nrun = "true"\n' * 2],
    ids=["nothing to run", "unknown key", "name twice"],
)
def test_bad_table_is_refused(tmp_path: Path, table: str) -> None:
    # GIVEN a table that says too little, too much, or what another says
    (tmp_path / "a.toml").write_text(table)

    # WHEN it is read, THEN the reader says so
    with pytest.raises(ValueError, match="a"):
        entries.load(tmp_path)


def test_sweep_tells_what_changed_from_what_varies(tmp_path: Path) -> None:
    # GIVEN commands that do not care, that do, that vary, and that cannot be
    (tmp_path / "a.toml").write_text(COMMANDS)

    # WHEN all are run
    status, results = sweep(tmp_path)

    # THEN each has its verdict, and the sweep has failed
    assert status == 1
    assert {result["name"]: result["verdict"] for result in results} == {
        "sorts": "same",
        "by-command-line": "same",
        "tells-itself-apart": "CHANGED",
        "never-the-same": "VARIES BY ITSELF",
        "cannot-be-made": "CANNOT RUN",
        "hidden-difference": "same",
    }
    by_name = {result["name"]: result for result in results}
    assert by_name["sorts"]["tiered"]["status"] == 3
    assert all(by_name[name]["tiered"]["placed_bytes"] >= 8 << 20 for name in ("sorts", "by-command-line"))
    assert by_name["by-command-line"]["tiered"]["errors"] == "told\n"
    assert "+preloaded" in by_name["tells-itself-apart"]["why"]

    # WHEN those that do not care are run alone, THEN it has not
    assert sweep(tmp_path, "-k", "sorts", "-k", "hidden")[0] == 0
