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


def workload(name: str) -> Workload:
    """The workload of that name."""
    return next(one for one in (*WORKLOADS, *SMALL_OBJECTS) if one.name == name)
