"""What the report says: a trace, with its plan, model, measurements and predictions where there are any. report_page.py lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.base.errors import MachineError, ModelError, TraceError
from tierprof.base.schema import CRITICALITY
from tierprof.models.bootstrap import Interval
from tierprof.models.ranker import CriticalityRanker
from tierprof.models.timing.machine import Machine
from tierprof.placer.guide.guide import Guide, build_guide
from tierprof.placer.guide.tensors import has_tensors
from tierprof.placer.measure import interval_of
from tierprof.placer.pack import trace_demand
from tierprof.placer.plan import Plan
from tierprof.placer.predict.prediction import Prediction, is_exact, predict_trace
from tierprof.placer.report_achieved import Achieved, achieved_of
from tierprof.placer.tiers import parse_tier
from tierprof.placer.values import Contribution, Values, value_objects
from tierprof.profiler.trace import Trace


@dataclass
class ReportRow:
    """One object in the report."""

    key: str
    site: int
    name: str
    where: str  # file:line, where it is known
    peak_bytes: int
    stall_share: float
    measured: Interval | None  # extra CPU seconds in the slow tier
    predicted_s: float | None
    tier: str | None  # None: there is no plan
    reason: str
    contributions: list[Contribution]  # of features to the model's score; empty without a model


@dataclass
class Report:
    """What the report says, before it is laid out."""

    trace: Trace
    plan: Plan | None
    rows: list[ReportRow]  # costliest first
    peak_bytes: int  # most bytes of all objects live at once
    slow_spec: str | None  # tier that costs are measured on or predicted for
    none_s: float | None  # measured CPU time with everything fast
    loss: Interval | None  # measured extra CPU time with everything slow
    model_facts: str  # where the model's knowledge comes from, in a sentence
    prediction: Prediction | None = None  # on other memory; of an exact trace only
    no_prediction: str = ""  # why an exact trace has none
    achieved: Achieved | None = None  # of a run under a plan
    guide: Guide | None = None  # of a trace with tensors

    @property
    def budget_bytes(self) -> int | None:
        """The fast tier's capacity in the plan; None without a plan or a limit."""
        return None if self.plan is None else self.plan.tiers[0].capacity_bytes

    @property
    def predicted_saving(self) -> float | None:
        """Share of the cost of everything slow that the plan avoids, by its own predictions."""
        known = [row for row in self.rows if row.predicted_s is not None]
        total = sum(max(row.predicted_s or 0.0, 0.0) for row in known)
        if self.plan is None or total <= 0:
            return None
        fast = self.plan.fast
        left = {own.site: max(own.effect_outside_s(fast), 0.0) for own in self.plan.objects if own.parts}
        saved = sum(max(row.predicted_s or 0.0, 0.0) for row in known if row.tier == fast and row.key not in left)
        return (saved + sum(max(row.predicted_s or 0.0, 0.0) - left[row.key] for row in known if row.key in left)) / total


def build_report(
    trace: Trace,
    plan: Plan | None = None,
    model: CriticalityRanker | None = None,
    machine: str | Path | None = None,
    against: Sequence[Trace] = (),
) -> Report:
    """Gather the report of a trace.

    Parameters
    ----------
    trace
        The run.
    plan
        Adds tiers, reasons and predictions.
    model
        Adds the features that a prediction comes from; without a plan, the predictions too.
    machine
        On which an exact trace is predicted, and the guide of one with tensors; the exact trace's own unless given.
    against
        Other runs of the program, for the guide.

    Raises
    ------
    MachineError
        If that machine is not known.
    """
    prediction, no_prediction = _predict(trace, plan, machine)
    slow_spec = _slow_spec(trace, plan, model)
    table = _criticality(trace, slow_spec)
    measured = (
        {} if table is None else {str(row["key"]): interval_of(row, "cpu_s") for _, row in table[table["what"] == "object"].iterrows()}
    )
    values = None if model is None or slow_spec is None else value_objects(trace, parse_tier(f"slow={slow_spec}"), by="model", model=model)
    rows = _rows(trace, plan, measured, values, _modelled_costs(prediction))
    rows.sort(key=lambda row: (-_best_known_cost(row), -row.stall_share, -row.peak_bytes))
    none_s, loss = _whole_runs(table)
    peak_bytes = trace_demand(trace).peak_bytes
    achieved = achieved_of(trace)
    guide = build_guide(trace, plan, None if machine is None else Machine.load(machine), against)
    return Report(trace, plan, rows, peak_bytes, slow_spec, none_s, loss, _model_facts(model), prediction, no_prediction, achieved, guide)


