"""Why ratios miss: groups of rows with the cause, named by rule. A row that misses and is in no group has no known cause, and says so."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

BEYOND = 0.35
UNKNOWN = "no cause known"


class Group(NamedTuple):
    """Rows that miss for one cause."""

    name: str
    holds: Callable[[pd.DataFrame], pd.Series]
    cause: str


def _benchmark(rows: pd.DataFrame, *names: str) -> pd.Series:
    return rows["benchmark"].isin(names)


def _too_low(rows: pd.DataFrame) -> pd.Series:
    return rows["error"] < 0


# A group is of one direction: a row that misses to the other side has another cause. The first group that a row is in counts.
GROUPS = (
    Group(
        "fenced non-temporal writes",
        lambda rows: rows["variant"].str.endswith("ntstore") & _too_low(rows),
        "A fence after a non-temporal store takes 87 ns on DRAM and 90 on Optane in FAST20, which the machine files are fitted to; on the"
        " machines of the test set an operation with such a fence takes about twice as long on both. So the model's threads write twice"
        " as fast, on DRAM, and use up Optane's write bandwidth with half as many. Besides, FAST20's modules combine worse with more than"
        " eight threads (11.7 GB/s falls to 8.7); those of the test set hold what the vendor gives up to 32.",
    ),
    Group(
        "plain stores in order",
        lambda rows: rows["variant"].str.endswith("B store") & ~_too_low(rows),
        "Every line is read for ownership, by prefetchers as a rule, and evicted later. What one thread's evictions cost is taken from"
        " FAST20, who ran without prefetchers: on DRAM that leaves 2 to 8 threads up to a quarter too slow. On Optane the model lets"
        " prefetched reads for ownership find their block in the buffer, as loads do, and evictions disturb nothing but the bandwidth:"
        " 1 to 4 threads come out too fast. No source other than the test set tells these costs apart.",
    ),
    Group(
        "random lines and their neighbours",
        lambda rows: _benchmark(rows, "random_reads") & rows["variant"].eq("64 B") & ~_too_low(rows),
        "The spatial prefetcher fetches the other line of each pair. The simulator always does so; hardware does it less when many"
        " demand misses are under way (Intel's optimisation manual). On DRAM that takes bandwidth for nothing, on Optane the neighbour is"
        " in the same block: ratios come out too high with many threads.",
    ),
    Group(
        "random blocks and the streamer",
        lambda rows: _benchmark(rows, "random_reads", "hash_index_lookup") & ~_too_low(rows),
        "The streamer runs on beyond a random block of 256 to 1024 bytes. How far depends on how much is under way (Intel's optimisation"
        " manual: less far, and into L3 only); the simulator always lets it run its full distance, and L2's buffers bound all of it. On"
        " DRAM this holds back 4 to 16 threads and Ice Lake's cores most, on Optane latency hides it.",
    ),
    Group(
        "lookups that overlap",
        lambda rows: _benchmark(rows, "hash_index_lookup") & _too_low(rows),
        "Lookups overlap more here than on hardware, where something narrower than the reorder window holds them back. With many threads"
        " DRAM then comes out half too fast, while Optane is held to its bandwidth.",
    ),
    Group(
        "streams of a few threads",
        lambda rows: _benchmark(rows, "sequential_reads") & ~_too_low(rows),
        "On DRAM up to a quarter too slow: blocks are dealt out to threads in turn, the streamer fetches for a thread what is its"
        " neighbours', and all of it counts against the thread's own buffers. On Optane 200 up to a third too fast: its latencies are"
        " assumed to be those of Optane 100, under a core with more buffers; measured, a thread's stream is hardly faster than on Optane"
        " 100.",
    ),
    Group(
        "sfence as a full fence",
        lambda rows: _benchmark(rows, "operation_latency") & rows["variant"].str.contains("cache") & _too_low(rows),
        "The simulator takes sfence, clwb and clflushopt to hold back loads, too; hardware lets the next operation's load pass (Intel's"
        " manual: sfence is not ordered with loads), so that on Optane its latency hides behind the fence. It shows where latency is"
        " large and the window wide: on Ice Lake.",
    ),
    Group(
        "operations with a plain store",
        lambda rows: _benchmark(rows, "operation_latency") & rows["variant"].str.endswith("none") & ~_too_low(rows),
        "Lines that were read and then stored to leave L3 one by one, each a block of its own to Optane's media. The model lets them keep"
        " up with Ice Lake's reads up to the vendor's write bandwidth; measured, single threads do not reach it.",
    ),
)


def causes(rows: pd.DataFrame) -> pd.Series:
    """The name of the first group that each row is in, `UNKNOWN` where there is none; empty for rows within `BEYOND`.

    Parameters
    ----------
    rows
        With benchmark, variant and error.
    """
    found = pd.Series(UNKNOWN, index=rows.index)
    for group in reversed(GROUPS):
        found = found.mask(group.holds(rows), group.name)
    return found.mask(~(rows["error"].abs() > BEYOND), "")
