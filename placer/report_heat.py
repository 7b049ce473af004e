"""The report's section on the inside of large objects: where in them the heat is, and what a split by page or by row would catch."""

from typing import Any

import pandas as pd

from tierprof.base.units import format_bytes, format_count
from tierprof.placer.plots_heat import Line, heat_curves, heat_strip
from tierprof.placer.row_advice import advice
from tierprof.profiler.heat import heat_of
from tierprof.profiler.rows import RowCurve, row_curves
from tierprof.profiler.trace import Trace

MOST_TABLES = 4

_ROWS, _PAGES = 1, 2  # colours


def heat_section(trace: Trace) -> dict[str, Any] | None:
    """What the template shows of the objects with most heat; None if no large object has any."""
    if not trace.has("heat"):
        return None
    curves = row_curves(trace)
    heat = heat_of(trace)
    if not curves:
        return None
    counted = curves[0].exact
    lead = "Where in the largest objects the accesses fell." if counted else "Where in the largest objects the samples fell."
    lead += " Strip: from the first byte to the last. Curves: what the hottest pages take as the rows lie, and what the hottest rows would"
    lead += " take if they were sorted by heat; dotted: even heat."
    lead += "" if counted else " Bands: 95 % intervals; a wide one says that the samples are too few to tell."
    return {"lead": lead, "tables": [_table(curve, heat) for curve in curves[:MOST_TABLES]], "more": max(len(curves) - MOST_TABLES, 0)}


def _table(curve: RowCurve, heat: pd.DataFrame) -> dict[str, Any]:
    mine = heat[heat["allocation"] == curve.allocation]
    start = mine["block"] * mine["block_bytes"]
    inside = (start + mine["block_bytes"] > curve.start) & (start < curve.start + curve.size_bytes)
    blocks = mine[inside].assign(weight=mine["samples"], block=mine["block"] - curve.start // mine["block_bytes"])
    lines = [Line(_PAGES, "pages", curve.by_page)]
    lines += [] if curve.by_row is None else [Line(_ROWS, "rows", curve.by_row)]
    unit = "accesses" if curve.exact else "samples"
    rows = f"{curve.rows:,} rows of {format_bytes(curve.row_bytes)}, " if curve.rows else ""
    return {
        "name": curve.name,
        "facts": f"{rows}{format_bytes(curve.size_bytes)}, {format_count(curve.samples)} {unit}",
        "advice": advice(curve),
        "strip": heat_strip(blocks, curve.size_bytes),
        "curves": heat_curves(lines),
        "legend": [{"name": line.name, "colour": line.colour} for line in lines],
    }
