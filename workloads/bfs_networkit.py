"""Breadth-first search on NetworKit (C++): from several sources, over one small vector of neighbours a vertex."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.networkit_graph import build
from tierprof.workloads.program import Phases, main


def breadth_first(args: Namespace, phases: Phases) -> np.ndarray:
    """Distance of every vertex from each source; vertices out of reach are at infinity."""
    nk, network, graph = build(args, phases)
    sources = graph.sources(args.sources)
    found = np.empty((len(sources), network.numberOfNodes()))
    with phases.phase("compute"):
        for search in phases.steps(len(sources)):
            distances = np.asarray(nk.distance.BFS(network, int(sources[search]), storePaths=False).run().getDistances())
            found[search] = np.where(distances < network.numberOfNodes(), distances, np.inf)
    return found


if __name__ == "__main__":
    sys.exit(main("bfs_networkit", __doc__, breadth_first, sources=(8, "searches, each from another source")))
