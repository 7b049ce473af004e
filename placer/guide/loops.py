"""What samples show of a loop's way through memory: that it sweeps, that it jumps, or nothing.

A loop is code of one module whose sampled instructions lie close together. Two samples of one loop, thread and allocation, one after the
other, are a pair. Samples are a millisecond apart, so the distance of a pair says little. But its direction does: a loop that sweeps an
allocation which takes longer than a few samples to sweep goes one way in most of its pairs, and one that jumps goes either way alike.
What is smaller is swept many times between two samples; then a loop that jumps can still be told by a heat that no sweep leaves, a few
hot places in memory that is touched all over. What was learned of a loop on one allocation holds for all that it runs on.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

SWEEPS, JUMPS, UNCLEAR = "sweeps", "jumps", "unclear"

#: The fastest that one thread sweeps memory, bytes per second. Little's law gives a core with 20 lines under way beyond its L2 and DRAM of
#: 80 ns 16 GB/s (models/machines, cascade-lake and ddr4-2666-x6).
SWEEP_BYTES_PER_S = 2e10

_LOOP_GAP_BYTES = 128  # sampled instructions that lie nearer belong to one loop
_LEAST_PAIRS = 12
_LEAST_SAMPLES = 40
_ONE_WAY = 0.55  # of a sweep's pairs go one way, at least, by the interval's low end
_EITHER_WAY = 0.70  # of a jumping loop's pairs, at most, by the interval's high end
_Z = 1.96
_PASS_SAMPLES = 3.0  # that a sweep takes at least, for the direction to show
_BINS = 20
_HOT_BINS = 2
_HOT_SHARE = 0.3  # of a jumping loop's samples in the hottest tenth; a sweep leaves a tenth there
_TOUCHED = 0.5  # of the bins: less may be a sweep of a part
_SIGNIFICANT = 1e-4


def with_loops(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples with the number of their loop in a column `loop`; code of no module (-1) is one loop an instruction.

    Parameters
    ----------
    samples
        `module` and `offset`.
    """
    code = samples[["module", "offset"]].drop_duplicates().sort_values(["module", "offset"], ignore_index=True)
    offset = code["offset"].to_numpy(np.uint64).astype(np.int64)
    module = code["module"].to_numpy(np.int64)
    new = np.ones(len(code), dtype=bool)
    new[1:] = (np.diff(module) != 0) | (np.diff(offset) > _LOOP_GAP_BYTES) | (module[1:] < 0)
    return samples.merge(code.assign(loop=new.cumsum() - 1), on=["module", "offset"], how="left")


def judge_loops(samples: pd.DataFrame, size_bytes: pd.Series) -> pd.DataFrame:
    """What each loop does.

    Parameters
    ----------
    samples
        With exact addresses on allocations: `loop`, `tid`, `allocation`, `time_ns`, `address`, and `place`, the offset in the allocation.
    size_bytes
        Of each allocation, by its number.

    Returns
    -------
    DataFrame
        Index loop: `verdict`, `pairs`, `one_way` (share of the pairs that go the commoner way), `hot` (share of samples in the hottest
        tenth of what they fell on; NaN with too few of them).
    """
    ways = _ways(samples, size_bytes)
    heat = _heat(samples, size_bytes)
    table = ways.join(heat, how="outer")
    pairs = table["pairs"].fillna(0.0).to_numpy()
    one_way = np.divide(table["commoner"].fillna(0.0), np.maximum(pairs, 1.0)).to_numpy()
    low, high = wilson(one_way, pairs)
    enough = pairs >= _LEAST_PAIRS
    # The commoner of two ways is more than half of the pairs by choice: a fair coin must not look like a sweep.
    sweeps = enough & (low > _ONE_WAY)
    slow_enough = (table["pass_samples"] >= _PASS_SAMPLES).to_numpy(dtype=bool)
    jumps = ~sweeps & ((enough & slow_enough & (high < _EITHER_WAY)) | table["spiky"].fillna(False).to_numpy(dtype=bool))
    verdict = np.select([sweeps, jumps], [SWEEPS, JUMPS], UNCLEAR)
    return pd.DataFrame(
        {"verdict": verdict, "pairs": pairs.astype(np.int64), "one_way": np.where(pairs > 0, one_way, np.nan), "hot": table["hot"]},
        index=table.index,
    )


