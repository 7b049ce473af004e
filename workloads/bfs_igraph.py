"""Breadth-first search on igraph (C): the library's own search, on its own graph structure, from several sources."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def breadth_first(args: Namespace, phases: Phases) -> np.ndarray:
    """Level of every vertex from each source, 0 where it is not reached; the sources follow each other."""
    with phases.phase("import"):
        import igraph
    with phases.phase("load"):
        graph = load(args.graph)
        sources = graph.sources(args.sources)
    with phases.phase("build"):
        network = igraph.Graph(graph.vertices, graph.edges())
    found = np.zeros((len(sources), graph.vertices), dtype=np.int32)
    with phases.phase("compute"):
        for search in phases.steps(len(sources)):
            reached, starts, _ = network.bfs(int(sources[search]))
            # Where each layer starts in the list of those reached.
            found[search, reached] = np.repeat(np.arange(1, len(starts)), np.diff(starts))
    return found


if __name__ == "__main__":
    sys.exit(main("bfs_igraph", __doc__, breadth_first, sources=(16, "searches, one after the other")))
