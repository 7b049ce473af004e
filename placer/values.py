"""What each object is worth in fast memory, by a model or by one metric, and why, in words that a person can check."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import ModelError, PlanError
from tierprof.base.units import format_bytes, format_seconds, format_share
from tierprof.models.baselines import baseline_scores
from tierprof.models.dataset import features, measured_costs
from tierprof.models.ranker import CriticalityRanker
from tierprof.placer.predict.by_model import labelled_machine, modelled_values
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

#: What `place --by` accepts.
METRICS = ("stall_share", "size", "accesses", "density", "random", "criticality", "model")

#: Metrics whose sum over objects means something: packed exactly. By the others the budget is filled in order.
_ADDITIVE = ("stall_share", "accesses", "criticality", "model")

#: Features in words; `{}` stands for the value as people read it.
_WORDS: dict[str, tuple[str, Callable[[float], str]]] = {
    "stall_s_of_run": ("{} of all waiting", format_share),
    "accesses_of_run": ("{} of all accesses", format_share),
    "stall_density": ("waiting {} of the run per MiB", lambda value: format_share(value / 1024)),
    "peak_bytes_of_run": ("{} of all bytes", format_share),
    "total_bytes_of_run": ("{} of all bytes handed out", format_share),
    "largest_bytes_of_run": ("largest allocation {} of all", format_share),
    "allocations_of_run": ("{} of all allocations", format_share),
    "faults_of_run": ("{} of all first touches", format_share),
    "fault_share": ("{} of page faults", format_share),
    "kernel_s_of_run": ("{} of kernel time", format_share),
    "instructions_of_run": ("{} of all instructions", format_share),
    "mean_size_bytes": ("allocations of {}", format_bytes),
    "lifetime_s": ("living {}", format_seconds),
    "live_share": ("alive {} of the run", format_share),
    "touched_share": ("{} of its pages touched", format_share),
    "entropy": ("spread of addresses {}", "{:.2f}".format),
    "stride_regularity": ("regular strides {}", "{:.2f}".format),
    "burstiness": ("bursts {}", "{:.2f}".format),
    "threads": ("{} threads", "{:.0f}".format),
    "write_share": ("{} of accesses are writes", format_share),
    "chase_share": ("{} pointer chases", format_share),
    "exact_share": ("{} of addresses exact", format_share),
    "confidence": ("confidence {}", "{:.2f}".format),
    "first_touch_main": ("first touched by the main thread: {}", lambda value: "yes" if value else "no"),
}


class Contribution(NamedTuple):
    """What one feature adds to an object's score."""

    text: str  # `waiting 31.0% of the run`
    value: float  # SHAP


class Values(NamedTuple):
    """Objects' worth; all arrays have one entry an object, in the order of the trace's objects."""

    by: str  # `model` or a metric
    score: NDArray[np.float64]  # what is maximised or ordered by
    additive: bool
    cost_s: NDArray[np.float64]  # predicted extra CPU seconds in the slow tier; NaN where nothing predicts them
    reasons: list[str]
    contributions: list[list[Contribution]]  # strongest first; empty without a model


def loss_per_stall(slow: TierSpec, model: CriticalityRanker | None) -> float | None:
    """Extra seconds in the slow tier for each second of waiting seen in the profile.

    The median that the model's training runs lost on the same tier, where there are any; for an emulated tier else what its factor says,
    since that is what the emulation injects; None for any other.
    """
    learned = model.provenance_.get("loss_per_stall", {}) if model is not None else {}
    if slow.spec in learned:
        return float(learned[slow.spec])
    return slow.factor - 1.0 if slow.factor is not None else None


def value_objects(
    trace: Trace, slow: TierSpec, *, by: str, model: CriticalityRanker | None = None, machine: str | None = None, seed: int = 0
) -> Values:
    """Value the objects of a trace.

    Parameters
    ----------
    trace
        The trace.
    slow
        The tier that objects would be in otherwise.
    by
        One of `METRICS`. ``model`` is the ranker, if one is given, and else the timing model's labels in the trace.
    model
        A ranker, for ``model``.
    machine
        Whose labels, for ``model`` without a ranker; only needed where the trace has those of several.
    seed
        Of ``random``.

    Raises
    ------
    PlanError
        If the metric needs what the trace has not got.
    ModelError
        If the trace lacks a feature that the model was trained on.
    """
    objects = trace.objects()
    _check_sampled(trace, by, model)
    ratio = loss_per_stall(slow, model) if trace.meta.get("source") != "exact" else None
    stall_s = objects["stall_s"].to_numpy(dtype=np.float64)
    cost_s = stall_s * ratio if ratio is not None else np.full(len(objects), np.nan)
    no_contributions: list[list[Contribution]] = [[] for _ in range(len(objects))]
    if by == "model" and model is not None:
        return _by_model(objects, model, stall_s.sum() * ratio if ratio is not None else np.nan)
    if by == "model":
        score, cost_s, reasons = modelled_values(trace, objects, labelled_machine(trace, machine))
        on_tier = np.full(len(objects), np.nan) if slow.factor is not None else cost_s  # an emulated tier is not the machine's
        return Values(by, score, True, on_tier, reasons, no_contributions)
    if by == "criticality":
        cost_s, reasons = _measured(trace, objects, slow)
        return Values(by, np.nan_to_num(cost_s), True, cost_s, reasons, no_contributions)
    score = baseline_scores(by, objects, seed)
    return Values(by, score, by in _ADDITIVE, cost_s, _metric_reasons(by, objects, score), no_contributions)


