"""Calibrates the emulated tier: how much delay makes the built-in random-read benchmark as slow as was asked for, on this machine."""

import hashlib
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tierprof.base.errors import TierError
from tierprof.base.native import native_path
from tierprof.placer.achieved import counters_of, total
from tierprof.placer.binary import EMULATION_PERIOD_NS, write_plan, write_recipes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions, launch
from tierprof.profiler.machine import describe
from tierprof.profiler.skid import cache_folder
from tierprof.profiler.trace import Trace

_FORMAT = 3
_SLOW = TierSpec("slow", "emulated", factor=2.0)  # the factor is of no account here: the delay ratio is given

# Both arrays are many times larger than a last-level cache. The sizes differ, so that the trace tells the objects apart.
_FAST_MIB, _SLOW_MIB = 128, 129
_PROFILE_SECONDS = 0.5
_SECONDS = 0.9  # of a run that is timed
_RUNS = 2  # to check the delay ratio that is taken, for each number of threads
_MAX_STEPS = 3
_NEAR = 0.03  # relative correction of the delay with which the search ends
_MISSED = 0.06  # relative distance from the factor with which a check leads to another search
_MAX_CHECKS = 3

#: A thread that got less of a core shared it, and others' work cooled its caches while it was held up: delays reached further than they
#: will when the machine is quiet. What was found then is of use, but not for long.
QUIET_SHARE = 0.9
_BUSY_SECONDS = 3600.0

_TRIM = 0.1  # of the rounds at either end: whoever else uses the machine hits some of them hard
_RESAMPLES = 2000
_TAIL_PERCENT = 2.5


@dataclass(frozen=True)
class Calibration:
    """What was found for one factor on this machine.

    Attributes
    ----------
    factor : float
        What was asked for.
    delay_ratio : float
        Seconds of delay for each useful second that falls on the slow tier.
    achieved, low, high : float
        Factor by which the slow array's reads became slower as a clock sees it, against reads of the same pages moments later without
        delay; 95 % bootstrap interval over rounds of some 20 ms, of runs made after the delay ratio was chosen.
    injected : float
        The delay's own part of it. What is achieved is a little more: while a thread is held up, its caches cool.
    fast_factor : float
        The same of the array that is not slow, which should have stayed at 1.
    crowded, crowded_low, crowded_high : float
        As ``achieved``, with as many threads as the machine has cores, up to four. It is less: while one is held up, the others have the
        memory to themselves. The delay ratio is the one with which both are right on average.
    line_ns : float
        What a random read of one thread takes without delay.
    core_share : float
        The smallest part of a core that a thread had meanwhile. Much below 1, others used the machine, and the calibration holds for an
        hour only.
    made_at : float
        When it was made, in seconds since 1970.
    """

    format: int
    machine: str
    factor: float
    delay_ratio: float
    achieved: float
    low: float
    high: float
    injected: float
    fast_factor: float
    crowded: float
    crowded_low: float
    crowded_high: float
    line_ns: float
    core_share: float
    made_at: float

    @property
    def quiet(self) -> bool:
        """Was the machine its own?"""
        return self.core_share >= QUIET_SHARE

    def line(self, spec: str) -> str:
        """What was reached, in one line."""
        alone = f"{self.achieved:.2f} [{self.low:.2f}, {self.high:.2f}] times as slow on random reads by one thread"
        crowded = f"{self.crowded:.2f} [{self.crowded_low:.2f}, {self.crowded_high:.2f}] by {crowd_size()}"
        busy = "" if self.quiet else "; others used the machine, so it will be measured anew in an hour"
        return f"{spec} is calibrated: {alone}, {crowded}{busy}"


class Factors(NamedTuple):
    """What a delay ratio did to the two arrays of the probe."""

    slow: float
    low: float
    high: float
    fast: float


class ProbeRun(NamedTuple):
    """Nanoseconds of CPU time for a read, one entry a round; and the delay of the whole run."""

    fast_ns: NDArray[np.float64]
    slow_ns: NDArray[np.float64]
    plain_fast_ns: NDArray[np.float64]  # in the same round, with the delay held off
    plain_slow_ns: NDArray[np.float64]
    reads_per_round: int  # of each array and kind
    delay_ns: int
    asked_s: float  # the length of the run, summed over its threads

    @property
    def injected(self) -> float:
        """How many times the slow array's reads took what they would have taken without the delay."""
        all_ns = float(self.slow_ns.sum()) * self.reads_per_round
        return all_ns / (all_ns - self.delay_ns)

    @property
    def core_share(self) -> float:
        """The part of a core that each of its threads had."""
        return float(sum(getattr(self, name).sum() for name in _TIMES)) * self.reads_per_round * 1e-9 / self.asked_s


