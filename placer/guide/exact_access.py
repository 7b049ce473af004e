"""What an exact run's counts say of how each object is accessed: lines that stream, that are gathered, that are scattered."""

import numpy as np
import pandas as pd

from tierprof.profiler.exact.features import object_counts
from tierprof.profiler.exact.tables import NAMES
from tierprof.profiler.trace import Trace

#: Lines of a run that are the jump's own, by a load's jump and by a store's.
LOAD_RUN, STORE_RUN = 6, 3

_SOME = 0.05  # of the busiest writer's stores


def exact_shares(trace: Trace) -> pd.DataFrame:
    """Shares of each object's fetched lines by kind.

    Columns as of `tierprof.placer.guide.access.sampled_shares`, and `run_lines`, lines from one jump to the next.
    """
    frames = {name: trace.frame(name) for name in NAMES}
    return line_shares(object_counts(frames), frames["exact_objects"])


def line_shares(counts: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """The shares.

    A load jumps that waits for a line in another 256 B block than the one read just before (`mid`, `far`): the first of a gathered row.
    The lines that follow it, up to `LOAD_RUN`, are the row's, whoever fetched them. A store that fetches a line jumps alike; its class is
    not counted, so that the same row may count twice, and a shorter run, `STORE_RUN`, is its own. All other lines stream. Of the lines that
    jumps fetch, those are scattered that stores fetched, or that were written back in the end; the others are gathered. Lines that were
    prefetched for nothing are nobody's.

    The runs were chosen on simulated loops of known ways (tests/placer/guide/test_access.py): rows of 64 to 512 B jump, sequential ones do
    not, and rows of 1 KiB and more lie between the two.

    Parameters
    ----------
    counts
        Of `tierprof.profiler.exact.features.object_counts`.
    objects
        The table exact_objects, for the threads.
    """
    jumps, stored = counts["mid_loads"] + counts["far_loads"], counts["rfo_lines"]
    lines = counts["near_loads"] + jumps + stored + counts["prefetched_used"]
    some = lines.where(lines > 0)
    of_stores = STORE_RUN * stored
    jumped = (LOAD_RUN * jumps + of_stores).clip(upper=lines)
    by_store = of_stores / (LOAD_RUN * jumps + of_stores).where(jumped > 0)
    written = np.maximum(by_store, (counts["writeback_lines"] / some).clip(upper=1.0)).fillna(0.0)
    known = {"stream": (lines - jumped) / some, "gather": jumped * (1.0 - written) / some, "scatter": jumped * written / some}
    shares = pd.DataFrame({**known, "chase": 0.0 * lines}).fillna(0.0)
    accesses = counts["loads"] + counts["stores"]
    return shares.assign(
        unclear=np.where(lines > 0, 0.0, 1.0),
        writes=counts["stores"] / accesses.where(accesses > 0),
        count=lines,
        run_lines=lines / (jumps + stored).where(jumps + stored > 0),
        writer_threads=busy_writers(objects["object"], objects["thread"], objects["stores"]).reindex(counts.index).fillna(0),
    )


def busy_writers(objects: pd.Series, threads: pd.Series, writes: pd.Series) -> pd.Series:
    """By object: threads with at least a twentieth of the writes of its busiest one. All arguments have one entry a count of writes."""
    sums = writes.groupby([objects.rename("object"), threads.rename("thread")]).sum()
    busiest = sums.groupby("object").transform("max")
    return sums[(sums > 0) & (sums >= _SOME * busiest)].groupby("object").size()
