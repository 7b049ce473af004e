"""What a ranker must beat: one number of the trace each, a coin, and the measured truth itself."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Metric -> column of the trace's objects.
COLUMNS = {"stall_share": "stall_share", "size": "peak_bytes", "accesses": "accesses", "density": "stall_density"}

#: Metrics that say what an object is worth, so that a budget is packed to the greatest sum; the others only say whose turn is next.
ADDITIVE = frozenset({"stall_share", "accesses", "oracle", "model"})

BASELINES = (*COLUMNS, "random", "oracle")


def baseline_scores(metric: str, objects: pd.DataFrame, seed: int = 0) -> NDArray[np.float64]:
    """Scores (n,) of the objects by one of `BASELINES`; `oracle` needs the column cost_s."""
    if metric == "random":
        return np.random.default_rng(seed).random(len(objects))
    column = "cost_s" if metric == "oracle" else COLUMNS[metric]
    return objects[column].to_numpy(dtype=np.float64, na_value=0.0)
