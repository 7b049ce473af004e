"""Single-source shortest paths on python-graphblas (SuiteSparse): Bellman-Ford, relaxing only what changed."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def shortest_paths(args: Namespace, phases: Phases) -> np.ndarray:
    """Distance of every vertex from each source, infinite where there is no path; the sources follow each other."""
    with phases.phase("import"):
        import graphblas as gb
        from graphblas import Matrix, Vector, binary, semiring

        gb.ss.config["nthreads"] = args.threads
    with phases.phase("load"):
        graph = load(args.graph, weights=True)
    with phases.phase("build"):
        weights = Matrix.from_csr(graph.indptr, graph.indices, graph.weights.astype(np.float32), ncols=graph.vertices)
        sources = graph.sources(args.sources)
    found = np.empty((len(sources), graph.vertices), dtype=np.float32)
    with phases.phase("compute"):
        for search in phases.steps(len(sources)):
            distance = Vector.from_scalar(np.inf, graph.vertices, dtype=np.float32)
            distance[int(sources[search])] = 0.0
            changed = Vector(np.float32, graph.vertices)
            changed[int(sources[search])] = 0.0
            while changed.nvals:
                reached = semiring.min_plus(changed @ weights).new()
                shorter = reached.ewise_mult(distance, binary.lt).new()
                changed = reached.dup(mask=shorter.V)
                distance(binary.min) << changed
            found[search] = distance.to_dense()
    return found


if __name__ == "__main__":
    sys.exit(main("sssp_graphblas", __doc__, shortest_paths, sources=(4, "searches, one after the other")))
