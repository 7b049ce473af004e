"""PageRank by power iteration on python-graphblas (SuiteSparse): every vertex gathers the rank of its neighbours."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main

DAMPING = 0.85


def pagerank(args: Namespace, phases: Phases) -> np.ndarray:
    """Rank of every vertex after a fixed number of iterations."""
    with phases.phase("import"):
        import graphblas as gb
        from graphblas import Matrix, Vector, binary, semiring

        gb.ss.config["nthreads"] = args.threads
    with phases.phase("load"):
        graph = load(args.graph)
    with phases.phase("build"):
        adjacency = Matrix.from_csr(graph.indptr, graph.indices, 1.0, ncols=graph.vertices)
        # A vertex without neighbours gives its rank to nobody; damping here saves a pass over the vector each iteration.
        damped = Vector.from_dense(np.maximum(graph.degrees, 1) / DAMPING)
    with phases.phase("compute"):
        rank = Vector.from_scalar(1.0 / graph.vertices, graph.vertices, dtype=float)
        share = Vector(float, graph.vertices)
        for _ in phases.steps(args.iterations):
            share << rank.ewise_mult(damped, binary.truediv)
            rank << (1.0 - DAMPING) / graph.vertices
            # The graph is symmetric, so rows list the neighbours that a vertex gathers from.
            rank(binary.plus) << semiring.plus_second(adjacency @ share)
    return rank.to_dense()


if __name__ == "__main__":
    sys.exit(main("pagerank_graphblas", __doc__, pagerank, iterations=(60, "power iterations")))
