"""The tiers' figures against the published ones that they were taken from (benchmarks/published/tiers.csv), one by one."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.published_patterns import Counts, bandwidth_gb_s, mixed, non_temporal_stores, plain_stores, random_reads
from tierprof.models.timing.tier import Tier

_KIB = 1 << 10


class Check(NamedTuple):
    """One published figure and the model's, latencies in ns or in multiples of the idle one."""

    kind: str  # idle, loaded (latencies), bandwidth, fence
    condition: str
    unit: str
    published: float
    model: float


# Where a published tier is found: a machine, and its tier.
_WHERE = {
    "dram-ddr4-2666": ("optane100-x6", "ddr4-2666-x6"),
    "dram-ddr4-2666-x6": ("optane100-x6", "ddr4-2666-x6"),
    "optane100": ("optane100-x6", "optane100-x6"),
    "optane100-x6": ("optane100-x6", "optane100-x6"),
    "optane100-x1": ("optane100-x1", "optane100-x1"),
    "dram-remote": ("dram-remote", "dram-remote"),
    "ddr4-2666 (Cascade Lake)": ("dram-ddr4", "ddr4-2666-x6"),
    "ddr5-4800 (Sapphire Rapids)": ("dram-ddr5", "ddr5-4800-x8"),
    "cxl-emulated-skx": ("cxl-emulated", "cxl-emulated"),
    "cxl-asic-spr": ("cxl-asic-spr", "cxl-asic-spr"),
    "cxl-a cxl-d cxl-b cxl-c": ("cxl", "cxl-239"),
    "cxl micron model": ("cxl", "cxl-239"),
    "nvme-3dxp": ("nvme-3dxp", "nvme-3dxp"),
    "nvme-nand": ("nvme-nand", "nvme-nand"),
}


def check_tiers(path: Path) -> pd.DataFrame:
    """Every figure of the table that is one of a tier's timing, beside the model's.

    Parameters
    ----------
    path
        The table, with columns tier, quantity, condition, value, unit, source. Rows of power, carbon and prices are left out, as are those
        that no tier models (`unmodelled`).

    Returns
    -------
    DataFrame
        One row a figure: tier, quantity, source as in the table, and kind (idle, loaded, bandwidth, fence), condition, unit, published,
        model, error (relative).
    """
    rows = [row for _, row in pd.read_csv(path).iterrows()]
    found = [
        {"tier": row["tier"], "quantity": row["quantity"], "source": row["source"], **check._asdict()}
        for row in rows
        for check in _checks(row)
    ]
    return pd.DataFrame(found).assign(error=lambda frame: frame["model"] / frame["published"] - 1)


def unmodelled(path: Path) -> list[str]:
    """The timing rows of the table that are checked nowhere here, as ``tier: quantity, condition``."""
    timing = ("latency", "bandwidth", "amplification")
    rows = [row for _, row in pd.read_csv(path).iterrows() if any(word in row["quantity"] for word in timing) and not list(_checks(row))]
    return [f"{row['tier']}: {row['quantity']}, {row['condition']}" for row in rows]


def _checks(row: "pd.Series[str]") -> Iterator[Check]:
    where = _WHERE.get(row["tier"])
    rule = next((rule for pattern, rule in _RULES if re.match(pattern, row["quantity"])), None)
    if where is None or rule is None:
        return
    machine = Machine.load(where[0])
    yield from rule(row, machine, machine.tiers[where[1]])


Rule = Callable[["pd.Series[str]", Machine, Tier], Iterator[Check]]


