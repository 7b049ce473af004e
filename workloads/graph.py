"""The graph file that all workloads read: adjacency in compressed sparse rows, symmetric, with weights."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tierprof.base.errors import TierprofError

FORMAT = "tierprof-graph-1"


class WorkloadError(TierprofError):
    """A workload's input is missing or wrong."""


class Graph(NamedTuple):
    """An undirected graph; every edge is stored in both directions, the neighbours of a vertex ascend."""

    indptr: np.ndarray  # int64, vertices + 1
    indices: np.ndarray  # int32, one a stored edge
    weights: np.ndarray  # uint8, 1 to 255; empty unless asked for

    @property
    def vertices(self) -> int:
        """Number of vertices."""
        return len(self.indptr) - 1

    @property
    def degrees(self) -> np.ndarray:
        """Number of neighbours of each vertex."""
        return np.diff(self.indptr)

    def edges(self) -> np.ndarray:
        """Every undirected edge once: int64, edges x 2, smaller vertex first."""
        rows, once = self._once()
        return np.column_stack((rows[once], self.indices[once]))

    def weighted_edges(self) -> tuple[np.ndarray, np.ndarray]:
        """`edges`, and the weight of each."""
        rows, once = self._once()
        return np.column_stack((rows[once], self.indices[once])), self.weights[once]

    def _once(self) -> tuple[np.ndarray, np.ndarray]:
        """Row of every stored edge, and whether it is the one of its two directions that starts at the smaller vertex."""
        rows = np.repeat(np.arange(self.vertices, dtype=np.int64), self.degrees)
        return rows, rows < self.indices

    def sources(self, count: int) -> np.ndarray:
        """Vertices to start searches from: spread over the labels, each with at least one neighbour."""
        connected = np.flatnonzero(self.degrees)
        if not len(connected):
            raise WorkloadError("the graph", "it has no edges, so a search has nowhere to go", "make one with a higher scale")
        return connected[np.linspace(0, len(connected) - 1, count).astype(np.int64)]


def load(path: Path, weights: bool = False) -> Graph:
    """Read a graph that `python -m tierprof.workloads.rmat` wrote.

    Raises
    ------
    WorkloadError
        If the file is missing, cut short, or no such graph.
    """
    mend = f"make one with `python -m tierprof.workloads.rmat --scale 20 -o {path}`"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            form = json.loads(arrays["header"].tobytes()).get("format")
            if form != FORMAT:
                raise WorkloadError(f"graph {path} cannot be read", f"its format is {form}, not {FORMAT}", mend)
            none = np.empty(0, dtype=np.uint8)
            graph = Graph(arrays["indptr"], arrays["indices"], arrays["weights"] if weights else none)
    except OSError as error:
        raise WorkloadError(f"graph {path} cannot be read", error.strerror or str(error), mend) from error
    except (ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise WorkloadError(f"graph {path} cannot be read", "it is no graph file, or cut short", mend) from error
    if len(graph.indptr) < 2 or graph.indptr[-1] != len(graph.indices):
        raise WorkloadError(f"graph {path} cannot be read", "its row pointers and its edges do not fit together", mend)
    return graph
