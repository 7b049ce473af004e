"""The guide in sentences, each with the figures that it rests on; where a figure is not known the sentence says so."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from tierprof.base.units import format_bytes, format_share
from tierprof.placer.guide.access import BOTH, EXACT_RULE, GATHER, SAMPLED_RULE, SCATTER, UNCLEAR
from tierprof.placer.guide.agreement import TOP, Agreement, Comparison, Leader, label_of
from tierprof.placer.guide.footprint import Footprint, Growth
from tierprof.placer.guide.guide import Guide, TensorRow
from tierprof.placer.guide.keep import SPLIT
from tierprof.placer.guide.memory_mode import NEITHER, Contest
from tierprof.placer.guide.settings import settings
from tierprof.placer.guide.tensors import ACTIVATION, DATA, FIXED_ROLES
from tierprof.placer.guide.writers import say_writers
from tierprof.placer.predict.prediction import is_exact
from tierprof.placer.predict.words import format_span

KEEP, ACCESS, WRITERS, MODE, FOOTPRINT, AGREEMENT = "keep", "access", "writers", "memory_mode", "footprint", "agreement"

_MOST_NAMES = 4
_LEAST_SHARE = 0.005  # of the run: what is waited for less is not worth a line of its own
_ROW_KINDS = (GATHER, SCATTER, BOTH, UNCLEAR)
_WIDE = 4096  # rows from here on are no narrow ones
_WHY_APART = (
    "Samples take hits in L2, arithmetic on what was just loaded and the time after a page fault for waiting, too, and a wait for L3 for"
    " one that a slow tier makes longer; the exact run does not. It knows what only a slow tier's bandwidth costs, which no sample tells,"
    " and its core and prefetchers are a model's. The two are alike only if neither graph fits into the caches, and if these are smaller in"
    " the exact run by as much as the graph is."
)


class Line(NamedTuple):
    """One sentence."""

    topic: str
    text: str
    figures: Mapping[str, Any]  # exactly


def lines(guide: Guide) -> Iterator[Line]:
    """All sentences, by topic."""
    yield from _keep_lines(guide)
    yield from _access_lines(guide)
    yield from _writer_lines(guide)
    yield from _mode_lines(guide)
    yield from _footprint_lines(guide.footprint, settings(guide.trace.meta))
    if guide.agreement is not None:
        yield from agreement_lines(guide.agreement)


def rule(guide: Guide) -> str:
    """How the kinds of access were told."""
    return EXACT_RULE if is_exact(guide.trace) else SAMPLED_RULE


def label(row: TensorRow) -> str:
    """The object's name; beside that of a line of Python what torch did there, since one line makes many objects."""
    return label_of(row.name, row.operation, row.tensors)


# -- what to keep where ----------------------------------------------------------------------------------------------------


def _keep_lines(guide: Guide) -> Iterator[Line]:
    keeping = guide.keeping
    yield Line(
        KEEP,
        keeping.lead,
        {"rests_on": keeping.rests_on, "budget_bytes": keeping.budget_bytes, "slowdown": keeping.slowdown},
    )
    for fast, word in ((True, "Keep in DRAM"), (False, "Move to the capacity tier")):
        own = [row for row in guide.rows if row.fast is fast]
        if own:
            peak, share = sum(row.peak_bytes for row in own), sum(row.stall_share for row in own)
            text = f"{word}: {_names(own)}. Together {format_bytes(peak)} at their own peaks; {_share(share)} of the run waits for them."
            yield Line(KEEP, text, {"fast": fast, "names": [row.name for row in own], "peak_bytes": peak, "stall_share": share})
    split = [row for row in guide.rows if SPLIT in row.tier]
    if split:
        peak, share = sum(row.peak_bytes for row in split), sum(row.stall_share for row in split)
        text = f"Split by address range: {_names(split)}. Together {format_bytes(peak)}; {_share(share)} of the run waits for them."
        yield Line(KEEP, text, {"fast": None, "names": [row.name for row in split], "peak_bytes": peak, "stall_share": share})
    if guide.plan is not None and guide.prediction is not None and guide.prediction.planned is not None:
        time, slowdown = guide.prediction.planned
        text = (
            f"Under the plan the run is predicted to take {format_span(time)} on {guide.machine.name}, {slowdown.value:.2f}x"
            f" [{slowdown.low:.2f}, {slowdown.high:.2f}] of everything in DRAM."
        )
        yield Line(KEEP, text, {"time_s": time._asdict(), "slowdown": slowdown._asdict()})


