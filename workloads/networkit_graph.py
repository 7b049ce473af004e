"""The graph file as a NetworKit graph: each vertex's neighbours are a vector of their own, which grows with every edge."""

from argparse import Namespace
from types import ModuleType
from typing import Any

from tierprof.workloads.graph import Graph, load
from tierprof.workloads.program import Phases


def build(args: Namespace, phases: Phases) -> tuple[ModuleType, Any, Graph]:
    """NetworKit, the graph in its form, and as it was read."""
    with phases.phase("import"):
        import networkit as nk

        nk.setNumberOfThreads(args.threads)
    with phases.phase("load"):
        graph = load(args.graph)
    with phases.phase("build"):
        network = nk.Graph(graph.vertices)
        edges = graph.edges()
        network.addEdges((edges[:, 0].astype("uint64"), edges[:, 1].astype("uint64")))
    return nk, network, graph
