"""Calibrates the emulated tier: how much delay makes the built-in random-read benchmark as slow as was asked for, on this machine."""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tierprof.base.errors import TierError
from tierprof.base.native import native_path
from tierprof.placer.binary import EMULATION_PERIOD_NS, write_plan, write_recipes
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions, launch
from tierprof.profiler.machine import describe
from tierprof.profiler.skid import cache_folder
from tierprof.profiler.trace import Trace

_FORMAT = 1
_SLOW = TierSpec("slow", "emulated", factor=2.0)  # the factor is of no account here: the delay ratio is given

# Both arrays are many times larger than a last-level cache. The sizes differ, so that the trace tells the objects apart.
_FAST_MIB, _SLOW_MIB = 128, 129
_SECONDS = 1.0
_MAX_STEPS = 4
_NEAR = 0.02  # relative distance from the asked factor at which the loop is content

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
        Factor by which the slow array's reads became slower, against the same array without delay and the fast array beside it; 95 %
        bootstrap interval over rounds of some 10 ms.
    fast_factor : float
        The same of the array that is not slow, which should have stayed at 1.
    """

    format: int
    machine: str
    factor: float
    delay_ratio: float
    achieved: float
    low: float
    high: float
    fast_factor: float


class Factors(NamedTuple):
    """What a delay ratio did to the two arrays of the probe."""

    slow: float
    low: float
    high: float
    fast: float


class ProbeRun(NamedTuple):
    """Nanoseconds a read, one entry a round."""

    fast_ns: NDArray[np.float64]
    slow_ns: NDArray[np.float64]


def compare(plain: ProbeRun, slowed: ProbeRun, seed: int = 0) -> Factors:
    """How much slower the slow array became.

    The slow array's time is taken relative to the fast array's of the same run, so that what disturbs a whole run cancels.

    Parameters
    ----------
    plain, slowed
        Without delay, and with it.
    """
    rng = np.random.default_rng(seed)

    def ratios(run: ProbeRun) -> NDArray[np.float64]:
        chosen = rng.integers(0, len(run.slow_ns), (_RESAMPLES, len(run.slow_ns)))
        resampled: NDArray[np.float64] = run.slow_ns[chosen].mean(axis=1) / run.fast_ns[chosen].mean(axis=1)
        return resampled

    slow = (slowed.slow_ns.mean() / slowed.fast_ns.mean()) / (plain.slow_ns.mean() / plain.fast_ns.mean())
    low, high = np.percentile(ratios(slowed) / ratios(plain), [_TAIL_PERCENT, 100 - _TAIL_PERCENT])
    return Factors(float(slow), float(low), float(high), float(slowed.fast_ns.mean() / plain.fast_ns.mean()))


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
        with output.open("wb") as stream, tempfile.TemporaryDirectory(dir=self._folder) as raw:
            options = LaunchOptions(source="none", env=env, small_period_bytes=0)
            result = launch(_command(seconds, threads), Path(raw) / "raw", options, stdout=stream.fileno())
        if result.exit_status != 0:
            raise _failure(f"tierprof-probe ended with status {result.exit_status}")
        rounds = json.loads(output.read_text(encoding="ascii"))["rounds"]
        return ProbeRun(np.array([one["fast_ns"] for one in rounds]), np.array([one["slow_ns"] for one in rounds]))

    def factors(self, delay_ratio: float, *, threads: int = 1, seconds: float = _SECONDS) -> Factors:
        """Run it without delay and with it, and compare."""
        plain = self.run(0.0, threads=threads, seconds=seconds)
        return compare(plain, self.run(delay_ratio, threads=threads, seconds=seconds))


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
        result = session.run(_command(_SECONDS / 2), folder / "probe.trace", options)
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
        return Calibration(**kept) if kept["format"] == _FORMAT else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(calibration: Calibration) -> None:
    """A cache that cannot be written costs some seconds the next time, and is no error."""
    path = _cache_path(calibration.machine, calibration.factor)
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(calibration), indent=1), encoding="utf-8")
        part.replace(path)


def search(factor: float, factors_of: Callable[[float], Factors]) -> tuple[float, Factors]:
    """The delay ratio that gives the factor: measured, corrected in proportion, and again.

    Parameters
    ----------
    factor
        What is wanted.
    factors_of
        Measures a delay ratio.

    Returns
    -------
    tuple
        The best ratio that was measured, and what it gave.

    Raises
    ------
    TierError
        If delays have no effect.
    """
    ratio = factor - 1.0
    best: tuple[float, Factors] | None = None
    for _step in range(_MAX_STEPS):
        found = factors_of(ratio)
        if best is None or abs(found.slow - factor) < abs(best[1].slow - factor):
            best = (ratio, found)
        if abs(found.slow / factor - 1.0) <= _NEAR:
            break
        if found.slow < 1.0 + 0.1 * (factor - 1.0):
            raise _failure(
                f"a delay of {ratio:.2f}s for each second made reads {found.slow:.2f} times as slow instead of {1 + ratio:.2f} times"
            )
        ratio *= float(np.clip((factor - 1.0) / (found.slow - 1.0), 0.5, 2.0))
    assert best is not None
    return best


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
        ratio, found = search(factor, probe.factors)
    calibration = Calibration(_FORMAT, machine, factor, ratio, found.slow, found.low, found.high, found.fast)
    _keep(calibration)
    return calibration
