"""Numbers about each object, computed from a trace's tables: what a model ranks by. One row a site."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tierprof.profiler.image import PAGE_BYTES

_GIB = float(1 << 30)
_TIME_BINS = 32
_CONFIDENCE = {"none": 0.0, "chase": 0.4, "base": 0.7, "exact": 1.0}

_IDENTITY = ("site", "key", "name", "kind", "function", "file", "line")
_SIZES = ("peak_bytes", "total_bytes", "allocations", "mean_size_bytes", "largest_bytes", "lifetime_s", "live_share")
_TIMES = ("samples", "stall_s", "stall_share", "stall_density", "faults", "fault_share", "kernel_s", "touched_share")
_SHAPE = ("entropy", "stride_regularity", "instructions", "threads", "burstiness", "first_touch_tid", "first_touch_main")
_ACCESS = ("write_share", "chase_share", "exact_share", "confidence", "accesses")
COLUMNS = (*_IDENTITY, *_SIZES, *_TIMES, *_SHAPE, *_ACCESS)
_COUNTS = (
    "peak_bytes",
    "total_bytes",
    "allocations",
    "largest_bytes",
    "samples",
    "instructions",
    "threads",
    "first_touch_tid",
    "first_touch_main",
)


def compute_features(
    sites: pd.DataFrame, allocations: pd.DataFrame, samples: pd.DataFrame, duration_ns: int, system_s: float
) -> pd.DataFrame:
    """The features of every site.

    Parameters
    ----------
    sites, allocations, samples
        The trace's tables; of samples all events, those of no object too: shares are of all sampled time.
    duration_ns
        Of the run.
    system_s
        Time that the run spent in the kernel. It is split over objects by page faults, so `kernel_s` is an estimate.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row for each row of `sites`, in its order.
    """
    by_site = pd.concat(
        [
            _size_features(allocations, duration_ns),
            _stall_features(samples),
            _fault_features(samples, system_s),
            _access_features(samples, allocations),
        ],
        axis=1,
    )
    table = sites[list(_IDENTITY)].merge(by_site, left_on="site", right_index=True, how="left")
    first = allocations[~allocations["inherited"]].sort_values("birth_ns", kind="stable").drop_duplicates("site").set_index("site")
    # Where no first touch was sampled, the thread that allocated most likely touched first too.
    table["first_touch_tid"] = table["first_touch_tid"].fillna(table["site"].map(first["tid"]))
    mains = set(allocations["pid"].unique().tolist())
    table["first_touch_main"] = table["first_touch_tid"].isin(mains).astype(int)
    numbers = [name for name in COLUMNS if name not in _IDENTITY and name in table]
    table[numbers] = table[numbers].fillna(0)
    table["stall_density"] = table["stall_share"] / np.maximum(table["peak_bytes"] / _GIB, PAGE_BYTES / _GIB)
    table["touched_share"] = _touched_share(table, allocations)
    table[list(_COUNTS)] = table[list(_COUNTS)].round().astype(np.int64)
    return table[list(COLUMNS)]


def with_slab_totals(objects: pd.DataFrame, allocations: pd.DataFrame, totals: Mapping[int, tuple[int, int]]) -> pd.DataFrame:
    """The features, with the small allocations that came from slabs in the place of the slabs: what the program asked for, and how often.

    Parameters
    ----------
    objects
        From `compute_features`.
    allocations
        The run's.
    totals
        By site: number and bytes of allocations from slabs; empty for a run without.
    """
    if not totals:
        return objects
    slabs = allocations[(allocations["kind"] == "slab") & ~allocations["inherited"].to_numpy(dtype=bool)].groupby("site")["size_bytes"]
    change = pd.DataFrame(list(totals.values()), index=list(totals), columns=["allocations", "total_bytes"])
    change -= pd.DataFrame({"allocations": slabs.size(), "total_bytes": slabs.sum()}).reindex(change.index).fillna(0).astype(np.int64)
    more = {name: objects["site"].map(change[name]).fillna(0).astype(np.int64) for name in change.columns}
    return objects.assign(**{name: objects[name] + values for name, values in more.items()})


def _touched_share(table: pd.DataFrame, allocations: pd.DataFrame) -> pd.Series:
    """Share of an object's pages that were ever in memory: exact where most of its bytes were asked for, else from what was sampled.

    Faults alone would say too little: one brings in a whole huge page, and none is needed where the allocator hands out memory again.
    """
    known = allocations[allocations["resident_bytes"].notna()]
    known = known.assign(rounded=np.ceil(known["size_bytes"].astype(float) / PAGE_BYTES) * PAGE_BYTES)
    sums = known.groupby("site")[["rounded", "resident_bytes"]].sum()
    asked, resident = (table["site"].map(sums[name]).fillna(0) for name in ("rounded", "resident_bytes"))
    pages = np.maximum(np.ceil(table["peak_bytes"] / PAGE_BYTES), 1)
    sampled = np.maximum(table["faults"], table["sampled_pages"].fillna(0)) / pages
    exact = resident / np.maximum(asked, 1)
    return np.minimum(np.where(asked > table["total_bytes"] / 2, exact, sampled), 1.0)


# -- sizes -----------------------------------------------------------------------------------------------------------------


def _size_features(allocations: pd.DataFrame, duration_ns: int) -> pd.DataFrame:
    """From the allocations alone; what a forked child inherited counts neither as bytes nor as allocations of its own."""
    own = allocations[~allocations["inherited"]]
    # A sampled small allocation stands for `weight` of its kind; what is left of a mapping (weight 0) for its bytes.
    times = np.where(own["kind"] == "small", own["weight"], 1.0)
    size = own["size_bytes"].to_numpy(np.float64) * times
    death = own["death_ns"].fillna(duration_ns).to_numpy(np.float64)
    birth = own["birth_ns"].to_numpy(np.float64)
    lived = np.maximum(death - birth, 0.0)
    frame = pd.DataFrame(
        {
            "site": own["site"].to_numpy(),
            "bytes": np.where(own["weight"] > 0, size, 0.0),
            "weight": own["weight"].to_numpy(),
            "largest": own["size_bytes"].to_numpy(np.float64),
            "area": size * lived,
            "size": size,
        }
    )
    sums = frame.groupby("site").agg(
        total_bytes=("bytes", "sum"),
        allocations=("weight", "sum"),
        largest_bytes=("largest", "max"),
        area=("area", "sum"),
        size=("size", "sum"),
    )
    result = pd.DataFrame(
        {
            "total_bytes": sums["total_bytes"],
            "allocations": sums["allocations"],
            "mean_size_bytes": sums["total_bytes"] / np.maximum(sums["allocations"], 1),
            "largest_bytes": sums["largest_bytes"],
            "lifetime_s": sums["area"] / np.maximum(sums["size"], 1) / 1e9,
        }
    )
    sites = own["site"].to_numpy()
    result["peak_bytes"] = peak_bytes(sites, birth, death, size)
    result["live_share"] = _live_time(sites, birth, death) / max(duration_ns, 1)
    return result


def _events(sites: np.ndarray, birth: np.ndarray, death: np.ndarray, amount: np.ndarray) -> pd.DataFrame:
    """Births and deaths by site in order of time; at one time deaths come first."""
    events = pd.DataFrame(
        {
            "site": np.concatenate((sites, sites)),
            "time": np.concatenate((birth, death)),
            "change": np.concatenate((amount, -amount)),
            "born": np.repeat([1, 0], len(sites)),
        }
    )
    return events.sort_values(["site", "time", "born"], kind="stable", ignore_index=True)


def peak_bytes(sites: np.ndarray, birth: np.ndarray, death: np.ndarray, size: np.ndarray) -> pd.Series:
    """The most bytes that each site had live at any moment."""
    events = _events(sites, birth, death, size)
    return events.groupby("site")["change"].cumsum().groupby(events["site"]).max()


def _live_time(sites: np.ndarray, birth: np.ndarray, death: np.ndarray) -> pd.Series:
    """Nanoseconds in which each site had anything live."""
    events = _events(sites, birth, death, np.ones(len(sites)))
    live = events.groupby("site")["change"].cumsum() > 0
    until = events.groupby("site")["time"].shift(-1)
    return ((until - events["time"]).fillna(0.0) * live).groupby(events["site"]).sum()


# -- time and faults -------------------------------------------------------------------------------------------------------


def _stall_features(samples: pd.DataFrame) -> pd.DataFrame:
    clock = samples[samples["event"] == "clock"]
    total = clock["weight_s"].sum()
    mine = clock[clock["site"] >= 0]
    seconds = mine.groupby("site")["weight_s"].sum()
    return pd.DataFrame({"stall_s": seconds, "stall_share": seconds / total if total > 0 else seconds})


def _fault_features(samples: pd.DataFrame, system_s: float) -> pd.DataFrame:
    faults = samples[samples["event"] == "fault"]
    total = faults["weight_s"].sum()
    mine = faults[faults["site"] >= 0]
    counts = mine.groupby("site")["weight_s"].sum()
    share = counts / total if total > 0 else counts
    first = mine.drop_duplicates("site").set_index("site")["tid"]
    return pd.DataFrame({"faults": counts, "fault_share": share, "kernel_s": share * system_s, "first_touch_tid": first})


# -- accesses --------------------------------------------------------------------------------------------------------------


def _access_features(samples: pd.DataFrame, allocations: pd.DataFrame) -> pd.DataFrame:
    """From samples of accesses and stalls: where in the object, by whom, when, how."""
    mine = samples[(samples["site"] >= 0) & (samples["event"] != "fault")]
    grouped = mine.groupby("site")
    hardware = mine["event"].isin(("load", "store"))
    accesses = mine.assign(count=np.where(hardware, mine["weight_s"], 0.0)).groupby("site")["count"].sum()
    confidence = mine["confidence"].map(_CONFIDENCE).astype(float)
    pages = _page_numbers(mine, allocations)
    return pd.DataFrame(
        {
            "samples": grouped.size(),
            "instructions": mine.assign(at=mine["module"].astype(np.int64) * (1 << 40) + mine["offset"].astype(np.int64))
            .groupby("site")["at"]
            .nunique(),
            "threads": grouped["tid"].nunique(),
            "write_share": mine["access"].isin(("store", "update")).groupby(mine["site"]).mean(),
            "chase_share": (mine["confidence"] == "chase").groupby(mine["site"]).mean(),
            "exact_share": (mine["confidence"] == "exact").groupby(mine["site"]).mean(),
            "confidence": confidence.groupby(mine["site"]).mean(),
            "accesses": accesses.where(accesses > 0, grouped.size()),
            "entropy": evenness(mine["site"].to_numpy(), pages),
            "sampled_pages": pd.Series(pages, index=mine.index).groupby(mine["site"]).nunique(),
            "burstiness": 1.0 - evenness(mine["site"].to_numpy(), _time_bins(mine), _TIME_BINS),
            "stride_regularity": stride_regularity(mine),
        }
    )


def _page_numbers(samples: pd.DataFrame, allocations: pd.DataFrame) -> np.ndarray:
    """The page of each sample inside its allocation: places, not addresses, so that a reallocated array looks as it did before."""
    start = allocations["address"].to_numpy(np.uint64)
    row = samples["allocation"].to_numpy(np.int64)
    return ((samples["address"].to_numpy(np.uint64) - start[row]) // np.uint64(PAGE_BYTES)).astype(np.int64)


def _time_bins(samples: pd.DataFrame) -> np.ndarray:
    """Which of `_TIME_BINS` equal parts of the whole sampled time each sample is in."""
    time = samples["time_ns"].to_numpy(np.float64)
    if len(time) == 0:
        return np.zeros(0, np.int64)
    span = max(time.max() - time.min(), 1.0)
    return np.minimum((time - time.min()) / span * _TIME_BINS, _TIME_BINS - 1).astype(np.int64)


def evenness(sites: np.ndarray, values: np.ndarray, most: int | None = None) -> pd.Series:
    """How evenly the samples of each site spread over values: 0 all on one, 1 as even as their number (or `most`) allows.

    Shannon's entropy over its maximum, log(min(samples, most)).
    """
    frame = pd.DataFrame({"site": sites, "value": values})
    counts = frame.groupby(["site", "value"]).size()
    total = counts.groupby("site").sum()
    share = counts / total.reindex(counts.index.get_level_values("site")).to_numpy()
    entropy = -(share * np.log(share)).groupby("site").sum()
    limit = np.log(np.minimum(total, most) if most is not None else total)
    return (entropy / limit.where(limit > 0, 1.0)).clip(0.0, 1.0)


def stride_regularity(samples: pd.DataFrame) -> pd.Series:
    """How surely the address moves one way from each sample to the next of the same instruction, thread and allocation.

    1: always up or always down, a stream; 0: as often up as down, random. Weighted by pairs; a site without pairs has 0.
    """
    keys = ["site", "tid", "ip", "allocation"]
    ordered = samples.sort_values([*keys, "time_ns"], kind="stable")
    same = np.ones(len(ordered), bool)
    for key in keys:
        same &= (ordered[key] == ordered[key].shift()).to_numpy()
    address = ordered["address"].to_numpy(np.uint64).astype(np.int64)
    step = np.sign(np.diff(address, prepend=address[:1]))
    moves = ordered.assign(step=step)[same & (step != 0)]
    runs = moves.groupby(keys)["step"].agg(["sum", "size"])
    # A fair coin's expected |sum| of n tosses is about sqrt(2 n / pi): taken off, so that few pairs do not look regular.
    surplus = np.maximum(runs["sum"].abs() - np.sqrt(2 * runs["size"] / np.pi), 0.0)
    return surplus.groupby("site").sum() / runs["size"].groupby("site").sum()
