"""The nodes of a run's chains, with those episodes made to flow whose misses follow each other as buffers become free.

That an episode ends as the miss buffers are used up is the simulator's doing: in hardware the next miss takes the first buffer that is
free. If its chains do not come back to an object that they met before (a chase does), they are no part of a longer one, and two things
bound what the episode adds:

- its share of the buffers: each miss holds one of them for its own latency (Little's law), so near and far ones together cost their mean.
  FAST20's random reads of 256 B and 4 KiB show it;
- its share of the window: as many such episodes are under way at once as the window holds, so a chain costs the part of it that the
  episode's instructions are of the window.

Such an episode is given a chain of its objects' misses in the proportion in which they were met on its lane, and its own shortened.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.models.timing.lanes import Lanes
from tierprof.models.timing.traffic import ObjectRows
from tierprof.profiler.exact.profile import ExactProfile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

L3 = 0
_CLASSES = 4


@dataclass(frozen=True)
class Nodes:
    """One entry a node: the row of its episode, its chain there, its object's column (-1 for L3), its class, how often it follows."""

    episode: Ints
    chain: Ints
    column: Ints
    node_class: Ints
    count: Floats

    def where(self, kept: NDArray[np.bool_]) -> "Nodes":
        """These entries alone."""
        return Nodes(self.episode[kept], self.chain[kept], self.column[kept], self.node_class[kept], self.count[kept])

    def joined(self, other: "Nodes") -> "Nodes":
        """With those of `other` behind."""
        parts = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__)
        return Nodes(*parts)


class Core(NamedTuple):
    """Of the simulated core: its miss buffers, and the instructions that its window holds."""

    miss_buffers: int
    window: int


def nodes_of(profile: ExactProfile, rows: ObjectRows, lanes: Lanes, objects: Ints, core: Core) -> Nodes:
    """The nodes of `profile`, with episodes that flow.

    Parameters
    ----------
    profile
        The run.
    rows, lanes, objects
        Of it.
    core
        That was simulated.
    """
    table = profile.nodes
    node_class = table["node_class"].to_numpy(np.int64)
    column = np.searchsorted(objects, table["object"].to_numpy(np.int64))
    nodes = Nodes(
        episode=table["episode"].to_numpy(np.int64),
        chain=table["chain"].to_numpy(np.int64),
        column=np.where(node_class == L3, -1, column).astype(np.int64),
        node_class=node_class,
        count=table["count"].to_numpy(np.float64),
    )
    flowing = _flowing(profile.episodes, nodes, core.miss_buffers)
    mixed, flowing = _mixed(nodes, flowing, lanes.lane(profile.episodes), _Met(rows, lanes, len(objects)))
    instructions = profile.episodes["instructions"].to_numpy(np.float64) / profile.episodes["count"].to_numpy(np.float64)
    part = np.where(flowing, np.minimum(instructions / core.window, 1.0), 1.0)[nodes.episode]
    return replace(nodes, chain=nodes.chain + 1, count=nodes.count * part).joined(mixed)


def _flowing(episodes: pd.DataFrame, nodes: Nodes, miss_buffers: int) -> NDArray[np.bool_]:
    """Which episodes used all buffers up (but for the last of a row, which may be cut), on chains that meet each object once."""
    misses, count = (episodes[name].to_numpy(np.float64) for name in ("misses", "count"))
    named = nodes.where(nodes.node_class != L3)
    met = pd.DataFrame({"episode": named.episode, "chain": named.chain, "column": named.column, "count": named.count})
    most = met.groupby(["episode", "chain", "column"])["count"].sum().groupby("episode").max().reindex(range(len(episodes)), fill_value=0)
    return np.asarray((misses >= (miss_buffers - 0.5) * count) & (most.to_numpy() == 1))


class _Met:
    """How often the misses of an object on a lane were answered by each class."""

    def __init__(self, rows: ObjectRows, lanes: Lanes, objects: int) -> None:
        self._objects = objects
        key = rows.lane * objects + rows.column
        self._keys, place = np.unique(key, return_inverse=True)
        self._count = np.zeros((len(self._keys) + 1, _CLASSES))
        np.add.at(self._count, place, np.column_stack([rows.l3_hits, rows.loads]))

    def __call__(self, lane: Ints, column: Ints) -> Floats:
        """L3, near, mid, far: (rows, 4); zeros where none was counted."""
        key = lane * self._objects + column
        at = np.searchsorted(self._keys, key)
        found = at < len(self._keys)
        found[found] = self._keys[at[found]] == key[found]
        return self._count[np.where(found, at, -1)]


def _mixed(nodes: Nodes, flowing: NDArray[np.bool_], lane: Ints, met: _Met) -> tuple[Nodes, NDArray[np.bool_]]:
    """One chain for each flowing episode, its objects' mean miss; and which of them flow, for that some misses must have been counted."""
    named = nodes.where(flowing[nodes.episode] & (nodes.node_class != L3))
    width = int(named.column.max(initial=0)) + 1
    pairs = np.unique(named.episode * width + named.column)
    episode, column = pairs // width, pairs % width
    weight = met(lane[episode], column)
    whole = np.bincount(episode, weight.sum(axis=1), len(flowing))
    weight = weight / np.where(whole > 0, whole, 1)[episode][:, None]
    pair, node_class = np.nonzero(weight)
    mixed = Nodes(
        episode=episode[pair],
        chain=np.zeros(len(pair), np.int64),
        column=np.where(node_class == L3, -1, column[pair]).astype(np.int64),
        node_class=node_class.astype(np.int64),
        count=weight[pair, node_class],
    )
    return mixed, whole > 0
