"""The finished runs of a measurement, one JSON line each, appended at once: whatever ends the measuring, no finished run is lost."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from tierprof.base.errors import TraceError

NAME = "measure_runs.jsonl"

NONE, ALL = "none", "all"


@dataclass(frozen=True)
class FinishedRun:
    """One run of the program under one configuration."""

    conditions: str  # digest of command and tiers: runs of other conditions are not mixed in
    configuration: str  # `none`, `all`, or the key of the one object that was moved
    round: int
    exit_status: int
    wall_s: float
    cpu_s: float
    met: bool  # False: the program allocated nothing for the slow tier
    finished_at: str


def conditions_digest(command: Sequence[str], fast: str, slow: str) -> str:
    """What must be the same for two runs to be comparable, as 16 hex digits."""
    return hashlib.sha256(json.dumps([list(command), fast, slow]).encode()).hexdigest()[:16]


class RunLog:
    """Finished runs under the same conditions, in a file that may hold others' too.

    Parameters
    ----------
    path
        The file; made at the first run.
    conditions
        From `conditions_digest`.
    """

    def __init__(self, path: Path, conditions: str) -> None:
        self.path = path
        self.conditions = conditions
        self._runs = [run for run in _read(path) if run.conditions == conditions]
        self._seen = {(run.configuration, run.round) for run in self._runs}

    def __contains__(self, item: tuple[str, int]) -> bool:
        """Whether this (configuration, round) is finished."""
        return item in self._seen

    def __len__(self) -> int:
        """How many runs are finished."""
        return len(self._runs)

    def append(self, run: FinishedRun) -> None:
        """Keep a run, on disk before this returns.

        Raises
        ------
        TraceError
            If the file cannot be written.
        """
        try:
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size > 0
            with self.path.open("a", encoding="utf-8") as file:
                file.write(("\n" if torn else "") + json.dumps(asdict(run)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TraceError(
                f"{self.path} cannot be written", error.strerror or str(error), "free space, then measure again: it resumes"
            ) from error
        self._runs.append(run)
        self._seen.add((run.configuration, run.round))

    def frame(self, before_round: int | None = None) -> pd.DataFrame:
        """The good runs (those that ended as the profiled one did are all that is appended), optionally of earlier rounds only."""
        rows = [asdict(run) for run in self._runs if before_round is None or run.round < before_round]
        return pd.DataFrame(rows, columns=list(FinishedRun.__dataclass_fields__))


def _read(path: Path) -> Iterable[FinishedRun]:
    """The file's whole lines; one that an interruption tore is passed over, and its run is made again."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield FinishedRun(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
