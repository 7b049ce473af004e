"""The generator: what it draws is a simple symmetric graph, the same for the same seed, and a file appears whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from tierprof.workloads import rmat
from tierprof.workloads.graph import Graph, WorkloadError, load

SCALE = 10


@pytest.fixture(scope="module")
def graph() -> Graph:
    return rmat.generate(SCALE, edge_factor=8, seed=1)


def dense(graph: Graph, values: np.ndarray) -> np.ndarray:
    matrix = np.zeros((graph.vertices, graph.vertices), dtype=values.dtype)
    matrix[np.repeat(np.arange(graph.vertices), graph.degrees), graph.indices] = values
    return matrix


def test_graph_is_simple_and_symmetric(graph: Graph) -> None:
    weights = dense(graph, graph.weights)
    assert np.count_nonzero(weights) == len(graph.indices)  # no double edges, no weight 0
    assert not weights.diagonal().any()
    assert (weights == weights.T).all()


def test_rows_ascend_as_the_libraries_expect(graph: Graph) -> None:
    rows = np.repeat(np.arange(graph.vertices), graph.degrees)
    assert (np.diff(rows * graph.vertices + graph.indices) > 0).all()


def test_degrees_are_skewed_but_not_sorted(graph: Graph) -> None:
    """R-MAT has hubs; the shuffle keeps them from being the first vertices."""
    degrees = graph.degrees
    assert degrees.max() > 20 * np.median(degrees[degrees > 0])
    assert degrees[: graph.vertices // 16].sum() < 0.25 * degrees.sum()


def test_seed_decides_everything(graph: Graph) -> None:
    again = rmat.generate(SCALE, edge_factor=8, seed=1)
    other = rmat.generate(SCALE, edge_factor=8, seed=2)
    assert all((one == two).all() for one, two in zip(graph, again, strict=True))
    assert len(other.indices) != len(graph.indices) or (other.indices != graph.indices).any()


def test_quadrants_follow_the_probabilities() -> None:
    # GIVEN the first level of many draws
    rows, columns = rmat._draw_edges(np.random.default_rng(3), 1, 200_000)
    # THEN each quadrant has its share, to four standard deviations
    shares = np.bincount(2 * rows + columns, minlength=4) / len(rows)
    assert np.abs(shares - [0.57, 0.19, 0.19, 0.05]).max() < 0.0045


@pytest.mark.parametrize(("scale", "edge_factor", "seed"), [(-3, 8, 1), (0, 8, 1), (29, 8, 1), (5, 0, 1), (5, 8, -1)])
def test_parameters_out_of_range(scale: int, edge_factor: int, seed: int) -> None:
    with pytest.raises(WorkloadError):
        rmat.generate(scale, edge_factor, seed)


def test_file_gives_back_the_graph(graph: Graph, tmp_path: Path) -> None:
    # GIVEN a graph in a folder that is not there yet
    path = tmp_path / "graphs" / "g.npz"
    rmat.write(graph, path, {"scale": SCALE})
    # WHEN it is read with and without weights
    whole, bare = load(path, weights=True), load(path)
    # THEN it is the same, and nothing else is left in the folder
    assert all((one == two).all() and one.dtype == two.dtype for one, two in zip(graph, whole, strict=True))
    assert len(bare.weights) == 0
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_nothing(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(WorkloadError, match="No space left"):
        rmat.write(graph, tmp_path / "g.npz", {})
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_edge() -> None:
    steps: list[int] = []
    rmat.generate(14, edge_factor=8, seed=1, advance=steps.append)
    assert sum(steps) == 8 << 14
    assert len(steps) == 2


def test_command_line_writes_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "g.npz"
    assert rmat.main(["--scale", "6", "-o", str(path)]) == 0
    assert '"vertices": 64' in capsys.readouterr().out
    assert load(path).vertices == 64


def test_command_line_tells_a_bad_scale_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rmat.main(["--scale", "-3", "-o", str(tmp_path / "g.npz")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["rmat: scale -3: a graph has 2 to 2**28 vertices; give a scale from 1 to 28"]