def _names(rows: list[TensorRow]) -> str:
    """The names that are waited for most; several objects of one name together."""
    shares: dict[str, list[float]] = {}
    for row in rows:
        shares.setdefault(row.name, []).append(_known(row.stall_share))
    first = sorted(shares, key=lambda name: -sum(shares[name]))[:_MOST_NAMES]
    told = [name if len(shares[name]) == 1 else f"{name} ({len(shares[name])} objects)" for name in first]
    more = len(rows) - sum(len(shares[name]) for name in first)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _share(value: float) -> str:
    return "an unknown share" if math.isnan(value) else format_share(value)


# -- what reading and writing does -----------------------------------------------------------------------------------------


def _access_lines(guide: Guide) -> Iterator[Line]:
    tier = guide.machine.tiers[guide.machine.slow]
    source = guide.machine.sources.get(tier.name, {}).get("block_bytes", "")
    shown = [row for row in guide.rows if row.row_bytes and row.row_bytes < _WIDE and row.access.kind in _ROW_KINDS]
    for row in sorted(shown, key=lambda row: -_known(row.stall_share)):
        if _known(row.stall_share) < _LEAST_SHARE:
            continue
        assert row.row_bytes is not None
        blocks = blocks_a_row(row.row_bytes, row.row_align_bytes or row.row_bytes, tier.block_bytes)
        used = row.row_bytes / (blocks * tier.block_bytes)
        is_a = "whose access is unclear; where it is by row, one" if row.access.kind == UNCLEAR else f"{row.access.kind}: one"
        moved = f"{blocks:.3g} block{'s' if blocks != 1 else ''} of {tier.block_bytes} B of {tier.name}"
        text = (
            f"{row.name}: rows of {row.row_bytes} B, {is_a} row moves {moved}, of which {used:.0%} is the row's own"
            f" (block: {source or 'the machine file names no source'})."
        )
        yield Line(ACCESS, text, {"name": row.name, "row_bytes": row.row_bytes, "blocks": blocks, "used_share": used})


def blocks_a_row(row_bytes: int, align_bytes: int, block_bytes: int) -> float:
    """Blocks that a row touches, on average over the rows of a table that begins at a multiple of `align_bytes`."""
    step = math.gcd(row_bytes, align_bytes, block_bytes)
    return (row_bytes + block_bytes - step) / block_bytes


# -- writers ---------------------------------------------------------------------------------------------------------------


def _writer_lines(guide: Guide) -> Iterator[Line]:
    own = guide.writers[0]
    known = own.plain is not None and own.streaming is not None
    figures = {"tier": own.tier, "machine": own.machine, "plain_gb_s": own.plain.gb_s if known and own.plain else None}
    source = "; ".join(text for text in (own.source, own.loss_source) if text)
    yield Line(WRITERS, f"{say_writers(own)}. Rests on the timing model and {source or 'no published figure'}.", figures)
    limit = own.plain.most or own.cores if own.plain else None
    written = [row for row in guide.rows if _known(row.access.write_share) > 0 and row.access.writer_threads]
    if not written:
        yield Line(WRITERS, "No write to a tensor was seen, so that nothing is known of its writers.", {"written": []})
    for row in sorted(written, key=lambda row: -_known(row.stall_share) * row.access.write_share)[:_MOST_NAMES]:
        text = f"{label(row)} is written by {row.access.writer_threads} thread{'s' if row.access.writer_threads > 1 else ''}"
        text += f", {format_share(row.access.write_share)} of its accesses"
        if limit is not None and row.access.writer_threads > limit:
            text += f": more than the {limit} that {own.tier} bears"
        yield Line(WRITERS, f"{text}.", {"name": row.name, "threads": row.access.writer_threads, "write_share": row.access.write_share})