_TIMES = ("fast_ns", "slow_ns", "plain_fast_ns", "plain_slow_ns")


def _trimmed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis without its lowest and highest values."""
    cut = int(values.shape[-1] * _TRIM)
    ordered = np.sort(values, axis=-1)
    means: NDArray[np.float64] = ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)
    return means


def compare(runs: Sequence[ProbeRun], seed: int = 0) -> Factors:
    """How much slower the arrays became by the delay, over the rounds of all runs."""
    fast, slow, plain_fast, plain_slow = (np.concatenate([getattr(run, name) for run in runs]) for name in _TIMES)
    rounds = np.random.default_rng(seed).integers(0, len(slow), (_RESAMPLES, len(slow)))
    low, high = np.percentile(_trimmed(slow[rounds]) / _trimmed(plain_slow[rounds]), [_TAIL_PERCENT, 100 - _TAIL_PERCENT])
    return Factors(float(_trimmed(slow) / _trimmed(plain_slow)), float(low), float(high), float(_trimmed(fast) / _trimmed(plain_fast)))


class Probe:
    """The probe with its slow array in an emulated tier whose delay can be chosen. Use `prepared_probe`."""

    def __init__(self, folder: Path, slow_key: str, recipes: pa.Table) -> None:
        self._folder = folder
        self._plan = Plan((TierSpec("dram"), _SLOW), "dram", (PlannedObject(slow_key, _SLOW.name),))
        write_recipes(folder / "recipes.bin", recipes)

    def run(self, delay_ratio: float, *, threads: int = 1, seconds: float = _SECONDS) -> ProbeRun:
        """Run it once.

        Raises
        ------
        TierError
            If it fails.
        """
        write_plan(self._folder / "plan.bin", self._plan, {_SLOW.name: delay_ratio})
        env = {"TIERPROF_PLAN": str(self._folder / "plan.bin"), "TIERPROF_RECIPES": str(self._folder / "recipes.bin")}
        output = self._folder / "output.json"
        with output.open("wb") as stream, tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            options = LaunchOptions(source="none", env=env, small_period_bytes=0)
            result = launch(_command(seconds, threads), Path(scratch) / "raw", options, stdout=stream.fileno())
            counters = counters_of(Path(scratch) / "raw")
        if result.exit_status != 0 or not counters:
            raise _failure(f"tierprof-probe ended with status {result.exit_status}")
        found = json.loads(output.read_text(encoding="ascii"))
        fast, slow, plain_fast, plain_slow = (np.array([one[name] for one in found["rounds"]]) for name in _TIMES)
        delay_ns = total(counters, "emul_delay_ns")
        return ProbeRun(fast, slow, plain_fast, plain_slow, int(found["reads_per_round"]), delay_ns, seconds * threads)

    def runs(self, delay_ratio: float, *, count: int = _RUNS, threads: int = 1) -> list[ProbeRun]:
        """Run it several times."""
        return [self.run(delay_ratio, threads=threads) for _ in range(count)]


def _command(seconds: float, threads: int = 1) -> list[str]:
    sizes = ["--fast-mib", str(_FAST_MIB), "--slow-mib", str(_SLOW_MIB)]
    return [str(native_path("tierprof-probe")), "random-read", *sizes, "--seconds", str(seconds), "--threads", str(threads)]


def _failure(why: str) -> TierError:
    return TierError("the emulated tier cannot be calibrated", why, "`tierprof doctor` tells what is missing; or use another tier")


@contextmanager
def prepared_probe() -> Iterator[Probe]:
    """Profile the probe as any program is, so that its recipes and the slow array's site are known.

    Raises
    ------
    TierError
        If perf is forbidden, or the profile does not show the array.
    """
    with tempfile.TemporaryDirectory(prefix="tierprof-") as name:
        folder = Path(name)
        options = LaunchOptions(source="clock", discard_stdout=True)
        result = session.run(_command(_PROFILE_SECONDS), folder / "probe.trace", options)
        if result.launch.perf_error:
            raise _failure(result.launch.perf_error)
        if result.trace is None or result.exit_status != 0:
            raise _failure(result.failure or f"tierprof-probe ended with status {result.exit_status}")
        trace = Trace.open(result.trace)
        objects = trace.objects()
        keys = objects.loc[objects["largest_bytes"] == _SLOW_MIB << 20, "key"]
        if len(keys) != 1:
            raise _failure("the probe's own array is not in its trace")
        yield Probe(folder, str(keys.iloc[0]), trace.table("recipes"))


def _machine() -> str:
    """What a calibration depends on, in short: processor, kernel, probe, period."""
    about = describe()
    probe = hashlib.sha256(native_path("tierprof-probe").read_bytes()).hexdigest()
    parts = (about["cpu"], about["cores"], platform.release(), about["hypervisor"], EMULATION_PERIOD_NS, probe)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def _cache_path(machine: str, factor: float) -> Path:
    return cache_folder() / f"emulated-{factor:g}-{machine}.json"


def _cached(machine: str, factor: float) -> Calibration | None:
    try:
        kept = json.loads(_cache_path(machine, factor).read_text(encoding="utf-8"))
        found = Calibration(**kept) if kept["format"] == _FORMAT else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found is not None and (found.quiet or abs(time.time() - found.made_at) < _BUSY_SECONDS) else None


def _keep(calibration: Calibration) -> None:
    """A cache that cannot be written costs some seconds the next time, and is no error."""
    path = _cache_path(calibration.machine, calibration.factor)
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(calibration), indent=1), encoding="utf-8")
        part.replace(path)


def search(factor: float, achieved_by: Callable[[float], float], gains: list[float] | None = None) -> float:
    """The delay ratio that gives the factor: measured, corrected in proportion, and again until the correction is small.

    Parameters
    ----------
    factor
        What is wanted.
    achieved_by
        Measures the factor that a delay ratio gives.
    gains
        Slowdown for each second of delay a second, as measured before; what is measured here is added. They are averaged, because each is
        noisy.

    Raises
    ------
    TierError
        If delays have no effect.
    """
    gains = [] if gains is None else gains
    ratio = (factor - 1.0) / (float(np.mean(gains)) if gains else 1.0)
    for _step in range(_MAX_STEPS):
        found = achieved_by(ratio)
        if found < 1.0 + 0.1 * ratio:
            raise _failure(f"a delay of {ratio:.2f}s for each second made reads {found:.2f} times as slow instead of {1 + ratio:.2f} times")
        gains.append((found - 1.0) / ratio)
        before, ratio = ratio, (factor - 1.0) / float(np.mean(gains))
        if abs(ratio / before - 1.0) <= _NEAR:
            break
    return ratio


def crowd_size() -> int:
    """Threads of a calibration's crowd: one for each core, and four say as much as more."""
    return max(1, min(4, len(os.sched_getaffinity(0))))


