"""The guide as JSON has it: every figure exactly, units in the names."""

from typing import Any

from tierprof.models.timing.write_threads import WriteThreads
from tierprof.placer.guide.guide import Guide, TensorRow
from tierprof.placer.guide.words import lines, rule
from tierprof.placer.guide.writers import TierWriters


def guide_facts(guide: Guide) -> dict[str, Any]:
    """What ``tierprof report --json`` prints under `guide`."""
    return {
        "machine": guide.machine.name,
        "slow": guide.machine.slow,
        "run_s": guide.run_s,
        "tiers_rest_on": guide.keeping.rests_on,
        "budget_bytes": guide.keeping.budget_bytes,
        "tensors": [_tensor(row) for row in guide.rows],
        "writers": [_writers(own) for own in guide.writers],
        "lines": [{"topic": line.topic, "text": line.text, "figures": line.figures} for line in lines(guide)],
        "rule": rule(guide),
        "no_prediction": guide.no_prediction or None,
    }


def _tensor(row: TensorRow) -> dict[str, Any]:
    return {
        "site": row.key,
        "name": row.name,
        "role": row.role,
        "operation": row.operation or None,
        "tensors": list(row.tensors),
        "peak_bytes": row.peak_bytes,
        "stall_share": row.stall_share,
        "stall_share_per_gib": row.share_per_gib,
        "rank": row.rank,
        "tier": row.tier,
        "fast": row.fast,
        "slow_costs_s": None if row.cost is None else row.cost._asdict(),
        "access": row.access.kind,
        "access_shares": row.access.shares,
        "access_rests_on": row.access.why,
        "write_share": row.access.write_share,
        "writer_threads": row.access.writer_threads,
        "row_bytes": row.row_bytes,
        "row_align_bytes": row.row_align_bytes,
        "why": row.why,
    }


def _writers(own: TierWriters) -> dict[str, Any]:
    return {
        "tier": own.tier,
        "machine": own.machine,
        "cores": own.cores,
        "plain": _threads(own.plain),
        "non_temporal": _threads(own.streaming),
        "source": own.source,
        "loss_source": own.loss_source or None,
    }


def _threads(own: WriteThreads | None) -> dict[str, Any] | None:
    return None if own is None else {"gb_s": own.gb_s, "enough_threads": own.enough, "most_threads": own.most}
