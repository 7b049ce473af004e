"""Plans of every origin: by a model, a metric or the measured truth, and the ones that any of them must beat."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import tierprof
from tierprof.base.errors import PlanError, TierprofError
from tierprof.base.units import format_bytes, parse_size_bytes
from tierprof.placer.candidates import placeable
from tierprof.placer.match import frames_by_site
from tierprof.placer.pack import Demand, pack_in_order, trace_demand
from tierprof.placer.pack_split import SplitPacking, pack_split
from tierprof.placer.plan import Plan, PlannedObject, Provenance
from tierprof.placer.predict.by_model import labelled_machine
from tierprof.placer.split_plan import SplitSummary, parts_of, split_reason, summary_of, whole_reason
from tierprof.placer.splits import Splits, splittable
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.trace import Trace

if TYPE_CHECKING:
    from tierprof.models.ranker import CriticalityRanker
    from tierprof.placer.values import Values

#: Plans that look at no object: what `place --by` accepts beside the metrics.
BLIND = ("all-fast", "all-slow", "first-come")

#: A cold object below this size is not named in a plan: it goes to the default tier like the ones that the trace never saw.
LEAST_NAMED_BYTES = 1 << 20


class Placement(NamedTuple):
    """A plan and how it came about."""

    plan: Plan
    budget_bytes: int
    peak_bytes: int  # most bytes of all placeable objects live at once
    fast_peak_bytes: int  # most bytes of the objects chosen for the fast tier live at once
    optimal: bool  # whether no better packing exists, for the values given
    exact: bool  # whether the budget was checked at every moment, not at windows of moments
    split: SplitSummary | None = None  # None: nothing could be split


def parse_budget(text: str, peak_bytes: int) -> int:
    """Bytes of a budget such as ``8GiB``, or ``25%`` of the peak.

    Raises
    ------
    TierprofError
        If the text is neither.
    """
    if not text.endswith("%"):
        return parse_size_bytes(text)
    try:
        share = float(text[:-1]) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise TierprofError(f"budget '{text}'", "a share of the peak is 0% to 100%", "write it like dram=25% or dram=8GiB")
    return int(share * peak_bytes)


def all_fast(fast: TierSpec, slow: TierSpec, provenance: Provenance) -> Plan:
    """Everything in the fast tier, without a limit."""
    return Plan((_unlimited(fast), slow), fast.name, (), provenance)


def all_slow(fast: TierSpec, slow: TierSpec, provenance: Provenance) -> Plan:
    """Everything in the slow tier."""
    return Plan((_unlimited(fast), slow), slow.name, (), provenance)


def first_come(fast: TierSpec, slow: TierSpec, budget_bytes: int, provenance: Provenance) -> Plan:
    """What is allocated first gets the fast tier until its budget is full; the rest spills into the slow one."""
    return Plan((_limited(fast, slow, budget_bytes), slow), fast.name, (), provenance)


def make_placement(
    trace: Trace,
    fast: TierSpec,
    slow: TierSpec,
    budget: str,
    *,
    by: str,
    model: "CriticalityRanker | None" = None,
    machine: str | None = None,
    seed: int = 0,
    split: bool = True,
) -> Placement:
    """Make a plan for a traced program.

    Parameters
    ----------
    trace
        The run.
    fast, slow
        The two tiers.
    budget
        Of the fast tier: a size, or a share of the peak.
    by
        ``model``, a metric of values.py, or one of `BLIND`.
    model
        A ranker, for ``model``.
    machine
        For ``model`` without a ranker: the machine whose labels are meant.
    seed
        Of ``random``.
    split
        Whether objects may be split by address range; only where `by` is additive.

    Raises
    ------
    PlanError
        If the trace has nothing to place, or lacks what `by` needs.
    """
    objects = trace.objects()
    able = placeable(objects).to_numpy()
    if not able.any():
        raise PlanError(f"trace {trace.path} cannot be placed", "it has no object of a page or more", "profile a run that allocates more")
    demand = trace_demand(trace)
    rows = demand.columns(objects["site"].to_numpy(dtype=np.int64)) * able
    peak_bytes = min(demand.peak_bytes, int(rows.sum(axis=1).max(initial=0)))  # windows of moments may say more than there ever was
    budget_bytes = parse_budget(budget, peak_bytes)
    provenance = {"trace": str(trace.path.absolute()), "by": by, "budget": format_bytes(budget_bytes), "tierprof": tierprof.__version__}
    if by in BLIND:
        return _blind(by, (fast, slow), budget_bytes, demand._replace(peak_bytes=peak_bytes), provenance)
    from tierprof.placer.values import value_objects  # here, as its models take long to import, and verify needs none

    values = value_objects(trace, slow, by=by, model=model, machine=machine, seed=seed)
    if by == "model" and model is None:
        provenance["machine"] = labelled_machine(trace, machine)
    worth = np.where(able, values.score, 0.0)
    splits = splittable(trace, objects, worth) if split and values.additive else None
    packing = _choose(values, rows, able, budget_bytes, splits)
    chosen, ways = packing.chosen, packing.ways
    split_here = np.isin(np.arange(len(objects)), list(ways))
    named = able & (chosen | split_here | (objects["samples"] > 0).to_numpy() | (objects["peak_bytes"] >= LEAST_NAMED_BYTES).to_numpy())
    frames = frames_by_site(trace.frame("stacks"), objects["site"][named]) if trace.has("stacks") else {}
    too_large = ~chosen & (rows.max(axis=0, initial=0) > budget_bytes)
    entries = [
        PlannedObject(
            str(own["key"]),
            fast.name if chosen[place] else slow.name,
            str(own["name"]),
            values.reasons[place] + (f"; larger than the budget{whole_reason(splits, place)}" if too_large[place] else ""),
            int(own["peak_bytes"]),
            None if np.isnan(values.cost_s[place]) else round(float(values.cost_s[place]), 6),
            frames.get(int(own["site"]), ()),
            small=own["kind"] == "slab",
        )
        for place, own in enumerate(objects.to_dict("records"))
        if named[place]
    ]
    entries = _with_parts(entries, objects["key"].tolist(), packing, splits, fast)
    entries.sort(key=lambda own: (own.tier != fast.name, -(own.predicted_effect_s or 0.0), -own.bytes))
    default, provenance["unnamed"] = _default(rows, packing.live_bytes, able & ~named, (fast, slow), budget_bytes)
    plan = Plan((_limited(fast, slow, budget_bytes), slow), default, tuple(entries), provenance)
    fast_peak_bytes = int(packing.live_bytes.max(initial=0))
    summary = summary_of(worth, packing) if splits is not None and splits.objects else None
    return Placement(plan, budget_bytes, peak_bytes, fast_peak_bytes, packing.optimal, demand.exact, summary)


def _with_parts(
    entries: list[PlannedObject], keys: list[str], packing: SplitPacking, splits: Splits | None, fast: TierSpec
) -> list[PlannedObject]:
    """The objects, those that are split with their parts and the reason for them."""
    ways = {keys[own.place]: (own, packing.ways[own.place]) for own in (splits.objects if splits else []) if own.place in packing.ways}

    def with_own(entry: PlannedObject) -> PlannedObject:
        if entry.site not in ways:
            return entry
        own, way = ways[entry.site]
        parts = parts_of(own, way, fast.name, entry.predicted_effect_s)
        return replace(entry, parts=parts, reason=f"{split_reason(own, way)}; {entry.reason}")

    return [with_own(entry) for entry in entries]


def _default(
    rows: NDArray[np.int64],
    chosen_bytes: NDArray[np.int64],
    unnamed: NDArray[np.bool_],
    tiers: tuple[TierSpec, TierSpec],
    budget_bytes: int,
) -> tuple[str, str]:
    """The tier of what the plan does not name, and why: the fast one if all of that fits beside the chosen objects at every moment.

    Then nothing that was chosen is crowded out by it; whatever else turns up spills into the slow tier: the capacity holds at run time.
    """
    fast, slow = tiers
    left_bytes = budget_bytes - int(chosen_bytes.max(initial=0))
    beside = int((chosen_bytes + rows[:, unnamed].sum(axis=1)).max(initial=0))
    rest = format_bytes(int(rows[:, unnamed].sum(axis=1).max(initial=0)))
    if beside <= budget_bytes:
        why = f"{rest} at most in the profiled run, beside which the chosen objects fit the budget; what does not fit spills to {slow.name}"
        return fast.name, f"go to {fast.name}: {why}"
    return slow.name, f"go to {slow.name}: with {rest} at most they do not fit the {format_bytes(left_bytes)} that the chosen objects leave"


def _choose(values: "Values", rows: NDArray[np.int64], able: NDArray[np.bool_], budget_bytes: int, splits: Splits | None) -> SplitPacking:
    if values.additive:
        return pack_split(np.where(able, values.score, 0.0), rows, budget_bytes, splits.objects if splits is not None else [])
    chosen = pack_in_order(np.where(able, values.score, -np.inf), rows, budget_bytes) & able
    worth = float(values.score[chosen].sum())
    return SplitPacking(chosen, {}, worth, rows[:, chosen].sum(axis=1), True, worth, worth)


def _blind(by: str, tiers: tuple[TierSpec, TierSpec], budget_bytes: int, demand: Demand, provenance: Provenance) -> Placement:
    peak_bytes = demand.peak_bytes
    if by == "all-fast":
        return Placement(all_fast(*tiers, provenance), peak_bytes, peak_bytes, peak_bytes, True, demand.exact)
    if by == "all-slow":
        return Placement(all_slow(*tiers, provenance), 0, peak_bytes, 0, True, demand.exact)
    plan = first_come(*tiers, budget_bytes, provenance)
    return Placement(plan, budget_bytes, peak_bytes, min(budget_bytes, peak_bytes), True, demand.exact)


def _limited(fast: TierSpec, slow: TierSpec, budget_bytes: int) -> TierSpec:
    return replace(fast, capacity_bytes=budget_bytes, spill=slow.name)


def _unlimited(fast: TierSpec) -> TierSpec:
    return replace(fast, capacity_bytes=None, spill=None)