def achieved_on_average(probe: Probe, delay_ratio: float) -> float:
    """The factor that a delay ratio gives, between that of a lone thread and that of a crowd."""
    alone, crowded = _factors(probe, delay_ratio, 1)
    return _between(compare(alone), compare(crowded))


def _factors(probe: Probe, delay_ratio: float, count: int) -> tuple[list[ProbeRun], list[ProbeRun]]:
    return probe.runs(delay_ratio, count=count, threads=1), probe.runs(delay_ratio, count=count, threads=crowd_size())


def _between(alone: Factors, crowded: Factors) -> float:
    return math.sqrt(alone.slow * crowded.slow)


def find(probe: Probe, factor: float, machine: str) -> Calibration:
    """Find the delay for a factor, and check what it does; where the check finds it wide of the factor, it counts for the next search."""
    gains: list[float] = []
    for _check in range(_MAX_CHECKS):
        ratio = search(factor, lambda tried: achieved_on_average(probe, tried), gains)
        alone, crowded = _factors(probe, ratio, _RUNS)
        found, many = compare(alone), compare(crowded)
        if abs(_between(found, many) / factor - 1.0) <= _MISSED:
            break
        gains += [(_between(found, many) - 1.0) / ratio] * _RUNS
    return Calibration(
        format=_FORMAT,
        machine=machine,
        factor=factor,
        delay_ratio=ratio,
        achieved=found.slow,
        low=found.low,
        high=found.high,
        injected=float(np.mean([run.injected for run in alone])),
        fast_factor=found.fast,
        crowded=many.slow,
        crowded_low=many.low,
        crowded_high=many.high,
        line_ns=float(np.median(np.concatenate([run.plain_slow_ns for run in alone]))),
        core_share=min(run.core_share for run in (*alone, *crowded)),
        made_at=time.time(),
    )


def calibrate(factor: float, *, anew: bool = False) -> Calibration:
    """The calibration for a factor: kept from before, or measured now, which takes about ten seconds.

    Parameters
    ----------
    factor
        How many times slower the tier is to be; `tiers.parse_tier` says in what range.
    anew
        Measure even if it is known.

    Raises
    ------
    TierError
        If perf is forbidden, or delays have no effect here.
    """
    machine = _machine()
    known = None if anew else _cached(machine, factor)
    if known is not None:
        return known
    with prepared_probe() as probe:
        calibration = find(probe, factor, machine)
    _keep(calibration)
    return calibration
