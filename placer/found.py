"""What the kernel found of a plan's objects: bytes by place, and whether a place is one of the tier. Why they differ is reasons.py's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tierprof.base.units import format_share
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler.places import ABSENT, FILE, UNKNOWN

IN_PLACE, ASTRAY = "in place", "astray"

#: Columns of `found_by_object`, after its index.
FOUND = ("asked_bytes", "found_bytes", "astray_bytes", "absent_bytes", "unknown_bytes", "found")

_HAS_CPU = Path("/sys/devices/system/node/has_cpu")


def _nodes_with_cpus() -> set[int]:
    """Numbers of the nodes that have CPUs; of the first where the kernel does not tell."""
    try:
        text = _HAS_CPU.read_text(encoding="ascii").strip()
    except OSError:
        return {0}
    ranges = [part.partition("-") for part in text.split(",") if part]
    return {number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)}


def _own_nodes(tier: TierSpec) -> set[int] | None:
    """The nodes that a tier names; None if it names none."""
    if tier.kind == "node" and tier.node is not None:
        return {tier.node}
    weights = getattr(tier, "weights", None)
    return {node for node, _ in weights} if tier.kind == "interleave" and weights else None


def judge(plan: Plan) -> Callable[[str, str, bool], str]:
    """A function of tier, place and huge that says what bytes found there are: in place, astray, absent or unknown.

    Memory of the DRAM tier may be on any node that no other tier of the plan names; of kmem on any without CPUs.
    """
    named = set().union(*(nodes for tier in plan.tiers if (nodes := _own_nodes(tier)) is not None))
    cpus = _nodes_with_cpus()
    tiers = {tier.name: tier for tier in plan.tiers}

    def on_node(tier: TierSpec | None, node: int) -> bool:
        if tier is None or tier.kind == "dram":
            return node not in named
        own = _own_nodes(tier)
        return node in own if own is not None else tier.kind != "kmem" or node not in cpus

    def verdict(name: str, place: str, huge: bool) -> str:
        tier = tiers.get(name)
        if place in (ABSENT, UNKNOWN):
            return place
        if tier is not None and tier.kind == "pmem":
            return IN_PLACE if place.startswith(FILE) else ASTRAY
        if tier is not None and tier.kind in ("huge", "hugetlb"):
            return IN_PLACE if huge else ASTRAY
        return IN_PLACE if place.startswith("node ") and on_node(tier, int(place[5:])) else ASTRAY

    return verdict


def found_by_object(places: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What was found of each object in each tier, over all of its allocations that were asked about.

    Parameters
    ----------
    places
        Columns site, tier, place, huge, bytes.
    plan
        What the places are judged by.

    Returns
    -------
    DataFrame
        `FOUND` by site and tier: bytes, and in words the shares of all places.
    """
    if places.empty:
        index = pd.MultiIndex.from_arrays([[], []], names=["site", "tier"])
        return pd.DataFrame({name: pd.Series(dtype=object if name == "found" else np.int64) for name in FOUND}, index=index)
    verdict = judge(plan)
    sums = places.groupby(["site", "tier", "place", "huge"], as_index=False)["bytes"].sum()
    sums["verdict"] = [verdict(*key) for key in zip(sums["tier"], sums["place"], sums["huge"], strict=True)]
    by_verdict = sums.pivot_table(index=["site", "tier"], columns="verdict", values="bytes", aggfunc="sum", fill_value=0)
    columns = {"found_bytes": IN_PLACE, "astray_bytes": ASTRAY, "absent_bytes": ABSENT, "unknown_bytes": UNKNOWN}
    table = pd.DataFrame({name: by_verdict.get(key, 0) for name, key in columns.items()}, index=by_verdict.index)
    table.insert(0, "asked_bytes", table.sum(axis=1))
    table["found"] = [_in_words(own) for _, own in sums.groupby(["site", "tier"])]
    return table


def _in_words(own: pd.DataFrame) -> str:
    """`96 % node 1, 4 % absent`: the greatest share first."""
    names = own["place"] + np.where(own["huge"], " huge", "")
    total = max(int(own["bytes"].sum()), 1)
    by_name = own["bytes"].groupby(names).sum().sort_values(ascending=False, kind="stable")
    return ", ".join(f"{format_share(size / total)} {name}" for name, size in by_name.items())
