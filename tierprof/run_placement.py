"""The part of `tierprof run` that places: its options, the plan of the run made ready, and what came of it.

The placer is imported when there is something to place: a plain run must not wait for it.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import parse_seconds, parse_size_bytes
from tierprof.placer.tiers import KINDS
from tierprof.profiler.command import CommandFacts

if TYPE_CHECKING:
    from tierprof.placer.online import OnlinePolicy
    from tierprof.placer.plan import Plan

Say = Callable[[str], None]

_TIER_HELP = f"a tier beside or instead of the plan's, like slow=emulated:2.5; SPEC is one of {', '.join(KINDS)}"
_EVERY_S, _STAY_S, _RATE_BYTES_PER_S = 2.0, 30.0, 256 << 20
_ONLINE_FLAGS = ("every", "move_rate", "stay")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of placement."""
    add = parser.add_argument_group("placement").add_argument
    add("--plan", type=Path, metavar="PLAN", help="place the program's objects as this plan says")
    add("--tier", action="append", default=[], metavar="NAME=SPEC", help=_TIER_HELP)
    what = "while the program runs, move what it waits for to the fastest tier, and what it does not to the slowest"
    add("--online", action="store_true", help=f"{what} (off unless given)")
    add("--every", type=parse_seconds, metavar="TIME", help="with --online: from one decision to the next (default 2s)")
    add("--move-rate", type=_parse_rate, metavar="SIZE/s", help="with --online: move at most so much (default 256MiB/s)")
    add("--stay", type=parse_seconds, metavar="TIME", help="with --online: what moved is not moved back for so long (default 30s)")


def _parse_rate(text: str) -> int:
    return parse_size_bytes(text.removesuffix("/s"))


@dataclass
class RunPlacement:
    """What is placed in one run.

    Attributes
    ----------
    options : mapping
        Of `tierprof.profiler.launch.LaunchOptions`.
    folder : Path
        What the shim reads; must live as long as the program.
    online : list of OnlinePolicy
        The policy beside the run, once it has begun; else nothing.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()
    online: "list[OnlinePolicy]" = field(default_factory=list)

    def finish(self, trace: Path | None) -> list[str]:
        """Keep the plan that was enforced beside what came of it; that in words, tier by tier."""
        from tierprof.placer.achieved import PLAN_TEXT

        if trace is None or not (self.folder / PLAN_TEXT).exists():
            return []
        try:
            shutil.copyfile(self.folder / PLAN_TEXT, trace / PLAN_TEXT)
        except OSError as error:
            return [f"the trace lacks the plan, and cannot tell what came of it: {(error.strerror or str(error)).lower()}"]
        from tierprof.placer.summary import decision_lines, summary_lines
        from tierprof.profiler.trace import Trace

        told = decision_lines(trace) if self.online else []
        told += [f"the online policy stumbled: {own.failure}" for own in self.online if own.failure]
        try:
            return [*summary_lines(Trace.open(trace)), *told]
        except TierprofError as error:  # the program has run, and its status is what counts
            return [str(error), *told]


def prepare(args: argparse.Namespace, folder: Path, facts: CommandFacts, say: Say) -> RunPlacement:
    """Make ready what the options say of placement: tiers checked, a plan of another build matched to this one, all that the shim reads.

    Raises
    ------
    TierprofError
        If the plan or a tier cannot be had, or options do not go together.
    """
    if args.plan is None and not args.tier:
        _refuse_online(args, "there is nothing to move between", "give --plan, or --tier slow=SPEC")
        return RunPlacement()
    from tierprof.placer.binary import tier_order
    from tierprof.placer.emulation import calibrate
    from tierprof.placer.enforce import enforcement_env, plan_for_run, recipes_of
    from tierprof.placer.match import match_plan

    match = match_plan(plan_for_run(args.plan, args.tier), facts.program)
    for line in match.lines():
        say(line)
    plan = match.plan
    placement = RunPlacement(folder=folder)
    placement.options = {
        "env": enforcement_env(plan, folder, recipes_of(plan)),
        "plan": str(args.plan) if args.plan else None,
        "tiers": tuple(tier.name for tier in tier_order(plan)),
        "beside": _beside(args, plan, placement),
    }
    for tier in tier_order(plan):
        if tier.kind == "emulated" and tier.factor is not None:
            say(calibrate(tier.factor).line(tier.spec))  # known by now
    return placement


def _refuse_online(args: argparse.Namespace, why: str, mend: str) -> None:
    given = ["--online"] if args.online else [f"--{name.replace('_', '-')}" for name in _ONLINE_FLAGS if getattr(args, name) is not None]
    if given:
        raise TierprofError(f"{given[0]} cannot be used", why, mend)


def _beside(args: argparse.Namespace, plan: "Plan", placement: RunPlacement) -> "Callable[[Path], OnlinePolicy] | None":
    """What makes the policy that goes beside the run; None unless it was asked for."""
    if not args.online:
        _refuse_online(args, "it is for the online policy", "add --online")
        return None
    if args.source == "none":
        _refuse_online(args, "source none takes no samples to decide by", "leave out --source")
    from tierprof.placer.online import OnlinePolicy, limits_of

    rate = _RATE_BYTES_PER_S if args.move_rate is None else args.move_rate
    limits = limits_of(plan, rate, _STAY_S if args.stay is None else args.stay)

    def make(raw: Path) -> OnlinePolicy:
        placement.online.append(OnlinePolicy(plan, limits, args.every or _EVERY_S, raw))
        return placement.online[-1]

    return make
