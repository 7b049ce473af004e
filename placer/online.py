"""The online policy beside a running program: reads the samples taken so far, re-ranks, moves, and writes down each decision.

It runs in a thread of tierprof's own process, at a low priority, and rests at least four times as long as it computed. Whatever goes wrong
here, the program runs on; the reason is told after the run.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tierprof.base.errors import PlanError, TierprofError
from tierprof.base.schema import SAMPLES
from tierprof.placer.binary import tier_order
from tierprof.placer.decisions import append_decision
from tierprof.placer.moving import request_move
from tierprof.placer.plan import Plan
from tierprof.placer.policy import Held, Limits, ObjectKey, Policy, Step
from tierprof.profiler.attribution import Attribution
from tierprof.profiler.join import never
from tierprof.profiler.modules import Images, build_modules
from tierprof.profiler.perf.parser import PerfTail
from tierprof.profiler.sites import Heap, read_heap

#: Smaller objects are left alone: to move them gains nothing that could be seen.
LEAST_BYTES = 1 << 20

_REST_FACTOR, _LEAST_REST_S = 4.0, 0.05
_NICE = 10


def limits_of(plan: Plan, rate_bytes_per_s: float, stay_s: float) -> Limits:
    """The limits of a policy that moves between a plan's fastest and slowest tier.

    Raises
    ------
    PlanError
        If the plan has only one tier.
    """
    if plan.slow is None:
        raise PlanError("--online", "the plan has only one tier", "give a plan of two, or --tier slow=SPEC")
    return Limits(plan.fast, plan.slow.name, plan.tiers[0].capacity_bytes, rate_bytes_per_s, stay_s)


class OnlinePolicy:
    """Beside one run: a context in which it works.

    Parameters
    ----------
    plan
        That the run is under. Objects that it splits stay as it says: the policy moves objects whole.
    limits
        Of `limits_of`.
    interval_s
        From one round to the next, at least.
    raw
        The run's raw folder; decisions are written into the trace that holds it.
    """

    def __init__(self, plan: Plan, limits: Limits, interval_s: float, raw: Path) -> None:
        self._policy = Policy(limits)
        self._tiers = [tier.name for tier in tier_order(plan)]
        self._split = {own.site for own in plan.objects if own.parts}
        self._limits = limits
        self._interval_s = interval_s
        self._raw = raw
        self._tail = PerfTail(raw)
        self._images = Images()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tierprof-online", daemon=True)
        self.failure = ""
        self.rounds = 0

    def __enter__(self) -> "OnlinePolicy":
        """Start to work."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """The program has ended: a round that is under way is finished first."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        last_s = time.monotonic()
        rest_s = self._interval_s
        while not self._stop.wait(rest_s):
            now_s, began_s = time.monotonic(), time.thread_time()
            try:
                self._round(now_s, now_s - last_s)
            except TierprofError as error:
                self.failure = str(error)
            except Exception as error:  # a defect of ours must not cost the user the run
                self.failure = f"{type(error).__name__}: {error}"
            last_s = now_s
            self.rounds += 1
            took_s, worked_s = time.monotonic() - now_s, time.thread_time() - began_s
            rest_s = max(self._interval_s - took_s, _REST_FACTOR * worked_s, _LEAST_REST_S)

    def _round(self, now_s: float, elapsed_s: float) -> None:
        heap = read_heap(self._raw)
        self._policy.observe(self._shares(heap), elapsed_s)
        held = (own for own in _held(heap, self._tiers, self._limits) if own.key[1] not in self._split)
        for step in self._policy.decide(held, now_s):
            if self._stop.is_set():
                return
            self._take(step)

    def _shares(self, heap: Heap) -> dict[ObjectKey, float]:
        """Share of the newest samples' time that was spent waiting for each object."""
        streams = self._tail.read()
        if len(streams.samples["time_ns"]) == 0:
            return {}
        modules = build_modules(streams.maps, streams.tasks, self._images)
        attribution = Attribution(streams, modules, heap.allocations, self._images)
        table = pa.Table.from_batches(attribution.batches(0), schema=SAMPLES).select(["pid", "event", "site", "weight_s"])
        samples = table.to_pandas()
        timed = samples[samples["event"] == "clock"]
        timed = timed if len(timed) else samples[samples["event"].isin(["load", "store"])]
        total = float(timed["weight_s"].sum())
        sums = timed[timed["site"] >= 0].groupby(["pid", "site"])["weight_s"].sum()
        return {(int(pid), heap.keys[int(site)]): float(size) / total for (pid, site), size in sums.items()} if total > 0 else {}

    def _take(self, step: Step) -> None:
        pid, site = step.key
        told: dict[str, Any] = {"time_ns": time.monotonic_ns(), "pid": pid, "site": site, "tier": step.tier, "asked_bytes": step.max_bytes}
        moved_bytes = 0
        try:
            result = request_move(pid, self._raw, site, step.tier, step.max_bytes)
            moved_bytes = result.bytes_moved
            told |= {"moved_bytes": moved_bytes, "seconds": result.seconds, "stays": dict(result.stays)}
        except TierprofError as error:
            told |= {"moved_bytes": 0, "failure": str(error)}
        self._policy.moved(step, moved_bytes, time.monotonic())
        append_decision(self._raw.parent, {**told, "share": self._policy.share(step.key), "reason": step.reason})


def _held(heap: Heap, tiers: list[str], limits: Limits) -> Iterator[Held]:
    """What each object of each process holds in the two tiers now; objects that hold next to nothing are left out."""
    rows = heap.allocations
    names = np.array([*tiers, *[""] * (256 - len(tiers))], object)
    alive = rows[(rows["death_ns"].to_numpy(np.int64) == never()) & rows["kind"].isin([0, 1, 4]).to_numpy(dtype=bool)]
    tier = names[alive["tier"].to_numpy(np.int64)]
    sums: Mapping[Any, pd.Series] = dict(
        list(alive["size_bytes"].astype(np.int64).groupby([alive["pid"], alive["site"], tier]).sum().groupby(level=[0, 1]))
    )
    for (pid, site), sizes in sums.items():
        by_tier = sizes.droplevel([0, 1]).to_dict()
        fast, slow = int(by_tier.get(limits.fast, 0)), int(by_tier.get(limits.slow, 0))
        if fast + slow >= LEAST_BYTES and Path(f"/proc/{pid}").exists():
            yield Held((int(pid), heap.keys[int(site)]), fast, slow)