# -- Memory Mode -----------------------------------------------------------------------------------------------------------


def _mode_lines(guide: Guide) -> Iterator[Line]:
    if guide.contests is None:
        yield Line(MODE, f"Memory Mode against explicit placement: unknown ({guide.no_prediction}).", {})
        return
    if not guide.contests.rows:
        yield Line(MODE, f"Memory Mode against explicit placement: {guide.contests.why}.", {})
        return
    for contest in guide.contests.rows:
        yield Line(MODE, _contest_text(contest), _contest_figures(contest))
    yield Line(MODE, f"These rest on: {guide.contests.why}.", {})


def _contest_text(own: Contest) -> str:
    head = (
        f"With {format_bytes(own.dram_bytes)} of DRAM: Memory Mode {format_span(own.memory_mode)},"
        f" explicit placement {format_span(own.explicit)}, Memory Mode less explicit placement {format_span(own.difference_s)}"
    )
    if own.winner == NEITHER:
        return f"{head}: which of the two wins is not known."
    return f"{head}: {own.winner} is predicted to win."


def _contest_figures(own: Contest) -> dict[str, Any]:
    return {
        "dram_bytes": own.dram_bytes,
        "memory_mode_s": own.memory_mode._asdict(),
        "explicit_s": own.explicit._asdict(),
        "difference_s": own.difference_s._asdict(),
        "winner": own.winner,
    }


# -- footprint -------------------------------------------------------------------------------------------------------------


def _footprint_lines(own: Footprint, known: Mapping[str, float]) -> Iterator[Line]:
    fixed = ", ".join(f"{role} {format_bytes(own.bytes[role])}" for role in FIXED_ROLES if own.bytes[role])
    whole, passing, data = (format_bytes(size) for size in (sum(own.bytes.values()), own.bytes[ACTIVATION], own.bytes[DATA]))
    text = (
        f"At their peak the tensors hold {whole}: {format_bytes(own.fixed_bytes)} that no batch changes ({fixed or 'none is named'}),"
        f" {passing} of activations, {data} of other data that stays; {format_bytes(own.other_bytes)} beside them is no tensor's."
    )
    yield Line(FOOTPRINT, text, {**{f"{role}_bytes": size for role, size in own.bytes.items()}, "other_bytes": own.other_bytes})
    if own.layers:
        each = ", ".join(f"layer {layer} {format_bytes(size)}" for layer, size in sorted(own.layers.items())[:8])
        yield Line(FOOTPRINT, f"Named by layer: {each}.", {"layer_bytes": {str(layer): size for layer, size in own.layers.items()}})
    if not own.dram_bytes:
        yield Line(FOOTPRINT, "How much DRAM there is, is unknown: the trace does not say, and no plan gives a budget.", {})
        return
    yield from _limit_lines(own) if own.growth is None else _growth_lines(own, own.growth, known)


def _limit_lines(own: Footprint) -> Iterator[Line]:
    """Of one run: what holds if activations alone grow, in proportion."""
    for setting, what in ((own.batch, "batch size"), (own.depth, "layer count")):
        if setting is None:
            yield Line(FOOTPRINT, f"The {what} at which DRAM is left is unknown: the command line has no option for it.", {"setting": what})
            continue
        limit, now = own.leaves_at(setting), f"--{setting[0]} {setting[1]:g}"
        figures = {"setting": setting[0], "value": setting[1], "dram_bytes": own.dram_bytes, "leaves_at": limit}
        if limit is None:
            why = "no activation was seen" if own.bytes[ACTIVATION] <= 0 else "what no batch changes fills it already"
            yield Line(FOOTPRINT, f"{now}: where it leaves {format_bytes(own.dram_bytes)} of DRAM is unknown, as {why}.", figures)
            continue
        text = (
            f"Of {format_bytes(own.dram_bytes)} of DRAM ({own.dram_is}) {format_bytes(own.room_bytes)} is left for activations: at {now}"
            f" they take {format_bytes(own.bytes[ACTIVATION])}, so that DRAM is left at a {what} of {_floor(limit)}, if they alone grow,"
            " and in proportion to it. One run does not tell that."
        )
        yield Line(FOOTPRINT, text, figures)
    if own.no_growth:
        yield Line(FOOTPRINT, f"How bytes grow was not fitted: {own.no_growth}.", {})


