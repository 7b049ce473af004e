"""The whole answer for one trace on one machine: run times, curve, savings, labels, and what the answer rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.models.timing.machine import Machine
from tierprof.placer.plan import Plan
from tierprof.placer.predict import exact, orders
from tierprof.placer.predict.curve import ACCESSES, FIRST_TOUCH, LLC_MISSES, Curve, budget_steps, make_curve
from tierprof.placer.predict.curve import STEPS as CURVE_STEPS
from tierprof.placer.predict.economics import Savings, savings
from tierprof.placer.predict.forecast import Forecast, Span
from tierprof.placer.predict.labels import Labels, make_labels
from tierprof.placer.predict.movable import UNSEEN, Movable, movable_objects
from tierprof.placer.predict.notes import money_notes, trust_notes
from tierprof.placer.predict.planned import planned_shares
from tierprof.placer.predict.rates import Overrides, Rates, rates_of
from tierprof.placer.predict.sampled import SampledForecast
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

DEFAULT_BUDGETS = 61

#: How often `predict_trace` calls `on_step`, at most.
STEPS = 1 + CURVE_STEPS

_PAIRS = 8  # objects whose interactions are labelled

_HARDWARE = ("pebs", "ibs", "spe")


class Outcome(NamedTuple):
    """A run under one plan."""

    time: Span  # seconds
    slowdown: Span  # over everything in the fast tier, 1 for no slower


@dataclass(frozen=True)
class Prediction:
    """What a trace says about its program on a machine.

    Attributes
    ----------
    all_fast
        Seconds with everything in the fast tier.
    all_slow
        With everything in the slow tier: stack, static data and small allocations too.
    objects_slow
        With all movable objects in the slow tier and the rest in the fast one: the curve's left end.
    planned
        Under the plan; None without one.
    memory_mode
        Seconds where the fast tier is a cache of the slow one, by its bytes; empty where the machine has no such mode.
    page_cache_bytes
        DRAM that caches pages of a paged slow tier, beside every budget; None for any other.
    labels
        Of an exact trace; None for a sampled one.
    notes
        What the reader has to know to believe it, one line each.
    """

    trace: Trace
    machine: Machine
    exact: bool
    movable: Movable
    all_fast: Span
    all_slow: Outcome
    objects_slow: Outcome
    planned: Outcome | None
    planned_bytes: int | None
    memory_mode: Mapping[int, Span]
    page_cache_bytes: int | None
    curve: Curve
    savings: Savings
    fast_rates: Rates
    slow_rates: Rates
    labels: Labels | None
    notes: tuple[str, ...]


def is_exact(trace: Trace) -> bool:
    """Whether the trace is one of an exact run."""
    return "exact" in trace.meta and trace.has("exact_threads")


def predict_trace(
    trace: Trace,
    machine: Machine,
    *,
    plan: Plan | None = None,
    budgets: int = DEFAULT_BUDGETS,
    overrides: Overrides | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Prediction:
    """Predict a traced program's run on a machine.

    Parameters
    ----------
    trace
        Of an exact run, or with samples of time.
    machine
        Whose two tiers are meant.
    plan
        A plan to time.
    budgets
        Points of the curve.
    overrides
        The user's prices, watts and carbon (`rates.parse_overrides`).
    on_step
        Called now and then, at most `STEPS` times.

    Raises
    ------
    TraceError
        If the trace has neither exact counts nor samples of time, or no object that could be moved.
    PlanError
        If the plan is of another program.
    MachineError
        If the machine has only one kind of memory, or one that this trace cannot tell of.
    """
    exact.check_two_tiers(machine)
    run = _run(trace, machine)
    on_step()
    forecast, movable = run.forecast, run.movable
    all_fast = forecast.run(np.zeros((1, len(forecast.objects)))).at(0)
    steps = budget_steps(movable.peak_bytes, budgets)
    curve = make_curve(forecast, movable, steps, _orders(trace, movable, steps, run.profile), on_step=on_step)
    fast_rates, slow_rates = (rates_of(name, kind, overrides or {}) for name, kind in ((machine.fast, "fast"), (machine.slow, "slow")))
    share = None if plan is None else planned_shares(trace, movable, plan)[None, :]
    nothing_fast = np.zeros((1, len(movable)))
    return Prediction(
        trace=trace,
        machine=machine,
        exact=run.profile is not None,
        movable=movable,
        all_fast=all_fast,
        all_slow=_outcome(forecast, np.ones((1, len(forecast.objects)))),
        objects_slow=_outcome(forecast, movable.slow_share(nothing_fast)),
        planned=None if share is None else _outcome(forecast, movable.slow_share(share)),
        planned_bytes=None if share is None else int(movable.needed_bytes(share)[0]),
        memory_mode={} if run.profile is None else exact.memory_mode(run.profile, machine, movable.peak_bytes),
        page_cache_bytes=run.page_cache_bytes,
        curve=curve,
        savings=savings(curve, movable, fast_rates, slow_rates, run.page_cache_bytes or 0),
        fast_rates=fast_rates,
        slow_rates=slow_rates,
        labels=_labels(trace, machine, forecast),
        notes=(*trust_notes(trace, machine, run.profile, run.page_cache_bytes), *money_notes(machine, fast_rates, slow_rates)),
    )


def _outcome(forecast: Forecast, slow_share: NDArray[np.float64]) -> Outcome:
    return Outcome(forecast.run(slow_share).at(0), forecast.slowdowns(slow_share).at(0))


class _Run(NamedTuple):
    """A trace made ready for a machine."""

    forecast: Forecast
    movable: Movable
    profile: ExactProfile | None  # of an exact trace
    page_cache_bytes: int | None


def _run(trace: Trace, machine: Machine) -> _Run:
    if not is_exact(trace):
        sampled = SampledForecast(trace, exact.latency_ratio(machine), machine.config()["l3_bytes"])
        return _Run(sampled, _movable(trace, sampled.objects), None, None)
    profile = ExactProfile.from_trace(trace)
    movable = _movable(trace, profile.object_ids)
    cache_bytes = exact.page_cache_bytes(machine, movable.peak_bytes)
    return _Run(exact.ExactForecast(profile, machine, cache_bytes), movable, profile, cache_bytes)


def _movable(trace: Trace, objects: NDArray[np.int64]) -> Movable:
    movable = movable_objects(trace, objects)
    if movable.peak_bytes == 0:
        raise TraceError(
            f"trace {trace.path} has nothing to move", "it has no object of a page or more", "profile a run that allocates more"
        )
    return movable


def _labels(trace: Trace, machine: Machine, forecast: Forecast) -> Labels | None:
    if not isinstance(forecast, exact.ExactForecast):
        return None
    return make_labels(trace, machine.name, forecast.objects, forecast.anchors(), forecast.pairs(_PAIRS))


def _orders(
    trace: Trace, movable: Movable, budgets_bytes: NDArray[np.int64], profile: ExactProfile | None
) -> dict[str, NDArray[np.float64]]:
    """Fast shares (budgets, m) of the orders that the best plan is compared with, as far as the trace can tell them."""
    found = {}
    if profile is not None:
        misses = orders.llc_misses(profile)
        counts = np.where(movable.column == UNSEEN, 0.0, misses[movable.column])
        found[LLC_MISSES] = orders.densest_first(movable, counts, budgets_bytes)
    elif trace.meta.get("source") in _HARDWARE:
        accesses = trace.objects().set_index("site")["accesses"].reindex(movable.sites).to_numpy(dtype=np.float64)
        found[ACCESSES] = orders.densest_first(movable, accesses, budgets_bytes)
    found[FIRST_TOUCH] = orders.first_touch(trace, movable, budgets_bytes)
    return found
