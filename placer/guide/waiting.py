"""What the objects of an exact run are waited for while everything is in fast memory: the same quantity as a sampled run's stall.

A wait is as long as what is waited for is slow. So what an object is waited for is what the run would add if its lines took twice as long:

- those that memory answers: each line of the object, and of nothing else, is asked for twice;
- those that L3 answers: an exact run does not say whose hits a thread waited for. What each slice would add if all hits took twice as long
  is shared among objects by their hits in it.

A sample does not tell these two apart either, and a prediction from samples takes a stall for the same: an object adds it once for each
time that the slow tier is slower (`tierprof.placer.predict.sampled`). L1 and L2 are not in it: the model takes their hits for computing.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.residence import Residence
from tierprof.models.timing.slices import slice_times
from tierprof.models.timing.solve import Timing
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.trace import Trace

_NS = 1e-9

#: Counters of what crosses a memory's bus.
_LINES = ("near_loads", "mid_loads", "far_loads", "rfo_lines", "prefetched_lines", "writeback_lines")


def waiting_seconds(exact: Trace, machine: Machine) -> pd.Series:
    """What each object is waited for in the modelled run with everything in the fast tier, seconds; index key.

    Raises
    ------
    TraceError
        If the trace is not of an exact run.
    ModelError
        If nothing was measured.
    """
    profile = ExactProfile.from_trace(exact)
    keys = exact.objects().set_index("site")["key"]
    waits_s = _memory_seconds(profile, machine).add(_l3_seconds(profile, machine), fill_value=0.0)
    return waits_s.reindex(keys.index).fillna(0.0).clip(lower=0.0).set_axis(keys)


def _memory_seconds(profile: ExactProfile, machine: Machine) -> pd.Series:
    """By object: what it would add if memory were asked for it twice."""
    timing = Timing(profile, machine)
    timing.reside = _asked_twice
    lines = profile.objects.groupby("object")[list(_LINES)].sum().sum(axis=1).reindex(timing.objects, fill_value=0)
    moving = np.flatnonzero(lines.to_numpy() > 0)  # the others cost nothing, and a plan each is a pass over all episodes
    plans = np.vstack([np.zeros(len(timing.objects)), np.eye(len(timing.objects))[moving]])
    seconds = timing.run(plans).seconds
    return pd.Series(seconds[1:] - seconds[0], index=timing.objects[moving])


def _asked_twice(slow_share: NDArray[np.float64]) -> Residence:
    """All of it in the fast tier, which is asked for this share once more."""
    return Residence(fast=1.0 + slow_share, slow=np.zeros_like(slow_share))


def _l3_seconds(profile: ExactProfile, machine: Machine) -> pd.Series:
    """By object: its part of what L3 hits would add if they took twice as long."""
    slower = replace(machine, host=replace(machine.host, l3_ns=2.0 * machine.host.l3_ns))
    added_s = _slice_seconds(profile, slower) - _slice_seconds(profile, machine)
    hits = profile.objects.groupby(["slice", "object"])["l3_hits"].sum()
    of_slice = hits.groupby("slice").transform("sum")
    # The timing model numbers the slices that it knows in their order.
    numbers = np.unique(np.concatenate([frame["slice"].to_numpy() for frame in (profile.threads, profile.objects, profile.episodes)]))
    place = np.searchsorted(numbers, hits.index.get_level_values("slice").to_numpy())
    return (hits / of_slice.where(of_slice > 0, 1.0) * added_s[place]).groupby("object").sum()


def _slice_seconds(profile: ExactProfile, machine: Machine) -> NDArray[np.float64]:
    """(S,) what each slice takes with everything in the fast tier, for all the slices that it stands for."""
    timing = Timing(profile, machine)
    work = timing.work(np.zeros((len(timing.objects), 1)))
    return np.asarray(timing.lanes.weight * slice_times(work, timing.lanes).total_ns[:, 0] * _NS)
