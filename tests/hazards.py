"""The hazard programs of tests/programs/hazards: how each is built, and run in a folder of its own.

What a program needs stands in its first comment: `Status: N` (its exit status, negative for a signal), `Flags: ...` (for the compiler),
`Needs: plugin` (the same source is also built, with PLUGIN defined, into a shared library beside the program), `Sanitized: no, REASON`
(it cannot be built with sanitizers, tierprof or not).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tierprof.base.schema import RECIPES
from tierprof.placer.binary import plan_bytes, recipes_bytes
from tierprof.placer.plan import Plan

SOURCES = Path(__file__).parent / "programs" / "hazards"
SKIPPED = 77  # exit status of a program that this machine cannot run; hazard.h says it, too
TIMEOUT_S = 60
_COMPILERS = {".c": ("CC", "cc"), ".cpp": ("CXX", "c++")}


class Hazard(NamedTuple):
    """One program."""

    name: str
    source: Path
    status: int
    flags: tuple[str, ...]
    has_plugin: bool
    not_sanitized: str | None

    @property
    def compiled(self) -> bool:
        """False for a script."""
        return self.source.suffix in _COMPILERS


class Outcome(NamedTuple):
    """What a run showed to whoever started it."""

    status: int
    output: str
    errors: str


def _read(source: Path) -> Hazard:
    head = source.read_text(encoding="utf-8")[:1000]
    status, flags, reason = (re.search(rf"\b{what}: (.*)$", head, re.MULTILINE) for what in ("Status", "Flags", "Sanitized"))
    return Hazard(
        source.stem,
        source,
        int(status.group(1)) if status else 0,
        tuple(flags.group(1).split()) if flags else (),
        "Needs: plugin" in head,
        reason.group(1).removeprefix("no, ") if reason else None,
    )


HAZARDS = {source.stem: _read(source) for source in sorted(SOURCES.iterdir()) if source.suffix in (".c", ".cpp", ".py")}


def missing_compiler(hazard: Hazard) -> str | None:
    """The compiler that the program wants and this machine lacks."""
    if not hazard.compiled:
        return None
    variable, usual = _COMPILERS[hazard.source.suffix]
    compiler = os.environ.get(variable, usual)
    return compiler if shutil.which(compiler) is None else None


def build(hazard: Hazard, folder: Path, *flags: str) -> Path:
    """Compile the program into a folder; a script is its own program.

    Raises
    ------
    RuntimeError
        With what the compiler said.
    """
    if not hazard.compiled:
        return hazard.source
    variable, usual = _COMPILERS[hazard.source.suffix]
    program = folder / hazard.name
    command = [os.environ.get(variable, usual), "-O2", "-g", "-w", "-pthread", "-D_GNU_SOURCE", *hazard.flags, *flags, str(hazard.source)]
    commands = [[*command, "-o", str(program)]]
    if hazard.has_plugin:
        commands.append([*command, "-DPLUGIN", "-shared", "-fPIC", "-o", f"{program}.so"])
    for one in commands:
        done = subprocess.run(one, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(one)}\n{done.stderr}")
    return program


def build_all(hazards: Sequence[Hazard], folder: Path, *flags: str) -> dict[str, Path]:
    """All programs, by name, compiled side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = pool.map(lambda hazard: build(hazard, folder, *flags), hazards)
        return dict(zip((hazard.name for hazard in hazards), built, strict=True))


def under_shim(shim: Path, folder: Path, plan: Plan | None = None) -> dict[str, str]:
    """The environment of a run whose records go to `raw` in the folder, under the plan."""
    (folder / "raw").mkdir(parents=True)
    environment = {"LD_PRELOAD": str(shim), "TIERPROF_DIR": str(folder / "raw")}
    if plan is None:
        return environment
    (folder / "plan.bin").write_bytes(plan_bytes(plan, {tier.name: 1.0 for tier in plan.tiers}))
    (folder / "recipes.bin").write_bytes(recipes_bytes(RECIPES.empty_table()))
    return environment | {"TIERPROF_PLAN": str(folder / "plan.bin"), "TIERPROF_RECIPES": str(folder / "recipes.bin")}


def run(hazard: Hazard, program: Path, folder: Path, environment: Mapping[str, str]) -> Outcome:
    """Run the program in an empty folder, with a small environment of its own and what is given."""
    work = folder / "work"
    work.mkdir(parents=True)
    command = [str(program)] if hazard.compiled else [sys.executable, "-P", "-B", str(program)]
    usual = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(work), "TMPDIR": str(work)}
    done = subprocess.run(
        command, cwd=work, env={**usual, **environment}, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