def _check_sampled(trace: Trace, by: str, model: CriticalityRanker | None) -> None:
    """Refuse to rank by waiting that was never sampled."""
    if trace.meta.get("source") == "exact" and (by in ("stall_share", "density") or model is not None):
        what = f"exact trace {trace.path} cannot be placed by {'a ranker' if model is not None else by}"
        raise PlanError(what, "nothing was sampled in it", "leave that out, to place by the timing model, or take --by accesses")


def _by_model(objects: pd.DataFrame, model: CriticalityRanker, loss_s: float) -> Values:
    """By a model; what no sample fell on is worth nothing, whatever the model makes of its size."""
    matrix = features(objects)
    missing = sorted(set(model.feature_names_in_) - set(matrix.columns))
    if missing:
        raise ModelError("the model cannot be applied", f"the trace lacks {', '.join(missing)}", "profile again, or train again")
    matrix = matrix[list(model.feature_names_in_)]
    seen = (objects["stall_s"] > 0).to_numpy()
    share = np.zeros(len(objects))
    if seen.any():  # the shares are those of the objects that may have one: hundreds of silent ones would dilute the rest
        share[seen] = model.predict_share(matrix[seen])
    contributions = explain(model, matrix)
    reasons = [
        f"{_rank_words(own, share)}: {_because(parts, bool(own * seen.sum() > 1))}" if own else "no sample fell on it"
        for own, parts in zip(share, contributions, strict=True)
    ]
    return Values(
        "model", share, True, share * loss_s, reasons, [parts if own else [] for own, parts in zip(share, contributions, strict=True)]
    )


def explain(model: CriticalityRanker, matrix: pd.DataFrame, most: int = 4) -> list[list[Contribution]]:
    """The features that move each object's score most, in words, strongest first."""
    values = model.contributions(matrix)[:, :-1]
    strongest = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :most]
    names = list(matrix.columns)
    numbers = matrix.to_numpy()
    return [
        [
            Contribution(feature_words(names[place], numbers[row, place]), float(values[row, place]))
            for place in places
            if values[row, place]
        ]
        for row, places in enumerate(strongest)
    ]


def feature_words(name: str, value: float) -> str:
    """A feature and its value in words."""
    words, shown = _WORDS.get(name, (name.replace("_", " ") + " {}", "{:.3g}".format))
    return words.format("unknown" if np.isnan(value) else shown(value))


def _rank_words(share: float, shares: NDArray[np.float64]) -> str:
    return f"rank {1 + int((shares > share).sum())} of {int((shares > 0).sum())}"


def _because(parts: Sequence[Contribution], above_even: bool) -> str:
    """The two strongest features that speak for an object that gets more than an even share, or against one that gets less."""
    speaking = [part.text for part in parts if (part.value > 0) == above_even] or [part.text for part in parts]
    if not speaking:
        return "nothing known speaks for or against it"
    return ("" if above_even else "only ") + ", ".join(speaking[:2])


def _metric_reasons(by: str, objects: pd.DataFrame, score: NDArray[np.float64]) -> list[str]:
    total = score.sum()
    words: dict[str, Callable[[float], str]] = {
        "stall_share": lambda value: f"waiting {format_share(value)} of the run",
        "size": lambda value: f"{format_bytes(value)} at its peak",
        "accesses": lambda value: f"{format_share(value / total if total else 0.0)} of all accesses",
        "density": lambda value: feature_words("stall_density", value),
        "random": lambda value: "drawn at random",
    }
    return [words[by](float(value)) for value in score]


def _measured(trace: Trace, objects: pd.DataFrame, slow: TierSpec) -> tuple[NDArray[np.float64], list[str]]:
    if not trace.has("criticality"):
        why = "its objects have not been measured"
        raise PlanError(f"trace {trace.path} cannot be placed by criticality", why, "run `tierprof measure TRACE -- CMD` first")
    costs = measured_costs(trace, f"intervention {slow.spec}").set_index("key")
    if costs.empty:
        found = ", ".join(sorted(set(trace.frame("criticality")["source"])))
        raise PlanError(
            f"trace {trace.path} cannot be placed by criticality", f"it holds only {found}", f"measure it with --slow {slow.spec}"
        )
    own = costs.reindex(objects["key"])
    reasons = [
        "not measured"
        if np.isnan(row.cost_s)
        else f"measured: {format_seconds(row.cost_s)} [{format_seconds(row.cost_low_s)}, {format_seconds(row.cost_high_s)}]"
        for row in own.itertuples()
    ]
    return own["cost_s"].to_numpy(dtype=np.float64), reasons
