"""Approximate betweenness on NetworKit (C++): shortest paths between sampled pairs, over one small vector of neighbours a vertex."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.networkit_graph import build
from tierprof.workloads.program import Phases, main


def betweenness(args: Namespace, phases: Phases) -> np.ndarray:
    """Estimated betweenness of every vertex, from the paths of sampled sources."""
    nk, network, _ = build(args, phases)
    with phases.phase("compute"):
        nk.setSeed(1, False)
        return np.asarray(nk.centrality.EstimateBetweenness(network, args.samples).run().scores())


if __name__ == "__main__":
    sys.exit(main("betweenness_networkit", __doc__, betweenness, samples=(4, "vertices whose shortest paths are counted")))
