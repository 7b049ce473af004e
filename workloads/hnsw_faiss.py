"""Vector search on faiss: builds an HNSW index over clustered vectors, searches it, and checks against exact search.

Malkov and Yashunin (arXiv 1603.09320) describe the index: a graph in layers, each vector linked to some near ones, searched greedily.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from tierprof.workloads.memory import require_bytes
from tierprof.workloads.program import Phases, checksum, parser_of, positive, run, whole

NEIGHBOURS = 10
_CLUSTERS = 256
_CHUNK = 1 << 16


def vectors_of(count: int, dim: int, seed: tuple[int, ...], centres: np.ndarray) -> np.ndarray:
    """Vectors around centres, some of which are more popular than others: float32, count x dim."""
    rng = np.random.default_rng(seed)
    found = np.empty((count, dim), dtype=np.float32)
    for start in range(0, count, _CHUNK):
        part = found[start : start + _CHUNK]
        chosen = (len(centres) * rng.random(len(part)) ** 2).astype(np.int64)
        part[:] = centres[chosen] + rng.normal(scale=0.7, size=part.shape)
    return found


def search(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Build, search, and say how many of the nearest were found."""
    with phases.phase("import"):
        import faiss

        faiss.omp_set_num_threads(args.threads)
    # Vectors twice, the program's and the index's; links: two for each of M at the bottom layer, and what they grow through.
    needed_bytes = args.vectors * (2 * 4 * args.dim + 4 * 2 * args.links * 2) + args.queries * 4 * args.dim
    require_bytes(f"an index of {args.vectors} vectors", needed_bytes, "give fewer --vectors, or a lower --dim")
    with phases.phase("load"):
        centres = np.random.default_rng(args.seed).normal(size=(_CLUSTERS, args.dim))
        vectors = vectors_of(args.vectors, args.dim, (args.seed, 1), centres)
        queries = vectors_of(args.queries, args.dim, (args.seed, 2), centres)
    with phases.phase("build"):
        index = faiss.IndexHNSWFlat(args.dim, args.links)
        index.hnsw.efConstruction = args.build_effort
        for start in range(0, args.vectors, _CHUNK):
            phases.tell(f"{start} of {args.vectors} vectors")
            index.add(vectors[start : start + _CHUNK])
    index.hnsw.efSearch = args.search_effort
    with phases.phase("compute"):
        found = index.search(queries, NEIGHBOURS)[1]
    with phases.phase("evaluate"):
        exact = faiss.IndexFlatL2(args.dim)
        exact.add(vectors)
        checked = min(args.queries, args.eval_queries)
        truth = exact.search(queries[:checked], NEIGHBOURS)[1]
        hits = (found[:checked, :, None] == truth[:, None, :]).any(axis=2)
    return {"metric": {f"recall@{NEIGHBOURS}": float(hits.mean())}, "checksum": checksum(found)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("hnsw_faiss", __doc__)
    add = parser.add_argument
    add("--vectors", type=positive, default=50_000, metavar="N", help="vectors in the index (default 50000)")
    add("--dim", type=positive, default=64, metavar="N", help="width of a vector (default 64)")
    add("--queries", type=positive, default=10_000, metavar="N", help="searches (default 10000)")
    add("--links", type=positive, default=16, metavar="M", help="links of a vector (default 16)")
    add("--build-effort", type=positive, default=40, metavar="N", help="candidates while building (default 40)")
    add("--search-effort", type=positive, default=64, metavar="N", help="candidates while searching (default 64)")
    add("--eval-queries", type=positive, default=500, metavar="N", help="searches checked against exact ones, at most (default 500)")
    add("--seed", type=whole, default=1, metavar="N", help="decides the vectors (default 1)")
    return run("hnsw_faiss", parser, search, "vectors", argv)


if __name__ == "__main__":
    sys.exit(main())
