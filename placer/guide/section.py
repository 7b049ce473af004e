"""The guide laid out: cells of its table for the terminal and the page, and what the template wants."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from tierprof.base.units import format_bytes, format_seconds, format_share
from tierprof.placer.guide.guide import Guide, TensorRow
from tierprof.placer.guide.words import ACCESS, AGREEMENT, FOOTPRINT, KEEP, MODE, WRITERS, label, lines, rule
from tierprof.placer.guide.writers import TierWriters, say_writers

MOST_TENSORS = 16

HEADS = ("tensor", "role", "peak", "stall", "tier", "slow tier costs", "access", "why")
HEADINGS = {
    KEEP: "What to keep in DRAM",
    ACCESS: "Rows",
    WRITERS: "Writers",
    MODE: "Memory Mode or explicit placement",
    FOOTPRINT: "Batch size and layers",
    AGREEMENT: "Sampled and exact",
}


def shown_rows(guide: Guide) -> list[TensorRow]:
    """The tensors worth a row: named ones, those that are waited for most, and the largest; in order of stall per byte."""
    by_stall = sorted(guide.rows, key=lambda row: -_known(row.stall_share))
    by_size = sorted(guide.rows, key=lambda row: -row.peak_bytes)
    named = [row for row in by_stall if row.tensors]
    kept: dict[int, None] = {}
    for rows, most in ((named, MOST_TENSORS // 2), (by_stall, MOST_TENSORS - 3), (by_size, MOST_TENSORS), (by_stall, MOST_TENSORS)):
        for row in rows:
            if len(kept) < most:
                kept[row.site] = None
    return [row for row in guide.rows if row.site in kept]


def _known(share: float) -> float:
    return 0.0 if math.isnan(share) else share


def cells(row: TensorRow) -> list[str]:
    """A row of the table, by `HEADS`."""
    share = "unknown" if math.isnan(row.stall_share) else format_share(row.stall_share)
    cost = "unknown" if row.cost is None else format_seconds(row.cost.value)
    if row.cost is not None and row.cost.low != row.cost.high:
        cost += f" [{format_seconds(row.cost.low)}, {format_seconds(row.cost.high)}]"
    return [label(row), row.role, format_bytes(row.peak_bytes), share, row.tier, cost, f"{row.access.kind}: {row.access.why}", row.why]


def hidden_line(guide: Guide, shown: Sequence[TensorRow]) -> str:
    """What the table leaves out; empty if nothing."""
    rest = [row for row in guide.rows if row not in shown]
    if not rest:
        return ""
    peak, share = sum(row.peak_bytes for row in rest), sum(_known(row.stall_share) for row in rest)
    return f"{len(rest)} more tensors, {format_bytes(peak)} at their peaks, hold {format_share(share)} of the run."


def guide_section(guide: Guide) -> dict[str, Any]:
    """The section as the template wants it."""
    shown = shown_rows(guide)
    most = max((_known(row.stall_share) for row in shown), default=0.0) or 1.0
    return {
        "lead": (
            f"Tensors by stall per byte, and what can be done with them. Predictions are for {guide.machine.name}:"
            f" {guide.machine.about}. {hidden_line(guide, shown)}"
        ).strip(),
        "rows": [_row(row, most) for row in shown],
        "topics": [
            {"heading": HEADINGS[topic], "lines": [line.text for line in own]}
            for topic, own in groupby(lines(guide), key=lambda line: line.topic)
        ],
        "writers": [_writers(own) for own in guide.writers],
        "rule": rule(guide),
    }


def _row(row: TensorRow, most: float) -> dict[str, Any]:
    _, role, size, share, tier, cost, _, why = cells(row)
    value, _, interval = cost.partition(" ")
    return {
        "name": row.name,
        "role": role,
        "more": f"rows of {row.row_bytes} B" if row.row_bytes else "",
        "size": size,
        "share": share,
        "bar": _known(row.stall_share) / most,
        "tier": tier,
        "pill": {True: "fast", False: "slow", None: ""}[row.fast],
        "cost": value,
        "interval": interval,
        "access": row.access.kind,
        "access_why": row.access.why,
        "why": why,
    }


def _writers(own: TierWriters) -> dict[str, str]:
    return {"machine": own.machine, "text": say_writers(own), "source": "; ".join(text for text in (own.source, own.loss_source) if text)}
