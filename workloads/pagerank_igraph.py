"""PageRank on igraph (C): the library's own PRPACK solver on its own graph structure."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def pagerank(args: Namespace, phases: Phases) -> np.ndarray:
    """Rank of every vertex for each damping factor; the factors follow each other."""
    with phases.phase("import"):
        import igraph
    with phases.phase("load"):
        graph = load(args.graph)
    with phases.phase("build"):
        network = igraph.Graph(graph.vertices, graph.edges())
    found = np.empty((args.solutions, network.vcount()))
    with phases.phase("compute"):
        for solution in phases.steps(args.solutions):
            found[solution] = network.pagerank(damping=0.85 - 0.1 * solution / args.solutions)
    return found


if __name__ == "__main__":
    sys.exit(main("pagerank_igraph", __doc__, pagerank, solutions=(3, "solutions, each for another damping factor")))