def _growth_lines(own: Footprint, growth: Growth, known: Mapping[str, float]) -> Iterator[Line]:
    for place, name in enumerate(growth.settings):
        parts = {role: slopes[place] for role, slopes in growth.slope.items() if abs(slopes[place]) >= 1}
        each = ", ".join(f"{role} {_signed_bytes(slope)}" for role, slope in parts.items()) or "nothing grows"
        limit = own.fitted_leaves_at(name, known)
        end = "" if limit is None else f" {format_bytes(own.dram_bytes)} of DRAM ({own.dram_is}) is left at --{name} {_floor(limit)}."
        checked = growth.runs > len(growth.settings) + 1
        how = f"off by at most {growth.worst:.1%}" if checked else "as many as there are unknowns, so that nothing checks the fit"
        text = f"For each unit of --{name}: {each} (least squares over {growth.runs} runs, {how})."
        yield Line(
            FOOTPRINT,
            text + (end or f" It does not leave {format_bytes(own.dram_bytes)} of DRAM."),
            {"setting": name, "bytes_each": parts, "runs": growth.runs, "worst": growth.worst, "leaves_at": limit},
        )


def _signed_bytes(size: float) -> str:
    return f"{'-' if size < 0 else ''}{format_bytes(abs(size))}"


def _floor(limit: float) -> str:
    return f"{math.floor(limit):,}"


# -- agreement -------------------------------------------------------------------------------------------------------------


def agreement_lines(own: Agreement) -> Iterator[Line]:
    """What a comparison with an exact run says."""
    if own.waits is None or own.costs is None:
        yield Line(AGREEMENT, f"The sampled run was not held against {own.exact_trace}: {own.missing}.", {"agrees": None})
        return
    yield _comparison_line("wait", "how long they are waited for in fast memory", own.waits, own.exact_trace)
    yield _comparison_line("cost", f"what each alone costs in {own.slow}", own.costs, own.exact_trace)
    if not all(comparison.agrees or comparison.open for comparison in (own.waits, own.costs)):
        yield Line(AGREEMENT, _WHY_APART, {})


def _comparison_line(measure: str, by: str, own: Comparison, exact_trace: str) -> Line:
    count = max(len(own.own), len(own.other))
    apart = "agree within the error of the samples" if own.open else "DO NOT agree"
    head = "agree" if own.agrees else f"{apart} ({own.common} of {count} in common)"
    first = ", ".join(_leader(leader, "exact", redrawn=own.open) for leader in own.own)
    other = ", ".join(_leader(leader, "sampled", redrawn=own.open) for leader in own.other)
    text = f"By {by}, the top {TOP} tensors of the sampled run and of the exact one ({exact_trace}) {head}: {first}; exact: {other}."
    figures = {
        "by": measure,
        "agrees": own.agrees,
        "open": own.open,
        "common": own.common,
        "sampled": [asdict(leader) for leader in own.own],
        "exact": [asdict(leader) for leader in own.other],
    }
    return Line(AGREEMENT, text, figures)


def _leader(own: Leader, other: str, redrawn: bool = False) -> str:
    """With its place on the other side, where it does not lead there."""
    if 0 < own.other_rank <= TOP:
        return f"{own.name} {own.share:.0%}"
    place = f"no. {own.other_rank}, {own.other_share:.0%}" if own.other_rank else "none"
    odds = f", a leader in {own.odds:.0%} of samples redrawn from there" if redrawn else ""
    return f"{own.name} {own.share:.0%} ({other}: {place}{odds})"
