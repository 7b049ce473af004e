"""The list of the workloads and how each is called: what collecting, benchmarks and the demo have in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Workload(NamedTuple):
    """One program and the sizes at which it is profiled."""

    name: str
    option: str  # the option that says how much it does
    amounts: Mapping[int, int]  # graph scale -> value of that option that makes a run of some 3 to 8 s on one core

    def command(self, graph: Path, python: str, counts: Mapping[str, int] | None = None) -> list[str]:
        """The command line that a user would type; ``-P`` keeps the current folder from hiding the package."""
        options = [part for name, value in (counts or {}).items() for part in (f"--{name}", str(value))]
        return [python, "-P", "-m", f"tierprof.workloads.{self.name}", "--graph", str(graph), *options]

    def command_at(self, scale: int, graph: Path, python: str) -> list[str]:
        """The command line for one of the scales in `amounts`."""
        return self.command(graph, python, {self.option: self.amounts[scale]})


WORKLOADS = (
    Workload("pagerank_graphblas", "iterations", {19: 160, 20: 80}),
    Workload("bfs_graphblas", "sources", {19: 40, 20: 24}),
    Workload("sssp_graphblas", "sources", {19: 10, 20: 5}),
    Workload("components_scipy", "thresholds", {19: 12, 20: 6}),
    Workload("pagerank_igraph", "solutions", {17: 8, 18: 4}),
    Workload("coreness_igraph", "rounds", {17: 4, 18: 2}),
)

#: Programs whose memory is millions of small objects; needs `pip install networkit`.
SMALL_OBJECTS = (
    Workload("pagerank_networkit", "solutions", {18: 5}),
    Workload("bfs_networkit", "sources", {20: 24}),
    Workload("betweenness_networkit", "samples", {18: 50}),
)


#: More of igraph; no traces of these are shipped.
IGRAPH_SEARCHES = (
    Workload("bfs_igraph", "sources", {18: 40}),
    Workload("sssp_igraph", "sources", {17: 10}),
)


class Learner(NamedTuple):
    """One program that makes its own input, and the sizes at which it is run."""

    name: str
    options: Mapping[str, str]  # a run of some 3 to 8 s on one core
    tiny: Mapping[str, str]  # under a second, besides the start: for tests and the source exact

    def command(self, python: str, options: Mapping[str, str] | None = None) -> list[str]:
        """The command line that a user would type, with `options` or its own."""
        words = [word for name, value in (self.options if options is None else options).items() for word in (f"--{name}", value)]
        return [python, "-P", "-m", f"tierprof.workloads.{self.name}", *words]


_TINY_GRAPH = {"users": "300", "items": "100", "interactions": "4e3", "dim": "16", "epochs": "2"}

_FEW_STEPS = {**_TINY_GRAPH, "batch": "2e3"}

#: GNN recommenders and embedding models; needs `pip install tierprof[torch]`.
GNN = (
    Learner("lightgcn", {"users": "2e4", "items": "8e3", "interactions": "3e5", "epochs": "3"}, _FEW_STEPS),
    Learner("ngcf", {"users": "5e3", "items": "2e3", "interactions": "5e4", "epochs": "4", "batch": "8192"}, _FEW_STEPS),
    Learner("pinsage", {"users": "1e4", "items": "1e4", "interactions": "4e4", "epochs": "1"}, {**_TINY_GRAPH, "epochs": "1"}),
    Learner("dlrm", {"rows": "1e5", "steps": "30"}, {"tables": "3", "rows": "500", "dim": "8", "batch": "256", "steps": "8"}),
)

#: Vector search and factorisation; needs `pip install tierprof[vectors]`.
VECTORS = (
    Learner("hnsw_faiss", {"vectors": "5e4", "queries": "1e4"}, {"vectors": "500", "dim": "16", "queries": "100"}),
    Learner("als_implicit", {"users": "2e4", "items": "8e3", "interactions": "1e6"}, _TINY_GRAPH),
)


def workload(name: str) -> Workload:
    """The graph program of that name."""
    return next(one for one in (*WORKLOADS, *SMALL_OBJECTS, *IGRAPH_SEARCHES) if one.name == name)


def learner(name: str) -> Learner:
    """The program of that name that makes its own input."""
    return next(one for one in (*GNN, *VECTORS) if one.name == name)