def wilson(share: NDArray[np.float64], count: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of a share of so many (E. Wilson, JASA 22(158), 1927); 0 to 1 of none."""
    count = np.maximum(count, 1e-9)
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return middle - half, middle + half


def _ways(samples: pd.DataFrame, size_bytes: pd.Series) -> pd.DataFrame:
    """Pairs of each loop, those that go the commoner way of their allocation, and how many samples a sweep would take at its fastest."""
    keys = ["loop", "tid", "allocation"]
    ordered = samples.sort_values([*keys, "time_ns"], kind="stable")
    same = np.ones(len(ordered), dtype=bool)
    for key in keys:
        same &= (ordered[key] == ordered[key].shift()).to_numpy()
    step = np.sign(np.diff(ordered["place"].to_numpy(np.int64), prepend=0))
    gap_ns = np.diff(ordered["time_ns"].to_numpy(np.int64), prepend=0)
    threads = ordered.groupby(["loop", "allocation"])["tid"].transform("nunique").to_numpy(np.float64)
    pass_s = ordered["allocation"].map(size_bytes).to_numpy(np.float64) / threads / SWEEP_BYTES_PER_S
    moved = ordered[keys].assign(up=step > 0, pass_samples=pass_s * 1e9 / np.maximum(gap_ns, 1))[same & (step != 0)]
    runs = moved.groupby(["loop", "allocation"]).agg(up=("up", "sum"), pairs=("up", "size"), pass_samples=("pass_samples", "median"))
    runs["commoner"] = np.maximum(runs["up"], runs["pairs"] - runs["up"])
    # Of two fair coins' ways the commoner is this much above half (the mean of |2 up - pairs| / 2): many small groups would add it up.
    runs["commoner"] -= np.sqrt(runs["pairs"] / (2 * np.pi)).where(runs["pairs"] < _LEAST_PAIRS, 0.0)
    runs["weighted"] = runs["pass_samples"] * runs["pairs"]
    sums = runs.groupby("loop")[["pairs", "commoner", "weighted"]].sum()
    return sums.assign(pass_samples=sums["weighted"] / sums["pairs"])[["pairs", "commoner", "pass_samples"]]


def _heat(samples: pd.DataFrame, size_bytes: pd.Series) -> pd.DataFrame:
    """Share of each loop's samples in the hottest tenth of the allocation that most of them fell on, and whether no sweep would do that."""
    size = np.maximum(samples["allocation"].map(size_bytes).to_numpy(np.float64), 1.0)
    place_bin = np.minimum((samples["place"].to_numpy(np.float64) / size * _BINS).astype(np.int64), _BINS - 1)
    counts = samples[["loop", "allocation"]].assign(bin=place_bin).groupby(["loop", "allocation", "bin"]).size().unstack(fill_value=0)
    if counts.empty:
        return pd.DataFrame(columns=["hot", "spiky"])
    rows = counts.to_numpy(np.float64)
    total = rows.sum(axis=1)
    hot = np.sort(rows, axis=1)[:, -_HOT_BINS:].sum(axis=1) / total
    expected = total[:, None] / _BINS
    spread = ((np.pad(rows, ((0, 0), (0, _BINS - rows.shape[1]))) - expected) ** 2 / expected).sum(axis=1)
    uneven = stats.chi2.sf(spread, _BINS - 1) < _SIGNIFICANT
    touched = (rows > 0).sum(axis=1) / _BINS
    known = total >= _LEAST_SAMPLES
    table = pd.DataFrame(
        {"total": total, "hot": np.where(known, hot, np.nan), "spiky": known & uneven & (hot >= _HOT_SHARE) & (touched >= _TOUCHED)},
        index=counts.index,
    )
    return table.sort_values("total", kind="stable").groupby("loop").tail(1).droplevel("allocation")[["hot", "spiky"]]
