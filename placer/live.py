"""A program that runs under a plan right now: where its living objects are, from the records it writes and from the kernel."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.base.errors import PlanError, TierprofError
from tierprof.placer.achieved import PLAN_TEXT, compare, tiers_achieved
from tierprof.placer.binary import tier_order
from tierprof.placer.pages import find_pages
from tierprof.placer.plan import Plan
from tierprof.placer.reasons import Evidence
from tierprof.placer.unnamed import with_unnamed
from tierprof.profiler.join import never
from tierprof.profiler.modules import Images
from tierprof.profiler.raw import read_counters
from tierprof.profiler.sites import Heap, allocations_table, read_heap, site_frames, sites_table
from tierprof.profiler.symbols import Symboliser


class Running(NamedTuple):
    """A process under a plan."""

    pid: int
    raw: Path
    plan: Plan


def find_running(pid: int) -> Running:
    """The raw folder and the plan of a running process, from its environment.

    Raises
    ------
    TierprofError
        If there is no such process, it may not be looked at, or it does not run under a plan.
    """
    what = f"process {pid}"
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except FileNotFoundError:
        raise TierprofError(what, "there is no such process", "`ps` lists them; for one that has ended, give its trace") from None
    except OSError as error:
        raise TierprofError(what, (error.strerror or str(error)).lower(), "ask as its user or as root") from error
    environment = dict(word.decode("utf-8", "surrogateescape").partition("=")[::2] for word in words)
    raw, plan = environment.get("TIERPROF_DIR"), environment.get("TIERPROF_PLAN")
    if not raw or not plan:
        raise TierprofError(what, "it does not run under a plan of tierprof's", "start it with `tierprof run --plan PLAN -- COMMAND`")
    try:
        return Running(pid, Path(raw), Plan.load(Path(plan).with_name(PLAN_TEXT)))
    except PlanError as error:
        raise TierprofError(what, f"its plan is gone: {error.why}", "it outlived the `tierprof run` that started it") from error


def living(heap: Heap, running: Running) -> pd.DataFrame:
    """The living allocations of a process; site is a site's key, tier a tier's name."""
    tiers = [tier.name for tier in tier_order(running.plan)]
    table = allocations_table(heap, 0, tiers)
    alive = (heap.allocations["death_ns"].to_numpy(np.int64) == never()) & (table["pid"] == running.pid)
    alive &= ~table["kind"].isin(["file", "small"]).to_numpy() & (table["size_bytes"] > 0)
    own = table[alive].reset_index(drop=True)
    return own.assign(site=np.array(heap.keys, object)[own["site"].to_numpy(np.int64)])


def places_now(own: pd.DataFrame, running: Running) -> pd.DataFrame:
    """Where living allocations are: columns site, tier, place, huge, bytes.

    Raises
    ------
    TierprofError
        If the process has ended, or may not be asked about.
    """
    kinds = {tier.name: tier.kind for tier in running.plan.tiers}
    kind = own["tier"].map(kinds)
    start = own["address"].to_numpy(np.uint64)
    end = start + own["size_bytes"].to_numpy(np.uint64)
    masks = {"in_files": (kind == "pmem").to_numpy(), "in_huge": kind.isin(["huge", "hugetlb"]).to_numpy()}
    found = find_pages(running.pid, start, end, **masks)
    rows = found["row"].to_numpy(np.int64)
    return found.assign(site=own["site"].to_numpy(object)[rows], tier=own["tier"].to_numpy(object)[rows])


def where_now(running: Running) -> tuple[Plan, pd.DataFrame]:
    """Where the living objects of a process are.

    Returns
    -------
    Plan
        The plan, with the unnamed objects in its default tier.
    DataFrame
        As of `tierprof.placer.achieved.compare`; bytes are those that live now.

    Raises
    ------
    TierprofError
        If the process has ended, or may not be asked about.
    """
    heap = read_heap(running.raw)
    own = living(heap, running)
    named = _names(heap, own)
    plan = with_unnamed(running.plan, named)
    table = compare(plan, own.assign(inherited=False), places_now(own, running), _evidence(heap, running, own))
    return plan, table[table["tier"].notna()].reset_index(drop=True)


def _names(heap: Heap, own: pd.DataFrame) -> pd.DataFrame:
    """key, name and peak_bytes of the sites that hold something now."""
    held = own.groupby("site")["size_bytes"].sum()
    sites = sites_table(heap, site_frames(heap, Symboliser(Images())))[["key", "name"]]
    sites = sites[sites["key"].isin(held.index)]
    return sites.assign(peak_bytes=sites["key"].map(held).astype(np.int64))


def _evidence(heap: Heap, running: Running, own: pd.DataFrame) -> Evidence:
    counters = [read_counters(path) for path in sorted(running.raw.glob(f"counters.{running.pid}.*.bin"))]
    mapped = own[own["kind"] == "mmap"]
    moved = heap.moves
    sites, tiers = heap.allocations["site"].to_numpy(np.int64), [tier.name for tier in tier_order(running.plan)]
    keys = np.array(heap.keys, object)[sites[moved["row"].to_numpy(np.int64)]] if len(moved) else np.empty(0, object)
    names = [tiers[number] if number < len(tiers) else "" for number in moved["tier"].tolist()]
    sums = moved["bytes"].groupby([keys, names]).sum() if len(moved) else {}
    return Evidence(
        tiers=tiers_achieved(counters[-1:], running.plan).set_index("tier"),
        notes=[(f"shim {code}", text) for code, text in heap.notes],
        threshold_bytes=heap.threshold_bytes,
        mapped=frozenset(zip(mapped["site"], mapped["tier"], strict=True)),
        moved={key: (int(size), "while it ran") for key, size in dict(sums).items()},
    )
