"""Whether a sampled run and an exact one, of the same program on a smaller graph, name the same tensors as leaders.

Objects are matched by name, beside a line of Python by what torch did there, too. Only those count that the exact run's measured part
accessed: it may be the training alone.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierprof.models.dataset import program_name
from tierprof.placer.guide.tensors import tensor_objects
from tierprof.placer.predict.prediction import is_exact
from tierprof.profiler.trace import Trace

TOP = 3

#: Of the files that torch-geometric generates anew in each process.
_GENERATED = re.compile(r"(_propagate|_edge_updater)_\w{8}\.py")


@dataclass(frozen=True)
class Agreement:
    """The leaders of two runs.

    Attributes
    ----------
    own, other : tuple of (str, float)
        Name and share of each leader, first first.
    common : int
        Names in both.
    exact_trace : str
        Name of the exact run's trace.
    missing : str
        Why there is no comparison; empty if there is one.
    """

    own: tuple[tuple[str, float], ...]
    other: tuple[tuple[str, float], ...]
    common: int
    exact_trace: str
    missing: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the leaders are the same, in any order."""
        return not self.missing and self.common == len(self.own) == len(self.other)


def agreement(sampled: Trace, exact: Trace, exact_seconds: pd.Series) -> Agreement:
    """Compare the leaders.

    Parameters
    ----------
    sampled, exact
        The two runs.
    exact_seconds
        Of the exact run: what each object (index key) alone costs in the slow tier, seconds.
    """
    name = exact.path.name
    if program_name(sampled.meta) != program_name(exact.meta):
        missing = f"{name} is a run of {program_name(exact.meta)}, not of {program_name(sampled.meta)}"
        return Agreement((), (), 0, name, missing)
    mine, its = _labelled(sampled), _labelled(exact)
    cost_s = exact_seconds.reindex(its["key"]).fillna(0.0).clip(lower=0.0).to_numpy(np.float64)
    accesses = exact.objects().set_index("site")["accesses"].reindex(its["site"]).to_numpy(np.float64)
    measured = set(its.loc[accesses > 0, "label"])
    own, other = leaders(mine[mine["label"].isin(measured)], "stall_s"), leaders(its.assign(cost_s=cost_s), "cost_s")
    missing = "" if own and other else f"no tensor was waited for in {sampled.path.name if not own else name}"
    return Agreement(own, other, len({first for first, _ in own} & {first for first, _ in other}), name, missing)


def _labelled(trace: Trace) -> pd.DataFrame:
    table = tensor_objects(trace)
    labels = [label_of(*own) for own in zip(table["name"], table["operation"], table["tensors"], strict=True)]
    return table.assign(label=labels)


def label_of(name: str, operation: str, tensors: tuple[str, ...]) -> str:
    """What an object is called in every run: its name, and unless that is a tensor's, the operation that took it."""
    plain = _GENERATED.sub(r"\1.py", name)
    return f"{plain}: {operation}" if operation and not tensors else plain


def leaders(tensors: pd.DataFrame, by: str) -> tuple[tuple[str, float], ...]:
    """Labels of the tensors of most `by`, with their share of all tensors' sum; those of one label count together."""
    sums = tensors.groupby("label")[by].sum().sort_values(ascending=False, kind="stable")
    whole = max(float(sums.sum()), 1e-300)
    return tuple((str(label), float(value) / whole) for label, value in sums.head(TOP).items() if value > 0)


def first_exact(traces: list[Trace]) -> Trace | None:
    """The first exact one."""
    return next((trace for trace in traces if is_exact(trace)), None)
