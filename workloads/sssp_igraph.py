"""Single-source shortest paths on igraph (C): the library's own Dijkstra, on its own graph structure, from several sources."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def shortest_paths(args: Namespace, phases: Phases) -> np.ndarray:
    """Distance of every vertex from each source, infinite where there is no path; the sources follow each other."""
    with phases.phase("import"):
        import igraph
    with phases.phase("load"):
        graph = load(args.graph, weights=True)
        sources = graph.sources(args.sources)
    with phases.phase("build"):
        edges, weights = graph.weighted_edges()
        network = igraph.Graph(graph.vertices, edges)
        network.es["weight"] = weights
    found = np.empty((len(sources), graph.vertices))
    with phases.phase("compute"):
        for search in phases.steps(len(sources)):
            found[search] = network.distances(int(sources[search]), weights="weight", algorithm="dijkstra")[0]
    return found


if __name__ == "__main__":
    sys.exit(main("sssp_igraph", __doc__, shortest_paths, sources=(4, "searches, one after the other")))
