"""First touch: memory is handed out in order of birth, fast pages while there are any, as a kernel without a plan does.

Pages, not whole allocations, are what runs out: an allocation that finds less fast memory than it needs takes what there is and the rest
from the slow tier. What dies gives its fast pages back. The share of an object is that of its bytes, each weighted by how long it lived.

Births and deaths depend on those before them, so they are gone through one by one, all budgets at once. Their number is bounded: of a
trace with more allocations the largest are followed, and the others are lumped by site and by the windows in which they begin and end.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_FOLLOWED = 8192
_WINDOWS = 256


def first_touch_shares(
    allocations: pd.DataFrame, sites: NDArray[np.int64], budgets_bytes: NDArray[np.int64], *, most: int = MOST_FOLLOWED
) -> NDArray[np.float64]:
    """Share of each object in fast memory under first touch.

    Parameters
    ----------
    allocations
        A trace's allocations.
    sites
        (m,) objects that take part; the memory of others is not counted.
    budgets_bytes
        (budgets,) of fast memory.
    most
        Allocations that are followed one by one.

    Returns
    -------
    ndarray
        (budgets, m) of 0 to 1; an object without allocations has all of it in fast memory, if there is any.
    """
    lives = _lives(allocations, sites, most)
    fast_bytes = _hand_out(lives, budgets_bytes)
    area = lives["size"].to_numpy() * lives["lived"].to_numpy()
    owner = lives["owner"].to_numpy()
    total = np.bincount(owner, area, len(sites))
    share = np.empty((len(budgets_bytes), len(sites)))
    for row, own in enumerate(fast_bytes):
        fast = np.bincount(owner, own * lives["lived"].to_numpy(), len(sites))
        share[row] = np.divide(fast, total, out=np.full(len(sites), float(budgets_bytes[row] > 0)), where=total > 0)
    return share.clip(0.0, 1.0)


def _lives(allocations: pd.DataFrame, sites: NDArray[np.int64], most: int) -> pd.DataFrame:
    """Owner (place in `sites`), size, birth, death and lived time of what is followed."""
    place = pd.Series(np.arange(len(sites)), index=sites)
    owner = place.reindex(allocations["site"]).to_numpy(dtype=np.float64)
    mine = ~np.isnan(owner) & ~allocations["inherited"].to_numpy(dtype=bool)
    own = allocations[mine]
    birth = own["birth_ns"].to_numpy(dtype=np.float64)
    death = own["death_ns"].to_numpy(dtype=np.float64, na_value=np.inf)
    end = max(float(birth.max(initial=0.0)), float(death[np.isfinite(death)].max(initial=0.0))) + 1.0
    death = np.maximum(np.minimum(death, end), birth + 1.0)
    size = own["size_bytes"].to_numpy(dtype=np.float64) * own["weight"].to_numpy(dtype=np.float64)
    lives = pd.DataFrame({"owner": owner[mine].astype(np.int64), "size": size, "birth": birth, "death": death, "lived": death - birth})
    return lives if len(lives) <= most else _lump(lives, most, end)


def _lump(lives: pd.DataFrame, most: int, end: float) -> pd.DataFrame:
    """The largest half of `most`; of the others one life for each site and pair of windows, with the bytes that they hold on average."""
    order = np.argsort(-lives["size"].to_numpy(), kind="stable")
    followed, rest = lives.iloc[order[: most // 2]], lives.iloc[order[most // 2 :]]
    windows = _WINDOWS
    while True:
        width = end / windows
        first = (rest["birth"] // width).astype(np.int64)
        last = np.minimum(np.ceil(rest["death"] / width), windows).astype(np.int64)
        area = rest["size"] * rest["lived"]
        lumps = area.groupby([rest["owner"], first.rename("first"), last.rename("last")]).sum().reset_index(name="area")
        if len(lumps) <= most // 2 or windows == 1:
            break
        windows //= 2
    birth, death = lumps["first"] * width, lumps["last"] * width
    lived = (death - birth).clip(lower=1.0)
    lumped = pd.DataFrame({"owner": lumps["owner"], "size": lumps["area"] / lived, "birth": birth, "death": death, "lived": lived})
    return pd.concat([followed, lumped], ignore_index=True)


def _hand_out(lives: pd.DataFrame, budgets_bytes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(budgets, lives) bytes that each got of the fast memory; at one moment deaths come first."""
    count = len(lives)
    times = np.concatenate([lives["birth"].to_numpy(), lives["death"].to_numpy()])
    born = np.repeat([1, 0], count)
    sizes = lives["size"].to_numpy()
    free = budgets_bytes.astype(np.float64)
    got = np.zeros((count, len(budgets_bytes)))
    for event in np.lexsort((born, times)):
        if event < count:
            np.minimum(free, sizes[event], out=got[event])
            free -= got[event]
        else:
            free += got[event - count]
    return got.T
