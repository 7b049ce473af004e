"""What a tier has to do for each object: lines and blocks by direction, and how long a core waits for them when the tier is idle.

Where the trace does not say it, it is inferred here: of which class the lines are that stores and prefetches fetch, and which of the
written lines were stored non-temporally.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.tier import BUFFERED_BLOCK_BYTES, LINE_BYTES, Tier

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ObjectRows:
    """The objects table with what is inferred from it, one entry a row.

    Attributes
    ----------
    lane, column : ndarray of int
        Which lane, and which object.
    loads, stores, prefetches : ndarray
        Lines that each fetched from memory, by class near, mid, far: (rows, 3).
    streamed : ndarray
        Share of the fetched lines that were prefetched.
    read_blocks, evicted, evicted_blocks, nt, nt_blocks : ndarray
        256 B blocks read; lines and blocks written by evictions, and by non-temporal stores.
    l3_hits : ndarray
        Lines that L3 had.
    """

    lane: NDArray[np.int64]
    column: NDArray[np.int64]
    loads: Floats
    stores: Floats
    prefetches: Floats
    streamed: Floats
    read_blocks: Floats
    evicted: Floats
    evicted_blocks: Floats
    nt: Floats
    nt_blocks: Floats
    l3_hits: Floats

    @classmethod
    def of(cls, rows: pd.DataFrame, lanes: Lanes, objects: NDArray[np.int64]) -> "ObjectRows":
        """The rows of a profile's objects table."""
        count = {name: rows[name].to_numpy(np.float64) for name in rows.columns if name not in ("slice", "thread", "object")}
        loads = np.stack([count["near_loads"], count["mid_loads"], count["far_loads"]], axis=1)
        lines = loads.sum(axis=1) + count["rfo_lines"] + count["prefetched_lines"]
        others = _classes_of_others(loads, count["rfo_lines"] + count["prefetched_lines"], lines, count["read_blocks"])
        nt = _non_temporal(count)
        nt_share = _ratio(nt, count["writeback_lines"])
        return cls(
            lane=lanes.lane(rows),
            column=np.searchsorted(objects, rows["object"].to_numpy(np.int64)).astype(np.int64),
            loads=loads,
            stores=others * count["rfo_lines"][:, None],
            prefetches=others * count["prefetched_lines"][:, None],
            streamed=_ratio(count["prefetched_lines"], lines),
            read_blocks=np.minimum(count["read_blocks"], lines),
            evicted=count["writeback_lines"] - nt,
            evicted_blocks=count["write_blocks"] * (1 - nt_share),
            nt=nt,
            nt_blocks=np.minimum(count["write_blocks"] * nt_share, nt),
            l3_hits=count["l3_hits"],
        )

    @property
    def lines(self) -> Floats:
        """All lines fetched from memory."""
        return np.asarray((self.loads + self.stores + self.prefetches).sum(axis=1))


def _classes_of_others(loads: Floats, others: Floats, lines: Floats, blocks: Floats) -> Floats:
    """Shares near, mid and far of the lines that no load fetched: (rows, 3).

    What the blocks' buffer answered and loads did not take is theirs. Of the rest, as many are taken to lie in a page that was read
    just before as lie in such a block: all but the first of a stream, none of scattered ones.
    """
    near = _ratio(np.clip(lines - blocks - loads[:, 0], 0, others), others)
    return np.stack([near, (1 - near) * near, (1 - near) ** 2], axis=1)


def _non_temporal(count: dict[str, Floats]) -> Floats:
    """Lines written non-temporally: what these stores wrote, in whole lines; no more than were written at all."""
    written = count["store_bytes"] * _ratio(count["nt_stores"], count["stores"] + count["nt_stores"])
    return np.minimum(written / LINE_BYTES, count["writeback_lines"])


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


