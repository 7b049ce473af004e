"""What reading and writing a tensor does: streaming, gather, scatter, chase, mixed, or unclear; with the shares that say so."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierprof.base.units import format_bytes, format_count
from tierprof.models.timing.tier import LINE_BYTES
from tierprof.placer.guide.exact_access import busy_writers, exact_shares
from tierprof.placer.guide.kernels import judge_operands, with_kernels
from tierprof.placer.guide.loops import JUMPS, SWEEPS, judge_loops, with_loops
from tierprof.placer.guide.loops import UNCLEAR as UNTOLD
from tierprof.placer.predict.prediction import is_exact
from tierprof.profiler.overlay import overlay
from tierprof.profiler.trace import Trace

STREAMING, GATHER, SCATTER, BOTH, CHASE, MIXED, UNCLEAR = (
    "streaming",
    "gather",
    "scatter",
    "gather and scatter",
    "pointer chase",
    "mixed",
    "unclear",
)

_CLEAR = 0.4  # of an object's accesses have to be of a known kind
_MOST = 0.7  # of those that are: the kind that all go by
_LEAST_TOUCHES = 4
_SHARES = ("stream", "gather", "scatter", "chase")

#: Said once below the table.
SAMPLED_RULE = (
    "Sampled: what a kernel of torch does to its operand tells the way, where its name is known (index, index_put, elementwise, sparse and"
    " dense products). Elsewhere a loop sweeps if, of its pairs of successive samples on one allocation, surely more than 55 % go one way;"
    " it jumps if they go either way although a sweep at 20 GB/s would show, or if two of twenty equal parts of an allocation that it"
    " touches all over take 30 % of its samples or more. A jumping load is a gather, a jumping store a scatter, an address that was"
    " just loaded a pointer chase. The kind is that of 70 % of the samples that are told apart, and unclear where fewer than 40 % are."
)
EXACT_RULE = (
    "Exact: a load jumps that waits for a line of another 256 B block than the one read before, or a store that fetches a line; six lines"
    " from there (of a store three) are the jump's, the others stream. Of the jumps' lines those scatter that are written back, the others"
    " gather. The kind is that of 70 % of the lines."
)


class Access(NamedTuple):
    """How an object is accessed."""

    kind: str
    shares: dict[str, float]  # of its accesses: stream, gather, scatter, chase, unclear
    write_share: float  # of its accesses that write; NaN: none seen
    seen: int  # samples, or lines fetched, that this rests on
    writer_threads: int  # that wrote at least a twentieth of the writes of the busiest
    why: str


def tensor_access(trace: Trace, sites: Sequence[int]) -> dict[int, Access]:
    """How the objects of these sites are accessed."""
    table = exact_shares(trace) if is_exact(trace) else sampled_shares(trace, sites)
    words = _exact_words if is_exact(trace) else _sampled_words
    found = {}
    for site in sites:
        if site not in table.index:
            found[site] = Access(UNCLEAR, {}, float("nan"), 0, 0, "nothing accessed it" if is_exact(trace) else "no sample fell on it")
            continue
        row = table.loc[site]
        shares = {name: float(row[name]) for name in (*_SHARES, "unclear")}
        kind = kind_of(shares)
        found[site] = Access(kind, shares, float(row["writes"]), int(row["count"]), int(row["writer_threads"]), words(row, shares))
    return found


def kind_of(shares: dict[str, float]) -> str:
    """The kind of accesses with these shares: `stream`, `gather`, `scatter`, `chase`; the rest is not known."""
    known = sum(shares[name] for name in _SHARES)
    if known < _CLEAR:
        return UNCLEAR
    part = {name: shares[name] / known for name in _SHARES}
    for name, kind in (("stream", STREAMING), ("gather", GATHER), ("scatter", SCATTER), ("chase", CHASE)):
        if part[name] >= _MOST:
            return kind
    return BOTH if part["gather"] + part["scatter"] >= _MOST else MIXED


# -- sampled ---------------------------------------------------------------------------------------------------------------


def sampled_shares(trace: Trace, sites: Sequence[int]) -> pd.DataFrame:
    """Shares of the samples of these sites by kind.

    Returns
    -------
    DataFrame
        Index site: `stream`, `gather`, `scatter`, `chase`, `unclear` (shares that sum to 1), `writes` (share), `count` (samples),
        `writer_threads`, `kernel` (that most samples fell in, empty where none is known) and `kernel_share`; of the site's loops `pairs`,
        `one_way`, `hot` (means by samples; NaN where none is known); `touches` and `in_order` (pairs of first touches, and the share of
        those that go up).
    """
    names = ["time_ns", "tid", "event", "module", "offset", "address", "access", "confidence", "site", "allocation", "weight_s"]
    samples = trace.frame("samples", names)
    samples = samples[(samples["site"] >= 0) & (samples["allocation"] >= 0)]
    faults, samples = samples[samples["event"] == "fault"], with_loops(samples[samples["event"] != "fault"])
    # What a program allocates anew in every step is one thing, made again and again.
    over = overlay(trace.frame("allocations"), 1)
    exact = samples["confidence"] == "exact"
    own = over.reindex(samples["allocation"])
    address, start = samples["address"].to_numpy(np.uint64), own["start"].fillna(0).to_numpy(np.uint64)
    samples["place"] = np.where(exact, (address - start).astype(np.int64), -1)
    overlaid = samples.assign(allocation=own["first"].to_numpy())[exact & own["first"].notna().to_numpy()]
    loops = judge_loops(overlaid, own.dropna().drop_duplicates("first").set_index("first")["size_bytes"])
    mine = samples[samples["site"].isin(sites)].merge(loops, left_on="loop", right_index=True, how="left")
    mine = with_kernels(trace, mine.assign(write=mine["access"].isin(("store", "update"))))
    by_kernel = judge_operands(mine)
    by_loop = np.where(mine["confidence"] == "exact", mine["verdict"].fillna(UNTOLD), UNTOLD)
    judged = mine.assign(verdict=np.where(by_kernel == UNTOLD, by_loop, by_kernel))
    return _site_shares(judged).join(_first_touches(faults[faults["site"].isin(sites)]))


def _site_shares(judged: pd.DataFrame) -> pd.DataFrame:
    write, weight = judged["write"], judged["weight_s"]
    jumps, sweeps = judged["verdict"] == JUMPS, judged["verdict"] == SWEEPS
    parts = {
        "stream": weight * sweeps,
        "gather": weight * (jumps & ~write),
        "scatter": weight * (jumps & write),
        "chase": weight * ((judged["confidence"] == "chase") & ~jumps & ~sweeps),
        "write": weight * write,
        "all": weight,
        "way_weight": weight * judged["one_way"].notna(),
        "way": weight * judged["one_way"].fillna(0.0),
        "hot_weight": weight * judged["hot"].notna(),
        "hot": weight * judged["hot"].fillna(0.0),
    }
    sums = pd.DataFrame(parts).groupby(judged["site"]).sum()
    shares = sums[list(_SHARES)].div(sums["all"], axis=0)
    kernels = weight.groupby([judged["site"], judged["kernel"]]).sum().reset_index().sort_values("weight_s", ascending=False, kind="stable")
    kernels = kernels[kernels["kernel"] != ""].drop_duplicates("site").set_index("site")
    return shares.assign(
        unclear=1.0 - shares.sum(axis=1),
        writes=sums["write"] / sums["all"],
        count=judged.groupby("site").size(),
        one_way=sums["way"] / sums["way_weight"].where(sums["way_weight"] > 0),
        hot=sums["hot"] / sums["hot_weight"].where(sums["hot_weight"] > 0),
        pairs=judged.drop_duplicates(["site", "loop"]).groupby("site")["pairs"].sum(),
        kernel=kernels["kernel"].reindex(sums.index).fillna(""),
        kernel_share=kernels["weight_s"].reindex(sums.index) / sums["all"],
        writer_threads=busy_writers(judged["site"], judged["tid"], weight * write).reindex(sums.index).fillna(0),
    )


def _first_touches(faults: pd.DataFrame) -> pd.DataFrame:
    """By site: successive first touches of one allocation, and the share of them that goes up: how it was filled."""
    ordered = faults.sort_values(["allocation", "time_ns"], kind="stable")
    step = np.diff(ordered["address"].to_numpy(np.uint64).astype(np.int64), prepend=0)
    same = (ordered["allocation"] == ordered["allocation"].shift()).to_numpy()
    up = pd.Series(step[same] > 0).groupby(ordered["site"].to_numpy()[same])
    return pd.DataFrame({"touches": up.size(), "in_order": up.mean()})


def _sampled_words(row: pd.Series, shares: dict[str, float]) -> str:
    parts = [f"{int(row['count'])} samples", _split(shares)]
    if row["kernel"]:
        parts.append(f"{row['kernel_share']:.0%} in {row['kernel']} kernels")
    if shares["unclear"] > 1.0 - _CLEAR or not row["kernel"]:
        parts += [f"{row['one_way']:.0%} of {int(row['pairs'])} pairs one way"] if row["pairs"] > 0 else []
        parts += [f"hottest tenth takes {row['hot']:.0%}"] if not np.isnan(row["hot"]) else []
    if row["touches"] >= _LEAST_TOUCHES:
        parts.append(f"{row['in_order']:.0%} of {int(row['touches'])} first touches in order")
    return "; ".join(part for part in parts if part)


def _exact_words(row: pd.Series, shares: dict[str, float]) -> str:
    run = row["run_lines"] * LINE_BYTES
    jump = "no jump" if np.isnan(run) else f"a jump each {format_bytes(run)}"
    return f"{format_count(row['count'])} lines fetched; {_split(shares)}; {jump}"


def _split(shares: dict[str, float]) -> str:
    """The kinds that there are, most first: `gather 61%, unclear 39%`."""
    return ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda own: -own[1]) if share >= 0.005)
