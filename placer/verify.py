"""Does a plan do what it says? Runs under it, under the system's own placement and with everything fast, interleaved; and one more that
records where every object was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tierprof.base.errors import CommandError
from tierprof.models.bootstrap import CONFIDENCE, Interval, median_interval
from tierprof.models.shift import shift_interval
from tierprof.placer.achieved import PLAN_TEXT, counters_of, objects_achieved, tiers_achieved
from tierprof.placer.baseline_plans import all_fast
from tierprof.placer.binary import tier_order
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan
from tierprof.placer.planned_run import PlannedRun, check_not_stopped, run_under_plan, run_without_plan
from tierprof.placer.summary import difference_lines
from tierprof.profiler.convert import convert
from tierprof.profiler.launch import LaunchOptions, launch
from tierprof.profiler.trace import Trace, create_trace_folder

WITH, WITHOUT, DEFAULT = "with", "without", "default"
KINDS = (WITH, WITHOUT, DEFAULT)

#: Share of the planned bytes that a run may not allocate and still count as having followed the plan.
MOST_ABSENT = 0.10


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes
    ----------
    predicted_s
        Extra CPU time over everything fast, by the plan's own predictions; None if it has none.
    measured
        The same, measured, with its interval.
    over_default
        Extra CPU time over the system's own placement, without tierprof: what the user pays or gains, the shim's own cost included.
    with_s, without_s, default_s
        Medians of CPU time, with intervals: under the plan, with everything fast under the same machinery, and by the system alone.
    tiers, objects
        What each tier served, and where each object was found, in one recorded run (placer/achieved.py).
    repeats
        Timed runs of each kind.
    confidence
        How often an interval of `measured` or `over_default` holds the truth: with fewer than four runs of each kind less than 0.95.
    """

    predicted_s: float | None
    measured: Interval
    over_default: Interval
    with_s: Interval
    without_s: Interval
    default_s: Interval
    tiers: pd.DataFrame
    objects: pd.DataFrame
    repeats: int
    confidence: float

    @property
    def effect_judged(self) -> bool:
        """Whether there is a prediction, and an interval that is sure enough to hold it against."""
        return self.predicted_s is not None and self.confidence >= CONFIDENCE

    @property
    def effect_as_predicted(self) -> bool:
        """Whether the measured interval holds the prediction; what cannot be judged is no miss."""
        return not self.effect_judged or self.predicted_s is None or not self.measured.excludes(self.predicted_s)

    @property
    def misplaced(self) -> pd.DataFrame:
        """Objects of which some allocations were in another tier than planned, or their pages in places of no such tier."""
        return self.objects[~self.objects["as_planned"] & self.objects["tier"].notna()]

    @property
    def over_capacity(self) -> pd.DataFrame:
        """Tiers of which a process held more than it may."""
        return self.tiers[self.tiers["peak_of_one_bytes"] > self.tiers["capacity_bytes"].fillna(np.inf)]

    @property
    def never_allocated(self) -> pd.DataFrame:
        """Objects of the plan that the run did not allocate: it took another path, or is another build."""
        return self.objects[self.objects["tier"].isna()]

    @property
    def bytes_as_planned(self) -> bool:
        """Whether objects were where they were planned and nowhere else, and no tier beyond its capacity.

        Up to `MOST_ABSENT` of the planned bytes may be of objects that the run did not allocate at all: which site asks for an
        interpreter's next arena, say, differs from run to run.
        """
        return bool(self.misplaced.empty and not self.too_few_met and self.over_capacity.empty)

    @property
    def too_few_met(self) -> bool:
        """Whether more than `MOST_ABSENT` of the planned bytes were never allocated."""
        planned_bytes = self.objects.drop_duplicates(["site", "planned"])["planned_bytes"].sum()
        return bool(self.never_allocated["planned_bytes"].sum() > MOST_ABSENT * planned_bytes)

    def verdicts(self) -> list[str]:
        """What is wrong, one line each; a single line that says so if nothing is."""
        wrong = []
        if not self.misplaced.empty:
            wrong.append(f"places differ: {difference_lines(self.objects)[0]}")
        if self.too_few_met:
            wrong.append(
                f"objects missing: more than a tenth of the plan's bytes was never allocated ({len(self.never_allocated)} of its objects)"
            )
        if not self.over_capacity.empty:
            wrong.append(f"over capacity: {', '.join(self.over_capacity['tier'])} held more than the plan allows")
        if not self.effect_as_predicted:
            wrong.append("effect differs: the measured interval does not hold what the plan predicts")
        if wrong:
            return [f"not verified, {line}" for line in wrong]
        every = "every object" if self.never_allocated.empty else "every object that was allocated"
        return [f"verified: {every} was where it was planned, and {self._effect()}"]

    def _effect(self) -> str:
        if self.predicted_s is None:
            return "it predicts no effect"
        return "the effect is as predicted" if self.effect_judged else "the effect is not judged: that takes 4 runs of each kind"