@dataclass(frozen=True)
class TierTraffic:
    """What one tier does under P plans, by lane: each (L, P).

    Attributes
    ----------
    lines, blocks : ndarray
        Lines read from the tier, and blocks of its media.
    nt, nt_blocks, evicted, evicted_blocks : ndarray
        Lines and blocks written non-temporally, and by evictions.
    waits_ns : ndarray
        Idle latency of all lines that loads and stores fetch.
    streams_ns, streams_busy_ns : ndarray
        Idle latency of all prefetched lines, and how long one of the interleaved DIMMs is busy with them (0: they are not interleaved).
    posted_ns : ndarray
        Time that non-temporal stores hold miss buffers.
    stalls_ns : ndarray
        Idle latency that nothing overlaps: page faults that wait for the device.
    fixed_ns : ndarray
        Time that nothing overlaps and that load does not change: fences, the software of page faults.
    """

    lines: Floats
    blocks: Floats
    nt: Floats
    nt_blocks: Floats
    evicted: Floats
    evicted_blocks: Floats
    waits_ns: Floats
    streams_ns: Floats
    streams_busy_ns: Floats
    posted_ns: Floats
    stalls_ns: Floats
    fixed_ns: Floats


class TierCounts:
    """What one tier would do for each object, if it had all of it; `traffic` weighs that by a plan.

    Parameters
    ----------
    tier
        The tier.
    rows
        Of the profile.
    lanes
        Of the profile.
    objects
        How many.
    """

    def __init__(self, tier: Tier, rows: ObjectRows, lanes: Lanes, objects: int) -> None:
        parts = (_paged if tier.paged else _addressed)(tier, rows, lanes)
        shape = (lanes.count, objects)
        self._lanes = lanes.count
        self._names = list(parts)
        self._stacked = sparse.vstack(
            [sparse.csr_array((part, (rows.lane, rows.column)), shape=shape) for part in parts.values()], format="csr"
        )

    def traffic(self, share: Floats) -> TierTraffic:
        """The traffic when the tier is asked for `share` (n, P) of every object's lines."""
        product = np.asarray(self._stacked @ share)
        none = np.zeros((self._lanes, share.shape[1]))
        found = {name: product[at * self._lanes : (at + 1) * self._lanes] for at, name in enumerate(self._names)}
        return TierTraffic(**{name: found.get(name, none) for name in TierTraffic.__dataclass_fields__})


def _addressed(tier: Tier, rows: ObjectRows, lanes: Lanes) -> dict[str, Floats]:
    """A tier that the program's loads and stores reach."""
    blocked = tier.block_bytes == BUFFERED_BLOCK_BYTES
    nt_of_lane = lanes.counted(rows.lane, rows.nt)
    # A fence waits for the stores before it: there are no more such waits than non-temporal lines.
    class_ns = np.array(tier.class_ns)
    # Stores go on before their lines are there: those of one block are under way together, and take as long as their block does. (That is
    # what FAST20's plain stores in order show, while its loads of whole blocks find the block in the buffer.)
    store_ns = np.array([tier.mid_ns, tier.mid_ns, tier.far_ns]) if blocked else class_ns
    # A stream's next block is in the buffer when it is asked for: FAST20's sequential latency is the mean over all lines, first ones too.
    ahead_ns = np.array([tier.near_ns, tier.near_ns, tier.far_ns]) if blocked else class_ns
    one_gb_s = float(tier.read_gb_s(1)) / tier.interleaved if tier.interleaved > 1 else np.inf
    fenced = _ratio(np.minimum(lanes.fences, nt_of_lane), nt_of_lane)[rows.lane]
    return {
        "lines": rows.lines,
        "blocks": rows.read_blocks if blocked else rows.lines,
        "nt": rows.nt,
        "nt_blocks": rows.nt_blocks if blocked else rows.nt,
        "evicted": rows.evicted,
        "evicted_blocks": rows.evicted_blocks if blocked else rows.evicted,
        "waits_ns": rows.loads @ class_ns + rows.stores @ store_ns,
        "streams_ns": rows.prefetches @ ahead_ns,
        "streams_busy_ns": rows.prefetches.sum(axis=1) * LINE_BYTES / one_gb_s,
        "posted_ns": rows.nt * tier.nt_ns,
        "fixed_ns": rows.nt * fenced * tier.write_fence_ns,
    }


def _paged(tier: Tier, rows: ObjectRows, lanes: Lanes) -> dict[str, Floats]:
    """A tier behind a cache of pages: what it is asked for are faults, one page each. A thread waits for one at a time."""
    assert tier.paged is not None
    lines = rows.lines
    waits = lines * (1 - rows.streamed + rows.streamed / tier.paged.readahead_pages)
    written = rows.evicted + rows.nt
    return {
        "lines": lines,
        "blocks": lines,
        "evicted": written,
        "evicted_blocks": written,
        "stalls_ns": waits * tier.far_ns,
        "fixed_ns": lines * tier.paged.fault_ns,
    }
