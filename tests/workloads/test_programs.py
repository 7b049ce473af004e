"""The workloads compute what they say, the same in every run, and tell bad input in one line."""

import importlib
import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from tierprof.workloads import rmat
from tierprof.workloads.catalog import IGRAPH_SEARCHES, WORKLOADS
from tierprof.workloads.graph import Graph, WorkloadError, load
from tierprof.workloads.program import Phases, checksum

SCALE = 9


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "g.npz"
    rmat.write(rmat.generate(SCALE), path, {"scale": SCALE})
    return path


@pytest.fixture(scope="module")
def graph(path: Path) -> Graph:
    return load(path, weights=True)


def matrix(graph: Graph, values: np.ndarray | None = None) -> csr_array:
    data = np.ones(len(graph.indices)) if values is None else values.astype(float)
    return csr_array((data, graph.indices, graph.indptr), shape=(graph.vertices, graph.vertices), copy=True)


def run_kernel(module: str, function: str, path: Path, **counts: int) -> np.ndarray:
    pytest.importorskip({"graphblas": "graphblas", "igraph": "igraph", "scipy": "scipy"}[module.rsplit("_", 1)[1]])
    kernel = getattr(importlib.import_module(f"tierprof.workloads.{module}"), function)
    return kernel(Namespace(graph=path, threads=1, **counts), Phases(module))


def test_pagerank_graphblas_matches_dense_iteration(graph: Graph, path: Path) -> None:
    rank = run_kernel("pagerank_graphblas", "pagerank", path, iterations=15)
    transition = matrix(graph).multiply(1 / np.maximum(graph.degrees, 1)[None, :])
    expected = np.full(graph.vertices, 1 / graph.vertices)
    for _ in range(15):
        expected = 0.15 / graph.vertices + 0.85 * (transition @ expected)
    np.testing.assert_allclose(rank, expected, rtol=1e-12)


def test_bfs_graphblas_matches_scipy(graph: Graph, path: Path) -> None:
    levels = run_kernel("bfs_graphblas", "breadth_first", path, sources=3)
    expected = dijkstra(matrix(graph), unweighted=True, indices=graph.sources(3)) + 1
    np.testing.assert_array_equal(levels, np.where(np.isfinite(expected), expected, 0))


def test_sssp_graphblas_matches_scipy(graph: Graph, path: Path) -> None:
    distances = run_kernel("sssp_graphblas", "shortest_paths", path, sources=3)
    np.testing.assert_array_equal(distances, dijkstra(matrix(graph, graph.weights), indices=graph.sources(3)))


def test_components_scipy_matches_filtered_graph(graph: Graph, path: Path) -> None:
    found = run_kernel("components_scipy", "components", path, thresholds=3)
    for labels, limit in zip(found, (255, 170, 85), strict=True):
        kept = matrix(graph, np.where(graph.weights <= limit, graph.weights, 0))
        kept.eliminate_zeros()
        np.testing.assert_array_equal(labels, connected_components(kept, directed=False)[1])


def test_pagerank_igraph_solves_the_equation(graph: Graph, path: Path) -> None:
    first = run_kernel("pagerank_igraph", "pagerank", path, solutions=2)[0]
    connected = graph.degrees > 0
    spread = matrix(graph) @ (first / np.maximum(graph.degrees, 1)) + first[~connected].sum() / graph.vertices
    np.testing.assert_allclose(first, 0.15 / graph.vertices + 0.85 * spread, rtol=1e-6)


def test_bfs_igraph_matches_scipy(graph: Graph, path: Path) -> None:
    levels = run_kernel("bfs_igraph", "breadth_first", path, sources=3)
    expected = dijkstra(matrix(graph), unweighted=True, indices=graph.sources(3)) + 1
    np.testing.assert_array_equal(levels, np.where(np.isfinite(expected), expected, 0))


def test_sssp_igraph_matches_scipy(graph: Graph, path: Path) -> None:
    distances = run_kernel("sssp_igraph", "shortest_paths", path, sources=3)
    np.testing.assert_array_equal(distances, dijkstra(matrix(graph, graph.weights), indices=graph.sources(3)))


def test_coreness_igraph_matches_peeling(graph: Graph, path: Path) -> None:
    cores = run_kernel("coreness_igraph", "coreness", path, rounds=1)[0]
    # THEN inside the k-core every vertex has at least k neighbours, and it is the largest such set
    adjacency = matrix(graph)
    for core in np.unique(cores):
        inside = np.ones(graph.vertices, dtype=bool)
        while (inside & (adjacency @ inside < core)).any():
            inside &= adjacency @ inside >= core
        np.testing.assert_array_equal(inside, cores >= core)


@pytest.mark.parametrize("workload", (*WORKLOADS, *IGRAPH_SEARCHES), ids=lambda workload: workload.name)
def test_runs_alone_and_repeats_exactly(workload: object, path: Path, tmp_path: Path) -> None:
    # GIVEN each workload as a user calls it, small
    command = workload.command(path, sys.executable, {workload.option: 2})  # type: ignore[attr-defined]
    # WHEN it runs twice, the second time with two threads
    runs = [subprocess.run([*command, "--threads", n], capture_output=True, text=True, cwd=tmp_path, check=False) for n in ("1", "2")]
    # THEN it prints one line, the same result both times, and no progress into a pipe
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    results = [json.loads(run.stdout) for run in runs]
    assert results[0]["checksum"] == results[1]["checksum"]
    assert results[0]["program"] == workload.name  # type: ignore[attr-defined]
    assert {"import", "load", "build", "compute"} <= set(results[0]["seconds"])
    assert [run.stderr for run in runs] == ["", ""]


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "No such file"), (b"", "no graph file"), (b"PK\x03\x04 cut", "no graph file"), (b"text", "no graph file")],
    ids=["missing", "empty", "cut", "text"],
)
def test_bad_graph_file(content: bytes | None, word: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WorkloadError, match=word) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_graph_cut_short(path: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.npz"
    short.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WorkloadError, match="cut short"):
        load(short)


def test_foreign_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, indptr=np.arange(3))
    with pytest.raises(WorkloadError, match="no graph file"):
        load(path)


def test_graph_that_does_not_fit_together(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "torn.npz"
    rmat.write(Graph(graph.indptr, graph.indices[:-1], graph.weights), path, {})
    with pytest.raises(WorkloadError, match="do not fit together"):
        load(path)


@pytest.mark.parametrize("arguments", [["--graph", "nowhere.npz"], ["--graph", "nowhere.npz", "--threads", "0"]])
def test_bad_command_line_is_one_error(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tierprof.workloads.components_scipy", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ, check=False)
    assert run.returncode != 0
    assert run.stdout == ""
    assert "nowhere.npz cannot be read: No such file" in run.stderr or "0 is not a number from 1 up" in run.stderr
    assert "Traceback" not in run.stderr


def test_searches_need_an_edge() -> None:
    lonely = Graph(np.zeros(5, dtype=np.int64), np.empty(0, np.int32), np.empty(0, np.uint8))
    with pytest.raises(WorkloadError, match="no edges"):
        lonely.sources(1)


def test_checksum_sees_a_change_but_not_the_order_of_addition() -> None:
    values = np.array([0.25, 1.0, np.inf, 0.5])
    assert checksum(values) == checksum(values * (1 + 1e-15))
    assert checksum(values) != checksum(values[::-1])
    assert checksum(np.array([1, 2])) != checksum(np.array([1, 3]))
