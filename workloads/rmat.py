"""Makes an R-MAT graph (Chakrabarti, Zhan, Faloutsos 2004; Graph500's parameters) and writes it once into a file."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tierprof.base.errors import TierprofError
from tierprof.workloads.graph import FORMAT, Graph, WorkloadError

# Graph500's quadrant probabilities a, b, c (d is the rest), as thresholds of a 16-bit draw.
_A, _B, _C = 0.57, 0.19, 0.19
_THRESHOLDS = np.rint(np.cumsum([_A, _B, _C]) * 65536).astype(np.uint32)

# Edges drawn at a time: the working set stays in the cache. Part of the format: it decides which draw makes which edge.
_CHUNK_EDGES = 1 << 16
MAX_SCALE = 28
MAX_WEIGHT = 255


def _draw_edges(rng: np.random.Generator, scale: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of `count` edges: one bit of each a level, chosen by the quadrant that the draw falls in."""
    rows = np.zeros(count, dtype=np.int64)
    columns = np.zeros(count, dtype=np.int64)
    for _ in range(scale):
        draw = rng.integers(0, 65536, size=count, dtype=np.uint16)
        lower = draw >= _THRESHOLDS[1]
        right = (draw >= _THRESHOLDS[0]) ^ lower | (draw >= _THRESHOLDS[2])
        rows = rows << 1 | lower
        columns = columns << 1 | right
    return rows, columns


def _chunks(scale: int, edge_factor: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    edges = edge_factor << scale
    starts = range(0, edges, _CHUNK_EDGES)
    for sequence, start in zip(np.random.SeedSequence(seed).spawn(len(starts)), starts, strict=True):
        yield _draw_edges(np.random.Generator(np.random.PCG64(sequence)), scale, min(_CHUNK_EDGES, edges - start))


def _symmetric_weights(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A weight of 1 to 255 for each edge, the same in both directions: a multiplicative hash of the pair of ends."""
    low = np.minimum(rows, columns).astype(np.uint64)
    high = np.maximum(rows, columns).astype(np.uint64)
    mixed = (low * np.uint64(0x9E3779B97F4A7C15)) ^ (high * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(40)) % np.uint64(MAX_WEIGHT) + np.uint64(1)).astype(np.uint8)


def generate(scale: int, edge_factor: int = 8, seed: int = 1, advance: Callable[[int], None] = lambda edges: None) -> Graph:
    """An undirected R-MAT graph without loops and double edges, its vertices shuffled.

    Parameters
    ----------
    scale
        The graph has 2**scale vertices.
    edge_factor
        Undirected edges drawn per vertex; after doubles are gone some 5 % fewer remain.
    seed
        Decides every bit of the graph.
    advance
        Called with the number of edges that have just been drawn.

    Raises
    ------
    WorkloadError
        If a parameter is out of range.
    """
    if not 1 <= scale <= MAX_SCALE:
        raise WorkloadError(f"scale {scale}", f"a graph has 2 to 2**{MAX_SCALE} vertices", f"give a scale from 1 to {MAX_SCALE}")
    if not 1 <= edge_factor <= 256:
        raise WorkloadError(f"edge factor {edge_factor}", "it is the number of edges per vertex", "give one from 1 to 256")
    if seed < 0:
        raise WorkloadError(f"seed {seed}", "numpy takes seeds from 0 up", "give another")
    vertices = 1 << scale
    labels = np.random.Generator(np.random.PCG64(seed)).permutation(vertices)
    keys = np.empty(2 * (edge_factor << scale), dtype=np.int64)
    filled = 0
    for drawn_rows, drawn_columns in _chunks(scale, edge_factor, seed):
        loopless = drawn_rows != drawn_columns
        rows, columns = labels[drawn_rows[loopless]], labels[drawn_columns[loopless]]
        for one, other in ((rows, columns), (columns, rows)):
            keys[filled : filled + len(one)] = one << scale | other
            filled += len(one)
        advance(len(loopless))
    keys = keys[:filled]
    keys.sort()
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    rows, columns = keys >> scale, keys & (vertices - 1)
    indptr = np.zeros(vertices + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=vertices), out=indptr[1:])
    return Graph(indptr, columns.astype(np.int32), _symmetric_weights(rows, columns))


def write(graph: Graph, path: Path, origin: dict[str, int]) -> None:
    """Write the graph so that a reader sees all of it or nothing: under another name first, then renamed.

    Raises
    ------
    WorkloadError
        If the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    header = np.frombuffer(json.dumps({"format": FORMAT, **origin}).encode(), dtype=np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, header=header, indptr=graph.indptr, indices=graph.indices, weights=graph.weights)
        temporary.replace(path)
    except OSError as error:
        raise WorkloadError(f"graph {path} cannot be written", error.strerror or str(error), "choose another place with -o") from error
    finally:
        temporary.unlink(missing_ok=True)


def _generate_with_progress(args: argparse.Namespace) -> Graph:
    if not sys.stderr.isatty():
        return generate(args.scale, args.edge_factor, args.seed)
    from tierprof.console import progress

    with progress() as bar:
        task = bar.add_task(f"R-MAT graph of scale {args.scale}", total=max(args.edge_factor, 0) << min(max(args.scale, 0), MAX_SCALE))
        return generate(args.scale, args.edge_factor, args.seed, lambda edges: bar.advance(task, edges))


def main(argv: list[str] | None = None) -> int:
    """Generate a graph from the command line; returns 0, or 1 after an error, which is told in one line."""
    parser = argparse.ArgumentParser(prog="python -m tierprof.workloads.rmat", description=__doc__)
    parser.add_argument("--scale", type=int, required=True, metavar="N", help="2**N vertices")
    parser.add_argument("--edge-factor", type=int, default=8, metavar="N", help="undirected edges per vertex (default 8)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides every bit of the graph (default 1)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where the graph goes, as .npz")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    try:
        graph = _generate_with_progress(args)
        write(graph, args.output, {"scale": args.scale, "edge_factor": args.edge_factor, "seed": args.seed})
    except TierprofError as error:
        print(f"rmat: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"rmat: {WorkloadError(f'scale {args.scale}', 'out of memory', 'give a lower one')}", file=sys.stderr)
        return 1
    size = {"vertices": graph.vertices, "edges": len(graph.indices), "file_bytes": args.output.stat().st_size}
    print(json.dumps({"program": "rmat", "graph": str(args.output), **size, "seconds": round(time.perf_counter() - start, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
