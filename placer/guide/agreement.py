"""Whether a sampled run and an exact one, of the same program on a smaller graph, name the same tensors as leaders.

Like is held against like, twice. By what tensors are waited for: the sampled stall against the exact run's with everything in fast memory
(`tierprof.placer.guide.waiting`). And by what each alone costs in the slow tier: as predicted from the samples against as modelled, on the
exact run's machine. The first asks whether the samples see what the model sees, the second whether they are enough to place by.

Where they differ, as many samples as there were are drawn anew, from what either run says. If those of one name each of the other's leaders
in one of twenty draws or more, the samples are too few to tell: then the two agree within the error of the samples.

Objects are matched by name, beside a line of Python by what torch did there, too. Only those count that the exact run's measured part
accessed: it may be the training alone.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.dataset import program_name
from tierprof.placer.guide.tensors import tensor_objects
from tierprof.placer.predict.prediction import is_exact
from tierprof.profiler.trace import Trace

TOP = 3

_DRAWS = 2000
_UNLIKELY = 0.05  # of the redrawn samples: that one leads in fewer is no chance


@dataclass(frozen=True)
class Leader:
    """One of the first tensors of a run.

    Attributes
    ----------
    share : float
        Of all tensors' sum.
    other_rank, other_share : int and float
        In the other run; 0 where it has nothing of it.
    odds : float
        Share of as many samples, drawn anew from what the other run says, in which it is among the first.
    """

    name: str
    share: float
    other_rank: int
    other_share: float
    odds: float


@dataclass(frozen=True)
class Comparison:
    """The leaders of two runs by one measure; first first."""

    own: tuple[Leader, ...]
    other: tuple[Leader, ...]

    @property
    def common(self) -> int:
        """Names in both."""
        return len({leader.name for leader in self.own} & {leader.name for leader in self.other})

    @property
    def agrees(self) -> bool:
        """Whether the leaders are the same, in any order."""
        return self.common == len(self.own) == len(self.other)

    @property
    def open(self) -> bool:
        """Whether they differ by no more than as many samples of one run may: drawn anew from either, they name the other's leaders."""
        if self.agrees or len(self.own) != len(self.other):
            return False
        return any(all(leader.odds >= _UNLIKELY for leader in side) for side in (self.own, self.other))


@dataclass(frozen=True)
class Agreement:
    """What two runs of a program say.

    Attributes
    ----------
    waits, costs : Comparison or None
        By what tensors are waited for, and by what each alone costs in the slow tier; None where `missing` says why there is none.
    slow : str
        That tier; empty without costs.
    exact_trace : str
        Name of the exact run's trace.
    missing : str
        Why there is no comparison; empty if there is one.
    """

    waits: Comparison | None
    costs: Comparison | None
    slow: str
    exact_trace: str
    missing: str = ""


def agreement(sampled: Trace, exact: Trace, waits_s: pd.Series, costs_s: tuple[pd.Series, pd.Series], slow: str) -> Agreement:
    """Compare the leaders.

    Parameters
    ----------
    sampled, exact
        The two runs.
    waits_s
        What each object of the exact run (index key) is waited for, seconds.
    costs_s
        What each alone costs in the slow tier, of the sampled and of the exact run, seconds.
    slow
        That tier.
    """
    name = exact.path.name
    if program_name(sampled.meta) != program_name(exact.meta):
        return no_agreement(exact, f"{name} is a run of {program_name(exact.meta)}, not of {program_name(sampled.meta)}")
    mine, its = _labelled(sampled), _labelled(exact)
    accesses = exact.objects().set_index("site")["accesses"].reindex(its["site"]).to_numpy(np.float64)
    mine = mine[mine["label"].isin(its.loc[accesses > 0, "label"])]
    waits = compare(mine.assign(value=mine["stall_s"]), _valued(its, waits_s))
    costs = compare(_valued(mine, costs_s[0]), _valued(its, costs_s[1]))
    for comparison in (waits, costs):
        if not comparison.own or not comparison.other:
            return no_agreement(exact, f"no tensor was waited for in {name if comparison.own else sampled.path.name}")
    return Agreement(waits, costs, slow, name)


def no_agreement(exact: Trace, why: str) -> Agreement:
    """What is known where the two cannot be held against each other."""
    return Agreement(None, None, "", exact.path.name, why)


def _labelled(trace: Trace) -> pd.DataFrame:
    table = tensor_objects(trace)
    labels = [label_of(*own) for own in zip(table["name"], table["operation"], table["tensors"], strict=True)]
    return table.assign(label=labels)


def _valued(tensors: pd.DataFrame, seconds: pd.Series) -> pd.DataFrame:
    value = seconds.reindex(tensors["key"]).fillna(0.0).clip(lower=0.0)
    return tensors.assign(value=value.to_numpy(np.float64))


def label_of(name: str, operation: str, tensors: tuple[str, ...]) -> str:
    """What an object is called in every run: its name, and unless that is a tensor's, the operation that took it."""
    known = tensors or not operation or name.endswith(f": {operation}")
    return name if known else f"{name}: {operation}"


def compare(sampled: pd.DataFrame, exact: pd.DataFrame, seed: int = 0) -> Comparison:
    """The leaders of each and where the other has them.

    Parameters
    ----------
    sampled
        `label`, `value` and `samples`; those of one label count together.
    exact
        `label` and `value`.
    seed
        Of the redrawn samples.
    """
    own = sampled.groupby("label")[["value", "samples"]].sum()
    other = exact.groupby("label")["value"].sum()
    counts = own["samples"].astype(np.float64)
    # Of the exact run as many samples, each worth the same.
    as_many = other * (counts.sum() / max(float(other.sum()), 1e-300))
    odds = pd.Series(_odds(own["value"], counts, seed), index=own.index)
    other_odds = pd.Series(_odds(other, as_many, seed), index=other.index)
    return Comparison(_leaders(own["value"], other, other_odds), _leaders(other, own["value"], odds))


def _odds(values: pd.Series, counts: pd.Series, seed: int) -> NDArray[np.float64]:
    """(n,) share of the redrawn samples in which each is among the first: as many as were seen are Poisson's mean."""
    mean = counts.to_numpy(np.float64)
    worth = np.divide(values.to_numpy(np.float64), mean, out=np.zeros(len(mean)), where=mean > 0)
    drawn = np.random.default_rng(seed).poisson(mean, (_DRAWS, len(mean))) * worth
    if len(mean) <= TOP:
        return np.asarray((drawn > 0).mean(axis=0))
    last = np.partition(drawn, -TOP, axis=1)[:, -TOP]
    return np.asarray(((drawn >= last[:, None]) & (drawn > 0)).mean(axis=0))


def _leaders(values: pd.Series, others: pd.Series, odds: pd.Series) -> tuple[Leader, ...]:
    ordered = values.sort_values(ascending=False, kind="stable")
    other_ranks = others[others > 0].rank(ascending=False, method="first")
    whole, other_whole = (max(float(own.sum()), 1e-300) for own in (values, others))
    return tuple(
        Leader(
            name=str(label),
            share=float(value) / whole,
            other_rank=int(other_ranks.get(label, 0)),
            other_share=float(others.get(label, 0.0)) / other_whole,
            odds=float(odds.get(label, 0.0)),
        )
        for label, value in ordered.head(TOP).items()
        if value > 0
    )


def first_exact(traces: list[Trace]) -> Trace | None:
    """The first exact one."""
    return next((trace for trace in traces if is_exact(trace)), None)
