"""Which tensors the objects of a trace held."""

from typing import cast

from tierprof.profiler.trace import Trace


def tensors_of_sites(trace: Trace) -> dict[int, list[str]]:
    """Names of the tensors that each site's allocations held, those with most bytes first; without sites that held none."""
    if not trace.has("tensors"):
        return {}
    rows = trace.frame("allocations", ["site", "name", "size_bytes"]).dropna(subset=["name"])
    sums = rows.groupby(["site", "name"], as_index=False)["size_bytes"].sum()
    ordered = sums.sort_values(["size_bytes", "name"], ascending=[False, True], kind="stable")
    return cast(dict[int, list[str]], ordered.groupby("site")["name"].agg(list).to_dict())