def _idle(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    """One idle latency, or a list of devices' (tier names separated by spaces)."""
    condition = "" if pd.isna(row["condition"]) else row["condition"]
    if row["tier"].startswith("cxl-a "):
        for value, name in zip(row["value"].split(), ("cxl-near", "cxl", "cxl-asic-spr", "cxl-far"), strict=True):
            device = Machine.load(name)
            yield Check("idle", f"machine {name}", "ns", float(value), device.tiers[device.slow].far_ns)
    elif "|" in row["value"]:
        fast = machine.tiers[machine.fast]
        latency, bandwidth = re.findall(r"([\d.]+)\|([\d.]+)", row["value"])
        for at, each in enumerate((fast, tier)):
            yield Check("idle", ("fast", "slow")[at], "ns", float(latency[at]), each.far_ns)
            yield Check("bandwidth", ("fast", "slow")[at], "GB/s", float(bandwidth[at]), float(each.read_gb_s(1)))
    else:
        published = float(np.mean([float(value) for value in row["value"].split("-")])) * (1e3 if row["unit"] == "us" else 1)
        yield Check("idle", condition, "ns", published, _latency_ns(condition, tier))


def _latency_ns(condition: str, tier: Tier) -> float:
    """Idle latency of the class that a source's condition describes; its random reads stay within the translation buffer."""
    if condition.startswith("sequential") or "16 KB" in condition:
        return tier.near_ns
    return tier.mid_ns if condition.startswith("random") or "16 MB" in condition else tier.far_ns


def _fenced(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    if row["condition"].startswith("ntstore"):
        yield Check("fence", row["condition"], "ns", float(row["value"]), tier.write_fence_ns)


def _bandwidth(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    """Bandwidth by threads of a pattern that the row's quantity names."""
    operation_bytes, counts = _pattern(row["quantity"])
    threads = re.match(r"threads ([\d/]+)", row["condition"])
    assert threads is not None
    for number, published in zip(threads[1].split("/"), row["value"].split("/"), strict=True):
        model = bandwidth_gb_s(machine, tier.name, counts, operation_bytes, int(number))
        yield Check("bandwidth", f"{number} threads", "GB/s", float(published), model)


def _pattern(quantity: str) -> tuple[int, Counts]:
    size = re.search(r"(\d+) (B|KB)$", quantity)
    operation_bytes = int(size[1]) * (_KIB if size[2] == "KB" else 1) if size else 256
    if "read" in quantity:
        return operation_bytes, random_reads(operation_bytes)
    if "ntstore" in quantity:
        return operation_bytes, non_temporal_stores(operation_bytes)
    return operation_bytes, plain_stores(operation_bytes)


def _mixed(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    """Local figures of ``R 4:1 3:1 2:1 1:1 W`` on four threads; the remote ones are of a machine that is not modelled."""
    mixes = re.search(r"R (.*) W", row["condition"])
    assert mixes is not None
    shares = [(1.0, 0.0), *((float(r), float(w)) for r, w in re.findall(r"(\d):(\d)", mixes[1])), (0.0, 1.0)]
    names = ["reads", *mixes[1].split(), "writes"]
    for name, (reads, writes), value in zip(names, shares, row["value"].split(), strict=True):
        model = bandwidth_gb_s(machine, tier.name, mixed(reads, writes), 256 * (reads + writes), 4)
        yield Check("bandwidth", f"4 threads, {name}", "GB/s", float(value.split("|")[0]), model)


def _multiple(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    share = re.search(r"at (\d+)% reads", row["quantity"])
    places = re.search(r"[\d/]+", row["condition"])
    assert share is not None and places is not None
    for place, value in zip(places[0].split("/"), row["value"].split("/"), strict=True):
        model = _multiple_at(tier, float(place) / 100, float(share[1]) / 100)
        yield Check("loaded", f"{place} % of the bandwidth", "x idle", float(value), model)


def _under_writes(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    """Latency of sequential reads while others write so many GB/s."""
    for value, gb_s in re.findall(r"([\d.]+)@([\d.]+)", row["value"]):
        model = tier.near_ns * _multiple_at(tier, float(gb_s) / float(tier.write_gb_s(1)), 0.0)
        yield Check("loaded", f"{gb_s} GB/s written", "ns", float(value), model)


def _under_reads(row: "pd.Series[str]", machine: Machine, tier: Tier) -> Iterator[Check]:
    """A device without its host: only how its latency rises is comparable, at shares of the most that it delivered."""
    idle = re.search(r"([\d.]+) idle", row["value"])
    points = [(float(ns), float(gb_s)) for ns, gb_s in re.findall(r"([\d.]+)@([\d.]+)", row["value"])]
    assert idle is not None
    for ns, gb_s in points:
        model = _multiple_at(tier, gb_s / points[-1][1], 0.9)
        yield Check("loaded", f"{gb_s:g} GB/s read", "x idle", ns / float(idle[1]), model)


def _multiple_at(tier: Tier, utilisation: float, read_share: float) -> float:
    return float(tier.loaded(np.array([min(utilisation, 1.0)]), np.array([read_share]))[0])


_RULES: tuple[tuple[str, Rule], ...] = (
    (r"idle read latency|pointer-chase read latency", _idle),
    (r"write latency", _fenced),
    (r"random (read|ntstore) bandwidth|plain store", _bandwidth),
    (r"mixed bandwidth", _mixed),
    (r"loaded latency multiple", _multiple),
    (r"loaded read latency under sequential writes", _under_writes),
    (r"loaded latency at \d+% reads", _under_reads),
)
