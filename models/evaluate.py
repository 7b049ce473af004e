"""How good is a ranking, on programs that it has not seen: regret to the oracle at a budget first, then top-1 and NDCG@5.

Regret is what a plan loses beyond the best plan for the same budget, as a share of the all-slow loss. The cost of a plan is the sum of
the measured costs of the objects that it leaves in the slow tier; they were measured one at a time, so effects of two objects on each
other are not in it. Every figure is a mean over programs (first over a program's runs) with a bootstrap interval over programs, and says
how many they are.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import ndcg_score

from tierprof.base.errors import ModelError
from tierprof.models.baselines import ADDITIVE, BASELINES, baseline_scores
from tierprof.models.bootstrap import mean_interval
from tierprof.models.dataset import Dataset
from tierprof.models.ranker import GRADES, CriticalityRanker
from tierprof.profiler.trace import Trace

BUDGET_SHARES = (0.10, 0.25, 0.50)
RANDOM_DRAWS = 20
NDCG_DEPTH = 5

#: Columns of the results, in the order in which they are to be read.
MEASURES = (*(f"regret_{share:.0%}" for share in BUDGET_SHARES), "top_1", f"ndcg_{NDCG_DEPTH}")


class Packer(Protocol):
    """Chooses objects for fast memory. Packing belongs to the placer, which lies above this layer, and is handed in."""

    def __call__(
        self, trace: Trace, sites: NDArray[np.int64], scores: NDArray[np.float64], budget_share: float, *, additive: bool
    ) -> NDArray[np.bool_]:
        """Which of the sites (n,) to keep in fast memory of `budget_share` of the run's peak; in order of score unless additive."""


def held_out_shares(data: Dataset, model: CriticalityRanker) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores and predicted shares (n,) of every object, each from a model that saw no run of its program.

    Raises
    ------
    ModelError
        If there are fewer than two programs.
    """
    programs = data.programs
    if len(np.unique(programs)) < 2:
        why = f"all labels come from one program, {programs[0]}"
        raise ModelError("the model cannot be evaluated", why, "measure a second program, or train with --no-evaluation")
    scores, shares = np.empty(len(programs)), np.empty(len(programs))
    for program in np.unique(programs):
        held = programs == program
        fitted = clone(model).fit(data.X[~held], data.y[~held], groups=data.groups[~held])
        scores[held] = fitted.predict(data.X[held])
        shares[held] = fitted.predict_share(data.X[held], data.groups[held])
    return scores, shares


def evaluate(data: Dataset, models: dict[str, CriticalityRanker], packer: Packer) -> pd.DataFrame:
    """Leave-one-program-out comparison of models and baselines.

    Parameters
    ----------
    data
        Measured objects of at least two programs.
    models
        Name -> unfitted ranker.
    packer
        How objects are chosen under a budget.

    Returns
    -------
    DataFrame
        One row a method: `method`, `programs`, and for each of `MEASURES` the mean, `MEASURE_low` and `MEASURE_high`. Least regret
        at a quarter of the peak first.
    """
    held_out = {name: held_out_shares(data, model) for name, model in models.items()}
    runs = pd.DataFrame(list(_rate_runs(data, held_out, packer)))
    rows = []
    for method, own in runs.groupby("method", sort=False):
        by_program = own.groupby("program")[list(MEASURES)].mean()
        row: dict[str, object] = {"method": method, "programs": len(by_program)}
        for measure in MEASURES:
            row[measure], row[f"{measure}_low"], row[f"{measure}_high"] = mean_interval(by_program[measure].to_numpy())
        rows.append(row)
    order = [f"regret_{share:.0%}" for share in (0.25, 0.10, 0.50)]
    return pd.DataFrame(rows).sort_values(order, kind="stable").reset_index(drop=True)


def _rate_runs(
    data: Dataset, held_out: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], packer: Packer
) -> Iterator[dict[str, object]]:
    for group, run in enumerate(data.runs):
        rows = data.groups == group
        shares = data.y[rows]
        objects = data.objects[rows].assign(cost_s=shares)
        rate = _Rating(run.trace, objects, shares, packer)
        for name, (scores, predicted) in held_out.items():
            yield {"method": name, "program": run.program, **rate(scores[rows], predicted[rows], additive=True)}
        for metric in BASELINES:
            draws = [baseline_scores(metric, objects, seed) for seed in range(RANDOM_DRAWS if metric == "random" else 1)]
            tries = [rate(values, values, additive=metric in ADDITIVE) for values in draws]
            yield {"method": metric, "program": run.program, **pd.DataFrame(tries).mean().to_dict()}


class _Rating:
    """Rates orders of one run's objects against their measured costs."""

    def __init__(self, trace: Trace, objects: pd.DataFrame, shares: NDArray[np.float64], packer: Packer) -> None:
        self._shares = shares
        self._pack = partial(packer, trace, objects["site"].to_numpy(dtype=np.int64))
        self._best = {budget: self._lost(shares, budget, additive=True) for budget in BUDGET_SHARES}

    def _lost(self, values: NDArray[np.float64], budget_share: float, *, additive: bool) -> float:
        return float(self._shares[~self._pack(values, budget_share, additive=additive)].sum())

    def __call__(self, scores: NDArray[np.float64], worth: NDArray[np.float64], *, additive: bool) -> dict[str, float]:
        rated = {f"regret_{budget:.0%}": self._lost(worth, budget, additive=additive) - self._best[budget] for budget in BUDGET_SHARES}
        rated["top_1"] = top_1(scores, self._shares)
        rated[f"ndcg_{NDCG_DEPTH}"] = ndcg(scores, self._shares)
        return rated


def top_1(scores: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Chance that the first-ranked object is the costliest; objects tied in score share it."""
    first = scores == scores.max()
    return float((shares[first] == shares.max()).mean())


def ndcg(scores: NDArray[np.float64], shares: NDArray[np.float64], depth: int = NDCG_DEPTH) -> float:
    """NDCG at `depth` with gain 2^grade - 1 over `GRADES`; 1 where there is nothing to rank."""
    gain = 2.0 ** np.digitize(shares, GRADES) - 1
    if len(scores) < 2 or gain.max() == 0:
        return 1.0
    return float(ndcg_score(gain[None, :], scores[None, :], k=depth))


def beaten_by(results: pd.DataFrame, method: str, measure: str = "regret_25%") -> Sequence[str]:
    """Baselines whose mean of `measure` (a regret) is no worse than the method's; the oracle is no baseline."""
    own = float(results.loc[results["method"] == method, measure].iloc[0])
    others = results[results["method"].isin(set(BASELINES) - {"oracle"})]
    return [str(name) for name in others.loc[others[measure] <= own + 1e-12, "method"]]
