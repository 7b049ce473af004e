"""Which objects are worth measuring: the leaders by each of several metrics, in turn, until there are enough."""

import pandas as pd

#: Metrics that take turns, in this order; none of them alone finds what the others would.
METRICS = ("stall_share", "peak_bytes", "stall_density", "accesses")

#: An object of fewer bytes has no pages of its own that a tier could hold.
LEAST_BYTES = 4096


def placeable(objects: pd.DataFrame) -> pd.Series:
    """Which objects (bool, index of `objects`) the shim can place: not the sampled small ones, nor any below a page."""
    return (objects["kind"] != "small") & (objects["peak_bytes"] >= LEAST_BYTES)


def candidates(objects: pd.DataFrame, count: int) -> pd.DataFrame:
    """The objects to measure.

    Parameters
    ----------
    objects
        A trace's objects.
    count
        How many at most.

    Returns
    -------
    DataFrame
        Rows of `objects`: the metrics take turns, each putting forward its leader among those not chosen yet. A metric that is zero for
        an object does not put it forward.
    """
    able = objects[placeable(objects)]
    orders = [iter(able[able[metric] > 0].sort_values(metric, ascending=False, kind="stable").index) for metric in METRICS]
    chosen: dict[object, None] = {}
    while len(chosen) < count:
        before = len(chosen)
        for order in orders:
            leader = next((place for place in order if place not in chosen), None)
            if leader is not None and len(chosen) < count:
                chosen[leader] = None
        if len(chosen) == before:
            break
    return able.loc[list(chosen)]
