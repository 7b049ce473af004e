"""What the online policy decided in a run, one JSON line a decision, kept in the trace; deciding is online.py's business."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "decisions.jsonl"


def append_decision(folder: Path, decision: Mapping[str, Any]) -> None:
    """Add a decision to those of a trace; on disk before this returns, so that none is lost with the run."""
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(decision)) + "\n")


def read_decisions(folder: Path) -> list[dict[str, Any]]:
    """The decisions of a trace, in order; none without an online policy. A line that an interruption tore is passed over."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
