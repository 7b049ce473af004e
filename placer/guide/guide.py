"""The guide of one trace: its tensors with tiers, accesses and costs, and what the lines below them rest on. words.py says it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tierprof.base.errors import MachineError, ModelError, PlanError, TraceError
from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.access import Access, tensor_access
from tierprof.placer.guide.agreement import Agreement, agreement, first_exact, no_agreement
from tierprof.placer.guide.footprint import Footprint, footprint
from tierprof.placer.guide.keep import SPLIT, UNKNOWN, Keeping, keep, slow_costs
from tierprof.placer.guide.memory_mode import Contests, contests
from tierprof.placer.guide.tensors import has_tensors, tensor_objects
from tierprof.placer.guide.waiting import waiting_seconds
from tierprof.placer.guide.writers import TierWriters, shipped_writers
from tierprof.placer.plan import Plan
from tierprof.placer.predict.forecast import Span
from tierprof.placer.predict.prediction import Prediction, is_exact, predict_trace
from tierprof.profiler.trace import Trace

#: Of a sampled trace, unless another is asked for; an exact one has its own.
DEFAULT_MACHINE = "optane100-x6"

_GIB = float(1 << 30)
_BUDGETS = 31


@dataclass(frozen=True)
class TensorRow:
    """One tensor's object.

    Attributes
    ----------
    operation : str
        Of torch that takes the memory; empty where it is not known.
    stall_share : float
        Of the run; of an exact trace what it alone in the slow tier adds, as part of the modelled run with everything there. NaN: unknown.
    share_per_gib : float
        Of the run for each GiB of its peak.
    rank : int
        By that, 1 for the greatest.
    tier : str
        Where it should be; `unknown` where nothing tells.
    fast : bool or None
        Whether that is DRAM, or the plan's fastest tier; None where it is not known, or split.
    cost : Span or None
        Seconds that it costs alone in the slow tier.
    row_bytes, row_align_bytes : int or None
        Width of a row of its largest named tensor, and what divides that tensor's address.
    """

    site: int
    key: str
    name: str
    role: str
    operation: str
    tensors: tuple[str, ...]
    peak_bytes: int
    stall_share: float
    share_per_gib: float
    rank: int
    tier: str
    fast: bool | None
    cost: Span | None
    access: Access
    row_bytes: int | None
    row_align_bytes: int | None
    why: str


@dataclass(frozen=True)
class Guide:
    """Everything that the section says.

    Attributes
    ----------
    rows : tuple of TensorRow
        Most stall per byte first.
    prediction : Prediction or None
        On `machine`; None where `no_prediction` says why.
    contests : Contests or None
        Of Memory Mode; None without a prediction.
    agreement : Agreement or None
        With an exact run, where one was given.
    """

    trace: Trace
    machine: Machine
    plan: Plan | None
    rows: tuple[TensorRow, ...]
    keeping: Keeping
    prediction: Prediction | None
    no_prediction: str
    run_s: float | None
    writers: tuple[TierWriters, ...]
    contests: Contests | None
    footprint: Footprint
    agreement: Agreement | None


def build_guide(trace: Trace, plan: Plan | None = None, machine: Machine | None = None, against: Sequence[Trace] = ()) -> Guide | None:
    """The guide of a trace; None if nothing in it is a tensor.

    Parameters
    ----------
    trace
        The run, sampled or exact.
    plan
        Whose tiers are told; without one the best plan at the knee of the curve.
    machine
        For predictions; the exact trace's own, or `DEFAULT_MACHINE`, unless given.
    against
        Other runs of the program: for how its memory grows, and, where one is exact, for the leaders.
    """
    if not has_tensors(trace):
        return None
    machine = machine or Machine.load((trace.meta.get("exact") or {}).get("machine") or DEFAULT_MACHINE)
    tensors = tensor_objects(trace)
    prediction, no_prediction = _predict(trace, machine, plan)
    keeping = keep(tensors, plan, prediction, no_prediction)
    costs = slow_costs(trace, machine, prediction)
    rows = _rows(trace, tensors, keeping, costs, _shares(trace, tensors, costs, prediction))
    return Guide(
        trace=trace,
        machine=machine,
        plan=plan,
        rows=rows,
        keeping=keeping,
        prediction=prediction,
        no_prediction=no_prediction,
        run_s=None if prediction is None else prediction.all_fast.value,
        writers=tuple(shipped_writers(machine)),
        contests=None if prediction is None else contests(trace, machine, prediction, keeping.budget_bytes, plan),
        footprint=footprint(trace, tensors, plan.tiers[0].capacity_bytes if plan else None, against),
        agreement=_agreement(trace, against),
    )


def _predict(trace: Trace, machine: Machine, plan: Plan | None) -> tuple[Prediction | None, str]:
    try:
        return predict_trace(trace, machine, plan=plan, budgets=_BUDGETS), ""
    except (MachineError, ModelError, PlanError, TraceError) as error:
        return None, str(error)


def _rows(trace: Trace, tensors: pd.DataFrame, keeping: Keeping, costs: pd.DataFrame, shares: pd.Series) -> tuple[TensorRow, ...]:
    per_gib = shares / (tensors["peak_bytes"].clip(lower=4096) / _GIB)
    ranks = per_gib.rank(ascending=False, method="first", na_option="bottom").astype(int)
    access = tensor_access(trace, [int(site) for site in tensors["site"]])
    rows = []
    for place, own in enumerate(tensors.to_dict("records")):
        key, tier = str(own["key"]), keeping.tiers[str(own["key"])]
        rows.append(
            TensorRow(
                site=int(own["site"]),
                key=key,
                name=str(own["name"]),
                role=str(own["role"]),
                operation=str(own["operation"]),
                tensors=own["tensors"],
                peak_bytes=int(own["peak_bytes"]),
                stall_share=float(shares.iloc[place]),
                share_per_gib=float(per_gib.iloc[place]),
                rank=int(ranks.iloc[place]),
                tier=tier,
                fast=None if tier == UNKNOWN or SPLIT in tier else tier == keeping.fast,
                cost=_span(costs, key),
                access=access[int(own["site"])],
                row_bytes=_whole(own["row_bytes"]),
                row_align_bytes=_whole(own["row_align_bytes"]),
                why=_why(own, float(per_gib.iloc[place]), int(ranks.iloc[place]), len(tensors), keeping),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.rank, -row.peak_bytes)))


def _shares(trace: Trace, tensors: pd.DataFrame, costs: pd.DataFrame, prediction: Prediction | None) -> pd.Series:
    """(n,) share of the run that each tensor is waited for."""
    if not is_exact(trace):
        return tensors["stall_share"].astype(float)
    if prediction is None:
        return pd.Series(math.nan, index=tensors.index)
    cost = costs["cost_s"].reindex(tensors["key"]).fillna(0.0).clip(lower=0.0).to_numpy(dtype=float)
    return pd.Series(cost / max(prediction.all_slow.time.value, 1e-300), index=tensors.index)


def _why(own: dict, per_gib: float, rank: int, count: int, keeping: Keeping) -> str:
    if math.isnan(per_gib):
        head = "its stall is unknown"
    elif per_gib == 0:
        head = "no stall was seen on it"
    else:
        head = f"{per_gib:.1%} of the run per GiB, {rank} of {count}"
    if not own["placeable"]:
        return f"{head}; smaller than a page, no plan moves it"
    reason = keeping.reasons.get(str(own["key"]), "")
    return f"{head}; {reason}" if reason else head


def _span(costs: pd.DataFrame, key: str) -> Span | None:
    if key not in costs.index:
        return None
    own = costs.loc[key]
    return Span(float(own["cost_s"]), float(own["low_s"]), float(own["high_s"]))


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else int(value)


def _agreement(trace: Trace, against: Sequence[Trace]) -> Agreement | None:
    """The sampled one of the two against the exact one, whichever the report is about."""
    exact = trace if is_exact(trace) else first_exact(list(against))
    sampled = next((other for other in against if not is_exact(other)), None) if is_exact(trace) else trace
    return None if exact is None or sampled is None else agreement_of(sampled, exact)


def agreement_of(sampled: Trace, exact: Trace) -> Agreement:
    """Whether the two name the same leaders; both are predicted for the machine that the exact one was recorded for."""
    try:
        machine = Machine.load(exact.meta["exact"]["machine"])
        costs_s = [slow_costs(own, machine, predict_trace(own, machine, budgets=2))["cost_s"] for own in (sampled, exact)]
        return agreement(sampled, exact, waiting_seconds(exact, machine), (costs_s[0], costs_s[1]), machine.slow)
    except (MachineError, ModelError, TraceError) as error:
        return no_agreement(exact, str(error))
