"""Which static variables the sampled time went to: objects that no allocation site has, named by their symbols."""

from typing import Any

import numpy as np
import pandas as pd

from tierprof.profiler.modules import Images, static_modules
from tierprof.profiler.symbols import Symboliser

# Those that matter; the trace keeps all samples anyway.
_SHOWN = 10
_LEAST_SHARE = 0.002


def static_shares(samples: pd.DataFrame, modules: pd.DataFrame, images: Images) -> list[dict[str, Any]]:
    """The static variables with the largest shares of the sampled time.

    Parameters
    ----------
    samples
        The trace's samples.
    modules
        From `tierprof.profiler.modules.build_modules`.
    images
        The files.

    Returns
    -------
    list of dict
        ``name`` (the symbol, ``?`` where the file has none for the address), ``module`` and ``share``, largest first.
    """
    clock = samples[samples["event"] == "clock"]
    total = float(clock["weight_s"].sum())
    mine = clock[(clock["where"] == "static") & (clock["address"] != 0)]
    address = mine["address"].to_numpy(np.uint64)
    row = static_modules(modules, images, mine["pid"].to_numpy(), address)
    mine, address, row = mine[row >= 0], address[row >= 0], row[row >= 0]
    if len(mine) == 0:
        return []
    symboliser = Symboliser(images)
    paths = modules["path"].to_numpy(object)[row]
    offsets = (address - modules["bias"].to_numpy(np.uint64)[row]).tolist()
    named = pd.DataFrame(
        {
            "name": [symboliser.static_name(path, offset) or "?" for path, offset in zip(paths, offsets, strict=True)],
            "module": [path.rsplit("/", 1)[-1] for path in paths],
            "share": mine["weight_s"].to_numpy(np.float64) / total,
        }
    )
    sums = named.groupby(["module", "name"], as_index=False)["share"].sum().sort_values("share", ascending=False, kind="stable")
    return sums[sums["share"] >= _LEAST_SHARE].head(_SHOWN)[["name", "module", "share"]].to_dict("records")