def _predict(trace: Trace, plan: Plan | None, machine: str | Path | None) -> tuple[Prediction | None, str]:
    """The prediction of an exact trace, or why there is none. A machine that the user names has to be there."""
    if not is_exact(trace):
        if machine is not None and not has_tensors(trace):
            why = f"trace {trace.path} has neither exact counts nor tensors"
            raise TraceError(f"--machine {machine}", why, "record it with `tierprof run --source exact`, or use `tierprof predict`")
        return None, ""
    found = Machine.load(machine) if machine is not None else None
    try:
        return predict_trace(trace, found or Machine.load(trace.meta["exact"]["machine"]), plan=plan), ""
    except (MachineError, ModelError, TraceError) as error:
        if machine is not None:
            raise
        return None, str(error)


def _modelled_costs(prediction: Prediction | None) -> dict[str, float]:
    """Seconds that each object costs alone in the slow tier, by its key."""
    if prediction is None or prediction.labels is None:
        return {}
    labels = prediction.labels.objects
    return dict(zip(labels["key"], labels["alone_slow_s"] - labels["all_fast_s"], strict=True))


def _slow_spec(trace: Trace, plan: Plan | None, model: CriticalityRanker | None) -> str | None:
    """The tier that costs are about: the plan's, the measured one, the one that the model learned on."""
    if plan is not None and plan.slow is not None:
        return plan.slow.spec
    interventions = _interventions(trace)
    if len(interventions):
        return str(interventions["slow"].iloc[-1])
    learned = [] if model is None else list(model.provenance_.get("loss_per_stall", {}))
    return learned[0] if learned else None


def _interventions(trace: Trace) -> pd.DataFrame:
    """What was measured; labels by model are no measurement."""
    table = trace.frame("criticality") if trace.has("criticality") else CRITICALITY.empty_table().to_pandas()
    return table[table["source"].str.startswith("intervention")]


def _criticality(trace: Trace, slow_spec: str | None) -> pd.DataFrame | None:
    table = _interventions(trace)
    table = table[(table["slow"] == slow_spec) & table["met"].astype(bool)]
    return table if len(table) else None


def _best_known_cost(row: ReportRow) -> float:
    """The measured cost; where that cannot be told from zero, the predicted one, if there is any."""
    if row.measured is not None and (row.predicted_s is None or row.measured.excludes(0.0)):
        return row.measured.value
    return row.predicted_s or 0.0


def _rows(
    trace: Trace, plan: Plan | None, measured: dict[str, Interval], values: Values | None, modelled: dict[str, float]
) -> list[ReportRow]:
    planned = {} if plan is None else {entry.site: entry for entry in plan.objects}
    rows = []
    for place, own in enumerate(trace.objects().to_dict("records")):
        key = str(own["key"])
        entry = planned.get(key)
        predicted = entry.predicted_effect_s if entry is not None else float(values.cost_s[place]) if values is not None else None
        predicted = modelled.get(key, predicted)
        row = ReportRow(
            key=key,
            site=int(own["site"]),
            name=str(own["name"]),
            where=f"{own['file']}:{own['line']}" if own["file"] else "",
            peak_bytes=int(own["peak_bytes"]),
            stall_share=float(own["stall_share"]),
            measured=measured.get(key),
            predicted_s=None if predicted is None or np.isnan(predicted) else predicted,
            tier=None if plan is None else entry.tier if entry is not None else plan.default,
            reason=entry.reason if entry is not None else values.reasons[place] if values is not None else "",
            contributions=values.contributions[place] if values is not None else [],
        )
        rows.append(row)
    return rows


def _whole_runs(table: pd.DataFrame | None) -> tuple[float | None, Interval | None]:
    """CPU time with everything fast, and what everything slow adds; the ends of both intervals at their worst."""
    if table is None or not {"none", "all"} <= set(table["what"]):
        return None, None
    none, everything = (interval_of(table[table["what"] == what].iloc[0], "cpu_s") for what in ("none", "all"))
    return none.value, Interval(everything.value - none.value, everything.low - none.high, everything.high - none.low)


def _model_facts(model: CriticalityRanker | None) -> str:
    if model is None or not model.provenance_:
        return ""
    facts = model.provenance_
    programs = ", ".join(facts["programs"])
    return f"The model learned from {facts['objects']} objects of {len(facts['runs'])} runs ({programs}), labels from {facts['source']}."
