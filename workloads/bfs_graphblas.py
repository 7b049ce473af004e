"""Breadth-first search on python-graphblas (SuiteSparse): levels from several sources, pushing while the frontier is small."""

import sys
from argparse import Namespace

import numpy as np

from tierprof.workloads.graph import load
from tierprof.workloads.program import Phases, main


def breadth_first(args: Namespace, phases: Phases) -> np.ndarray:
    """Level of every vertex from each source, 0 where it is not reached; the sources follow each other."""
    with phases.phase("import"):
        import graphblas as gb
        from graphblas import Matrix, Vector, replace, semiring

        gb.ss.config["nthreads"] = args.threads
    with phases.phase("load"):
        graph = load(args.graph)
    with phases.phase("build"):
        adjacency = Matrix.from_csr(graph.indptr, graph.indices, True, ncols=graph.vertices)
        sources = graph.sources(args.sources)
    found = np.empty((len(sources), graph.vertices), dtype=np.int32)
    with phases.phase("compute"):
        for search in phases.steps(len(sources)):
            levels = Vector(np.int32, graph.vertices)
            frontier = Vector(bool, graph.vertices)
            frontier[int(sources[search])] = True
            depth = 0
            while frontier.nvals:
                depth += 1
                levels(frontier.S)[:] = depth
                # Neighbours of the frontier that have no level yet.
                frontier(~levels.S, replace) << semiring.any_pair(frontier @ adjacency)
            found[search] = levels.to_dense(fill_value=0)
    return found


if __name__ == "__main__":
    sys.exit(main("bfs_graphblas", __doc__, breadth_first, sources=(16, "searches, one after the other")))
