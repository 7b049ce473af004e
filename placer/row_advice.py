"""What the heat of a table's rows advises, in one line: to split it by page as it lies, or to sort its rows first."""

from tierprof.base.units import format_count, format_share
from tierprof.profiler.curve import Range
from tierprof.profiler.rows import RowCurve

_ADVISED = 0.10  # of the table in fast memory
_WIDE = 0.4  # an interval that says next to nothing


def unknown(share: Range) -> bool:
    """Whether an estimate's interval says next to nothing."""
    return share.high - share.low > _WIDE


def advice(curve: RowCurve) -> str:
    """What a split catches as the rows lie, and what it would catch if they were sorted by heat."""
    lying, share = curve.by_page.caught(_ADVISED), format_share(_ADVISED)
    what = "accesses" if curve.exact else "samples"
    if curve.by_row is None:
        return f"{share} of its pages catch {_told(lying)} of the {what}; its rows are not known (objects --rows --row-bytes)"
    by_heat = curve.by_row.caught(_ADVISED)
    lies = f"as they lie, {share} of pages catch {_told(lying)} of the {what}"
    if unknown(by_heat):
        few = f"{format_count(curve.samples)} samples on {curve.rows:,} rows are too few"
        return f"{lies}; what {share} of rows would catch if sorted by heat, {few} to tell: at least {format_share(by_heat.low)}"
    return f"{lies}; sorted by heat, {share} of rows would catch {_told(by_heat)}"


def _told(share: Range) -> str:
    if share.low == share.high:
        return format_share(share.value)
    return f"{format_share(share.value)} [{100 * share.low:.0f}, {100 * share.high:.0f}]"
