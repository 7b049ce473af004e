"""Alternating least squares on implicit: factors of users and items, each solved for in turn while the others stand still.

Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (2008); solved by conjugate gradients (Takács et al. 2011).
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tierprof.workloads.program import Phases, checksum, fraction, parser_of, positive, run
from tierprof.workloads.ranking import evaluate
from tierprof.workloads.recommender import Data, add_data_arguments, load


def _fitted(args: argparse.Namespace, phases: Phases, data: Data) -> tuple[Any, list[float]]:
    """The model that has learnt, and its loss after each epoch."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    losses: list[float] = []

    def told(iteration: int, _seconds: float, loss: float) -> None:
        losses.append(loss)
        phases.tell(f"epoch {iteration + 1} of {args.epochs}, loss {loss:.4f}")

    with phases.phase("build"):
        ones = np.ones(len(data.train.user), dtype=np.float32)
        taken = csr_matrix((ones, data.train.item.astype(np.int32), data.train.start), shape=(data.users, data.items))
        model = AlternatingLeastSquares(
            factors=args.dim,
            regularization=args.decay,
            iterations=args.epochs,
            random_state=args.seed % (1 << 32),
            num_threads=args.threads,
            calculate_training_loss=True,
        )
    with phases.phase("compute"):
        model.fit(taken, show_progress=False, callback=told)
    return model, losses


def factorise(args: argparse.Namespace, phases: Phases) -> dict[str, object]:
    """Learn, test, and say how it went."""

    def needed_bytes(users: int, items: int, pairs: int) -> float:
        # Factors in 32 bits; the matrix and its transpose with what makes them.
        return (users + items) * args.dim * 4 * 2 + pairs * 64

    with phases.phase("import"):
        import implicit.cpu.als  # noqa: F401
        from threadpoolctl import threadpool_limits
    data: Data = load(args, phases, needed_bytes)
    # implicit has threads of its own; the BLAS that it calls from each must not start more.
    with threadpool_limits(1, "blas"):
        model, losses = _fitted(args, phases, data)
    with threadpool_limits(args.threads, "blas"), phases.phase("evaluate"):
        metric = evaluate(data, lambda users: model.user_factors[users] @ model.item_factors.T, args.eval_users)
    return {"loss": losses, "metric": metric, "checksum": checksum(np.concatenate((model.user_factors, model.item_factors)))}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = parser_of("als_implicit", __doc__)
    add_data_arguments(parser)
    add = parser.add_argument
    add("--dim", type=positive, default=64, metavar="N", help="width of a factor (default 64)")
    add("--epochs", type=positive, default=5, metavar="N", help="times that users and items are solved for (default 5)")
    add("--decay", type=fraction, default=0.01, metavar="X", help="weight of the L2 term (default 0.01)")
    add("--eval-users", type=positive, default=2000, metavar="N", help="users on which the metric is taken, at most (default 2000)")
    return run("als_implicit", parser, factorise, "vectors", argv)


if __name__ == "__main__":
    sys.exit(main())
