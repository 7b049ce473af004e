"""What the report says: a trace, with its plan, model and measurements where there are any. report_page.py lays it out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierprof.models.bootstrap import Interval
from tierprof.models.dataset import features
from tierprof.models.ranker import CriticalityRanker
from tierprof.placer.measure import interval_of
from tierprof.placer.plan import Plan
from tierprof.placer.values import Contribution, explain, value_objects
from tierprof.profiler.trace import Trace


@dataclass
class ReportRow:
    """One object in the report."""

    key: str
    site: int
    name: str
    where: str
    peak_bytes: int
    stall_share: float
    measured: Interval | None  # extra CPU seconds in the slow tier
    predicted_s: float | None
    tier: str | None  # None: there is no plan
    reason: str
    contributions: list[Contribution]


@dataclass
class Report:
    """What the report says, before it is laid out."""

    trace: Trace
    plan: Plan | None
    rows: list[ReportRow]  # costliest first
    criticality: pd.DataFrame | None
    fast_tier: str | None


def build_report(trace: Trace, plan: Plan | None = None, model: CriticalityRanker | None = None) -> Report:
    """Gather the report of a trace.

    Parameters
    ----------
    trace
        The run.
    plan
        Adds tiers, reasons and predictions.
    model
        Adds the features that each prediction came from.
    """
    criticality = _latest_criticality(trace, plan)
    measured = {} if criticality is None else {row["key"]: interval_of(row, "cpu_s") for _, row in _objects_of(criticality).iterrows()}
    planned = {} if plan is None else {own.site: own for own in plan.objects}
    values = None if model is None else _model_values(trace, plan, model)
    rows = []
    for place, (_, own) in enumerate(trace.objects().iterrows()):
        key = str(own["key"])
        entry = planned.get(key)
        predicted = entry.predicted_effect_s if entry is not None else None
        rows.append(
            ReportRow(
                key=key,
                site=int(own["site"]),
                name=str(own["name"]),
                where=f"{own['file']}:{own['line']}" if own["file"] else "",
                peak_bytes=int(own["peak_bytes"]),
                stall_share=float(own["stall_share"]),
                measured=measured.get(key),
                predicted_s=predicted,
                tier=None if plan is None else entry.tier if entry is not None else plan.default,
                reason=entry.reason if entry is not None else "",
                contributions=values.contributions[place] if values is not None else [],
            )
        )
    rows.sort(key=lambda row: (-(row.measured.value if row.measured else row.predicted_s or 0.0), -row.stall_share, -row.peak_bytes))
    return Report(trace, plan, rows, criticality, None if plan is None else plan.fast)
