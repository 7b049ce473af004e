"""Core numbers on igraph (C): builds the graph from its edge list and peels off the vertices of least degree."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def coreness(args: Namespace, phases: Phases) -> np.ndarray:
    """Core number of every vertex, as often as asked: each time the edge list is built into a graph anew."""
    with phases.phase("import"):
        import igraph
    with phases.phase("load"):
        graph = load(args.graph)
        edges = graph.edges()
    found = np.empty((args.rounds, graph.vertices), dtype=np.int32)
    for step in phases.steps(args.rounds):
        with phases.phase("build"):
            network = igraph.Graph(graph.vertices, edges)
        with phases.phase("compute"):
            found[step] = network.coreness()
    return found


if __name__ == "__main__":
    sys.exit(main("coreness_igraph", __doc__, coreness, rounds=(2, "times that the graph is built and peeled")))
