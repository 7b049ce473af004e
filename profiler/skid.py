"""How far behind the stalled access the clock's samples land on this machine, and what a sample costs: measured once, then cached."""

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierprof.base.errors import TierprofError
from tierprof.base.native import native_path
from tierprof.profiler.sources import MAX_RATE_HZ, clock_event, fault_event

_FORMAT = 1
_PROBE_SECONDS = "0.4"
_NEAR_BYTES = 64  # the probe's loops are shorter, and lie further apart


@dataclass(frozen=True)
class Calibration:
    """What the built-in microbenchmark showed."""

    format: int
    cpu: str
    kernel: str
    samples: int  # near a known access
    share_at_next: float  # of them, on the instruction after the access: what address recovery relies on
    by_kind: dict[str, dict[str, float]]  # load, store ...: {samples, share_at_next}
    sample_ns: dict[str, float]  # clock, fault: time that one sample takes from the program

    def as_dict(self) -> dict[str, Any]:
        """For meta.json."""
        return asdict(self)

    def cost_s(self, counts: Mapping[str, int], periods: Mapping[str, int]) -> float:
        """Time that a run's samples took from the program, given each event's count and period."""
        return sum(counts[name] / periods[name] * cost_ns * 1e-9 for name, cost_ns in self.sample_ns.items() if periods.get(name))


def shares(offsets: NDArray[np.uint64], accesses: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of the samples near each kind of access, the share on the instruction after it.

    Parameters
    ----------
    offsets
        Sampled instruction pointers as offsets in the probe.
    accesses
        The probe's own list: ``kind``, ``offset``, ``next_offset``.

    Returns
    -------
    dict
        For each kind that was sampled: ``samples`` and ``share_at_next``.
    """
    kinds = np.array([access["kind"] for access in accesses])
    after = np.array([access["next_offset"] for access in accesses], np.int64)
    distance = np.abs(offsets.astype(np.int64)[:, None] - after)
    nearest = distance.argmin(axis=1)
    least = distance[np.arange(len(nearest)), nearest]
    near = least < _NEAR_BYTES
    found = {}
    for kind in dict.fromkeys(kinds.tolist()):
        mine = near & (kinds[nearest] == kind)
        if mine.any():
            found[kind] = {"samples": int(mine.sum()), "share_at_next": round(float((least[mine] == 0).mean()), 4)}
    return found


def _profile_probe(folder: Path) -> dict[str, dict[str, float]]:
    """Run the probe under the clock."""
    from tierprof.profiler.image import Image
    from tierprof.profiler.perf.parser import read_perf

    probe = str(native_path("tierprof-probe").resolve())
    command = [str(native_path("tierprof-launch")), "--raw", str(folder), "--event", clock_event(MAX_RATE_HZ).argument()]
    done = subprocess.run([*command, "--", probe, "skid", "--seconds", _PROBE_SECONDS], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TierprofError("the skid cannot be calibrated", done.stderr.strip() or "the probe failed", "go on without")
    accesses = json.loads(done.stdout)["loads"]
    streams = read_perf(folder)
    image, own = Image.open(probe), streams.maps[streams.maps["path"] == probe]
    bias = image.bias(int(own["start"].iloc[0]), int(own["file_offset"].iloc[0])) if image and len(own) else None
    if not accesses or bias is None:
        return {}
    return shares(streams.samples["ip"] - np.uint64(bias), accesses)


def _measure_costs() -> dict[str, float]:
    command = [str(native_path("tierprof-launch")), "--cost"]
    for event in (clock_event(MAX_RATE_HZ), fault_event()):
        command += ["--event", event.argument()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: max(0.0, cost_ns) for name, cost_ns in json.loads(done.stdout).items() if cost_ns is not None}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cache_folder() -> Path:
    """Where what was measured of this machine is kept: `$XDG_CACHE_HOME/tierprof`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "tierprof" if base.startswith("/") else Path(tempfile.gettempdir()) / f"tierprof-{os.getuid()}"


def _cached(path: Path) -> Calibration | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(**kept) if kept["format"] == _FORMAT else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(path: Path, calibration: Calibration) -> None:
    """A cache that cannot be written costs a second the next time, and is no error."""
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(calibration.as_dict(), indent=1), encoding="utf-8")
        part.replace(path)


def calibrate() -> Calibration | None:
    """This machine's calibration, measured in about a second if it is not known; None where perf is refused."""
    cpu, kernel = _cpu_model(), platform.release()
    machine = hashlib.sha256("\n".join((cpu, kernel)).encode()).hexdigest()[:16]
    path = cache_folder() / f"skid-{machine}.json"
    known = _cached(path)
    if known is not None:
        return known
    try:
        with tempfile.TemporaryDirectory(prefix="tierprof-") as folder:
            by_kind = _profile_probe(Path(folder))
        costs = _measure_costs()
    except (TierprofError, OSError, ValueError, subprocess.CalledProcessError):
        return None
    samples = sum(int(one["samples"]) for one in by_kind.values())
    if samples == 0:
        return None
    at_next = sum(one["samples"] * one["share_at_next"] for one in by_kind.values()) / samples
    calibration = Calibration(_FORMAT, cpu, kernel, samples, round(at_next, 4), by_kind, costs)
    _keep(path, calibration)
    return calibration
