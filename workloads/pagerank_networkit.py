"""PageRank on NetworKit (C++): a graph of one small vector of neighbours a vertex, read in order, and ranks read at random."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.networkit_graph import build
from tierprof.workloads.program import Phases, main


def pagerank(args: Namespace, phases: Phases) -> np.ndarray:
    """Rank of every vertex for each damping factor; the factors follow each other."""
    nk, network, _ = build(args, phases)
    found = np.empty((args.solutions, network.numberOfNodes()))
    with phases.phase("compute"):
        for solution in phases.steps(args.solutions):
            ranks = nk.centrality.PageRank(network, 0.85 - 0.1 * solution / args.solutions, 1e-8)
            found[solution] = ranks.run().scores()
    return found


if __name__ == "__main__":
    sys.exit(main("pagerank_networkit", __doc__, pagerank, solutions=(3, "solutions, each for another damping factor")))
