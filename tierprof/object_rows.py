"""The rows of a trace's tables as `tierprof objects --rows` shows them: which share of them is hot, and what pages catch as they lie."""

from collections.abc import Sequence
from typing import Any

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_count
from tierprof.console import emit_json, say, table
from tierprof.placer.row_advice import advice, unknown
from tierprof.profiler.curve import Curve, Range
from tierprof.profiler.rows import RowCurve, row_curves
from tierprof.profiler.trace import Trace

_TAKEN = (0.5, 0.9, 0.99)
_SPLITS = (0.01, 0.05, 0.10, 0.25)
_ADVICES = 3  # that are spelt out: of those with most accesses
_HEADS = ("object", "site", "rows", "of", "samples", "rows for 50/90/99 %", "1/5/10/25 % of pages catch", "1/5/10/25 % of rows would")
_KEY_LETTERS = 8


def show_rows(trace: Trace, wanted: str, row_bytes: int | None, top: int, as_json: bool) -> None:
    """Print the table, or JSON.

    Parameters
    ----------
    trace
        Sampled or exact.
    wanted
        The beginning of a site's key, or a part of its name or of a tensor's; empty for all.
    row_bytes
        Of what no tensor describes; None: not known.
    top
        Tables to show; 0: all.
    as_json
        All of them, exactly.

    Raises
    ------
    TierprofError
        If nothing is called `wanted`, or nothing of the trace is large enough.
    """
    every = row_curves(trace, row_bytes=row_bytes)
    curves = [curve for curve in every if curve.key.startswith(wanted) or wanted in curve.name]
    if not curves:
        what = f"no object '{wanted}' has heat by row" if wanted and every else "there is no heat by row"
        why = f"{len(every)} others have" if wanted and every else "no sample with an exact address fell on anything of 1 MiB or more"
        raise TierprofError(what, why, "leave SITE out to see all" if wanted and every else "record more samples: `tierprof run --rate`")
    if as_json:
        emit_json({"source": trace.meta.get("source"), "tables": [facts(curve) for curve in curves]})
        return
    shown = curves[:top] if top > 0 else curves
    unit = "accesses" if curves[0].exact else "samples"
    table(
        f"{len(shown)} of {len(curves)} tables and other large allocations, most {unit} first", _heads(unit), [_row(one) for one in shown]
    )
    for curve in shown[:_ADVICES]:
        say(f"{curve.name}: {advice(curve)}")
    if not curves[0].exact:
        say("shares are of samples, which fall where the program waits; ≤ and ≥: what is sure where they are few; 95 % intervals: --json")


def _heads(unit: str) -> Sequence[str]:
    return [unit if head == "samples" else head for head in _HEADS]


def facts(curve: RowCurve) -> dict[str, Any]:
    """What `--json` prints of a table; shares are [value, low, high]."""
    named = ("key", "name", "allocation", "start", "size_bytes", "samples", "located_share", "exact", "rows", "row_bytes", "rows_together")
    own = {("site" if name == "key" else name): getattr(curve, name) for name in named}
    return {**own, "by_row": _curve_facts(curve.by_row), "page_bytes": curve.page_bytes, "by_page": _curve_facts(curve.by_page)}


def _curve_facts(curve: Curve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    needed = {f"{share:g}": curve.needed(share) for share in _TAKEN}
    return {"units": curve.units, "needed": needed, "caught": {f"{share:g}": curve.caught(share) for share in _SPLITS}}


def _row(curve: RowCurve) -> list[str]:
    rows = curve.by_row
    together = f" ({curve.rows_together} together)" if curve.rows_together > 1 else ""
    return [
        curve.name,
        curve.key[:_KEY_LETTERS],
        f"{curve.rows:,}{together}" if rows else "-",
        format_bytes(curve.row_bytes if rows else curve.size_bytes),
        format_count(curve.samples),
        _slashed([rows.needed(share) for share in _TAKEN], "≤", "high") if rows else "-",
        _slashed([curve.by_page.caught(share) for share in _SPLITS], "≥", "low"),
        _slashed([rows.caught(share) for share in _SPLITS], "≥", "low") if rows else "-",
    ]


def _slashed(ranges: Sequence[Range], sign: str, bound: str) -> str:
    """Per cent of each; where the estimate is too uncertain, what is sure."""
    told = (f"{sign}{100 * getattr(one, bound):.3g}" if unknown(one) else f"{100 * one.value:.3g}" for one in ranges)
    return "/".join(told) + " %"
