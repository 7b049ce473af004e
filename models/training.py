"""Training as one step: compare on programs left out, fit on everything, and keep where it all came from."""

from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.models.dataset import Dataset
from tierprof.models.evaluate import Packer, evaluate
from tierprof.models.ranker import CriticalityRanker

#: Name in the comparison -> ranker. The first is what is saved; the other stands beside it.
CONTENDERS = {"model": "rank:ndcg", "model_pairwise": "rank:pairwise"}

#: Below this many programs a comparison is an anecdote, and is called one.
FEW_PROGRAMS = 10


class Training(NamedTuple):
    """A fitted model and how it compares."""

    model: CriticalityRanker
    comparison: pd.DataFrame | None  # None: there was one program only, or no comparison was wanted


def train(data: Dataset, packer: Packer | None) -> Training:
    """Fit the ranker on all runs, and compare it with the baselines by leaving one program out.

    The saved model is always `rank:ndcg`: choosing the better objective by the very comparison that is printed would flatter it.

    Parameters
    ----------
    data
        Measured runs.
    packer
        For the comparison's regret; None leaves the comparison out.
    """
    model = CriticalityRanker(objective=CONTENDERS["model"]).fit(data.X, data.y, groups=data.groups)
    model.provenance_ = provenance(data)
    if packer is None:
        return Training(model, None)
    contenders = {name: CriticalityRanker(objective=objective) for name, objective in CONTENDERS.items()}
    comparison = evaluate(data, contenders, packer)
    model.provenance_["comparison"] = comparison.to_dict("records")
    return Training(model, comparison)


def provenance(data: Dataset) -> dict[str, object]:
    """Where a model's knowledge comes from: runs, labels' source, and what a stalled second lost on the slow tier."""
    losses: dict[str, list[float]] = {}
    for run in data.runs:
        if run.stall_s > 0:
            losses.setdefault(run.slow, []).append(run.loss_s / run.stall_s)
    return {
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "objects": len(data.y),
        "programs": dict(Counter(run.program for run in data.runs)),
        "runs": [_run_facts(data, group) for group in range(len(data.runs))],
        "source": data.runs[0].source,
        "loss_per_stall": {slow: float(np.median(ratios)) for slow, ratios in losses.items()},
    }


def _run_facts(data: Dataset, group: int) -> dict[str, object]:
    run = data.runs[group]
    facts = {"trace": run.trace.path.name, "program": run.program, "source": run.source, "repeats": run.repeats}
    seconds = {"none_s": run.none_s, "loss_s": run.loss_s, "stall_s": run.stall_s}
    return {**facts, **seconds, "objects": int((data.groups == group).sum()), "started_at": run.trace.meta.get("started_at")}
