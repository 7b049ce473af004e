"""The demo's last measurement: the same program under each way to fill the DRAM, interleaved, and what that says in plain words."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import ROOT, TIERPROF, Timing, paired_interval, result_of, run_rounds, timed

from tierprof.base.units import format_bytes, format_share
from tierprof.models.bootstrap import Interval, median_interval
from tierprof.placer.plan import Plan


class Way(NamedTuple):
    """One way to use the two tiers."""

    title: str
    plan: str  # name of its plan
    by: str  # what `tierprof place --by` is told


DRAM = Way("everything in DRAM", "dram", "all-fast")
SLOW = Way("everything in the slow tier", "slow", "all-slow")
FIRST = Way("quarter: first come, first served", "first-come", "first-come")
SIZE = Way("quarter: by size", "size", "size")
STALL = Way("quarter: by stall share", "stall", "stall_share")
LEARNED = Way("quarter: the learned plan", "learned", "model")
BASELINES = (FIRST, SIZE, STALL)
WAYS = (DRAM, SLOW, *BASELINES, LEARNED)


class DemoError(SystemExit):
    """The demo cannot go on."""


class Rounds:
    """Runs every way in every round and keeps the times and the bytes."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.seconds: dict[str, list[float]] = {way.plan: [] for way in WAYS}
        self.cpu_seconds: dict[str, list[float]] = {way.plan: [] for way in WAYS}
        self.dram_bytes: dict[str, int] = {}
        self.slow_bytes: dict[str, int] = {}
        self.same_as_learned: set[str] = set()  # names of plans that put every object where the learned plan does
        self._checksums: set[str] = set()

    def run(self, rounds: int) -> None:
        """All rounds.

        Raises
        ------
        DemoError
            If a run fails, or placing changed the program's result.
        """
        placements = {way.plan: _placement(self.folder / f"{way.plan}.plan") for way in WAYS}
        self.same_as_learned = {plan for plan, placement in placements.items() if placement == placements[LEARNED.plan]}
        run_rounds([way.plan for way in WAYS], rounds, self._run_once, "interleaved runs")

    def _run_once(self, plan: str, number: int) -> Timing:
        trace = self.folder / "round.trace"
        shutil.rmtree(trace, ignore_errors=True)
        options = ["--quiet", "--source", "none", "--plan", str(self.folder / f"{plan}.plan"), "-o", str(trace)]
        timing = timed([*TIERPROF, "run", *options, "--", *self.command], cwd=ROOT)
        if timing.status:
            raise DemoError(f"demo: the program ended with status {timing.status} under {plan}.plan")
        self._checksums.add(result_of(timing.output)["checksum"])
        if len(self._checksums) > 1:
            raise DemoError(f"demo: the program's result changed under {plan}.plan")
        meta = json.loads((trace / "meta.json").read_text(encoding="utf-8"))
        self.seconds[plan].append(meta["duration_s"])
        self.cpu_seconds[plan].append(meta["user_s"] + meta["system_s"])
        peaks = {name: tier["peak_bytes"] for name, tier in zip(meta["tiers"], meta["counters"]["tiers"], strict=False)}
        self.dram_bytes[plan], self.slow_bytes[plan] = peaks["dram"], peaks["slow"]
        return timing

    def saved(self, way: Way) -> Interval:
        """The share of the all-slow loss that the way saves."""
        return paired_interval(_saved, *(self.seconds[one.plan] for one in (DRAM, SLOW, way)))

    def difference(self, way: Way, other: Way) -> Interval:
        """Seconds that one way takes longer than another."""
        return paired_interval(np.subtract, self.seconds[way.plan], self.seconds[other.plan])

    def always(self, slower: Way, faster: Way) -> bool:
        """Whether one way took longer than the other in every round."""
        return all(one > other for one, other in zip(self.seconds[slower.plan], self.seconds[faster.plan], strict=True))


def _placement(path: Path) -> tuple[object, ...]:
    """What a plan does, without the reasons that it gives."""
    plan = Plan.load(path)
    return plan.tiers, plan.default, frozenset((own.site, own.tier) for own in plan.objects if own.tier != plan.default)


def _saved(dram: np.ndarray, slow: np.ndarray, way: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (slow - way) / (slow - dram)


def result_rows(rounds: Rounds) -> tuple[list[str], list[list[str]]]:
    """The table: heads and rows."""
    heads = ["", "DRAM, peak", "slow, peak", "wall time [95 %]", "CPU time [95 %]", "share of the loss saved"]
    rows = [
        [
            way.title,
            format_bytes(rounds.dram_bytes[way.plan]),
            format_bytes(rounds.slow_bytes[way.plan]),
            _seconds(median_interval(rounds.seconds[way.plan])),
            _seconds(median_interval(rounds.cpu_seconds[way.plan])),
            "" if way in (DRAM, SLOW) else _percent(rounds.saved(way)),
        ]
        for way in WAYS
    ]
    return heads, rows


def _seconds(time: Interval) -> str:
    return f"{time.value:.2f}s [{time.low:.2f}, {time.high:.2f}]"


def _percent(share: Interval) -> str:
    return f"{format_share(share.value)} [{format_share(share.low)}, {format_share(share.high)}]"


def conclusions(rounds: Rounds, tier: str) -> Iterator[str]:
    """What the rounds say, for or against the learned plan."""
    loss = rounds.difference(SLOW, DRAM)
    emulated = f"The slow tier is emulated ({tier}): delay was injected where the program stalled, so this proves the loop, not hardware."
    if loss.low <= 0:
        yield f"Everything in the slow tier costs {_seconds(loss)} of wall time: that cannot be told from nothing. {emulated}"
        return
    saved = (
        f"saves {_percent(rounds.saved(LEARNED))} of the {_seconds(loss)} of wall time that it costs to have everything in the slow tier"
    )
    yield f"With DRAM for a quarter of the peak, the learned plan {saved}. {emulated}"
    for way in BASELINES:
        yield _versus(way, rounds)


def _versus(way: Way, rounds: Rounds) -> str:
    """One sentence. A winner has to win every round too: the interval of a handful of rounds alone calls one too easily."""
    name, extra = way.title.removeprefix("quarter: "), rounds.difference(way, LEARNED)
    if way.plan in rounds.same_as_learned:
        return f"'{name}' puts every object where the learned plan does: the {_seconds(extra)} between their rows are noise."
    if extra.low > 0 and rounds.always(way, LEARNED):
        return f"The learned plan beats '{name}' by {_seconds(extra)}, and in every round."
    if extra.high < 0 and rounds.always(LEARNED, way):
        less = Interval(-extra.value, -extra.high, -extra.low)
        return f"'{name}' is better than the learned plan, by {_seconds(less)}, and in every round."
    return f"'{name}' is as good as the learned plan, as far as these rounds can tell: its run takes {_seconds(extra)} longer."
