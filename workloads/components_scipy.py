"""Connected components on scipy.sparse.csgraph: of the whole graph, then again without its heaviest edges."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main
from tierprof.workloads.rmat import MAX_WEIGHT


def components(args: Namespace, phases: Phases) -> np.ndarray:
    """Number of the component of every vertex, for each threshold of weight; the thresholds follow each other."""
    with phases.phase("import"):
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components
    with phases.phase("load"):
        graph = load(args.graph, weights=True)
    found = np.empty((args.thresholds, graph.vertices), dtype=np.int32)
    for step in phases.steps(args.thresholds):
        with phases.phase("build"):
            kept = graph.weights <= MAX_WEIGHT * (args.thresholds - step) // args.thresholds
            indptr = np.concatenate(([0], np.cumsum(kept, dtype=np.int32)))[graph.indptr]
            matrix = csr_array((kept[kept], graph.indices[kept], indptr), shape=(graph.vertices, graph.vertices))
        with phases.phase("compute"):
            _, found[step] = connected_components(matrix, directed=False)
    return found


if __name__ == "__main__":
    sys.exit(main("components_scipy", __doc__, components, thresholds=(4, "thresholds of weight")))