def predicted_loss(plan: Plan) -> float | None:
    """Extra seconds of CPU time over everything fast: the sum over what the plan leaves in slower tiers; None if it predicts nothing."""
    known = [own for own in plan.objects if own.predicted_effect_s is not None]
    return sum(own.effect_outside_s(plan.fast) for own in known) if known else None


def verify_plan(
    plan: Plan,
    command: Sequence[str],
    recipes: pa.Table | None,
    folder: Path,
    *,
    repeats: int,
    seed: int = 0,
    on_run: Callable[[], None] = lambda: None,
) -> Verification:
    """Run a program with and without a plan.

    The effect is over everything in the fast tier, under the same machinery, so that the difference is the plan's alone; beside it stands
    the system's own placement, without tierprof. One run more, which is not timed, records where the objects went.

    Parameters
    ----------
    plan
        The plan.
    command
        Program and arguments.
    recipes
        For an emulated tier.
    folder
        For the recorded run; must be empty.
    repeats
        Timed runs of each kind.
    seed
        Of their order.
    on_run
        Called after each run.

    Raises
    ------
    CommandError
        If the runs do not all end with the same status.
    """
    tiers, objects, status = _record(plan, command, recipes, folder)
    on_run()
    plans = {WITH: plan, WITHOUT: all_fast(plan.tiers[0], plan.tiers[-1], plan.provenance)}
    cpu_s: dict[str, list[float]] = {kind: [] for kind in KINDS}
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        for kind in rng.permutation(KINDS):
            run = run_without_plan(command) if kind == DEFAULT else run_under_plan(command, plans[kind], recipes)
            _check_status(run, status)
            cpu_s[kind].append(run.cpu_s)
            on_run()
    measured, over_default = (shift_interval(cpu_s[WITH], cpu_s[other]) for other in (WITHOUT, DEFAULT))
    with_s, without_s, default_s = (median_interval(cpu_s[kind]) for kind in KINDS)
    effects = predicted_loss(plan), measured.interval, over_default.interval
    return Verification(*effects, with_s, without_s, default_s, tiers, objects, repeats, measured.confidence)


def _record(plan: Plan, command: Sequence[str], recipes: pa.Table | None, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    raw = folder / "raw"
    # Small allocations are sampled, too: a plan may name an object that is made of nothing else, and leave it in DRAM.
    options = LaunchOptions(source="none", env=enforcement_env(plan, folder, recipes), discard_stdout=True)
    result = launch(list(command), raw, options)
    check_not_stopped(result)
    tiers = tiers_achieved(counters_of(raw), plan)
    trace = create_trace_folder(folder / "verify.trace", command)
    convert(raw, trace, result, list(command), plan=plan.path, tiers=[tier.name for tier in tier_order(plan)])
    plan.save(trace / PLAN_TEXT)
    return tiers, objects_achieved(Trace.open(trace), plan), result.exit_status


def _check_status(run: PlannedRun, expected: int) -> None:
    if run.exit_status != expected:
        why = f"one run ended with status {run.exit_status}, another with {expected}"
        raise CommandError("the plan cannot be verified", why, "see the program's own messages above")
