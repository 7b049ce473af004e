"""Embedding tables for torch whose rows lie in two tiers, the hot ones in the fast one. Results are torch's own, to the last bit.

torch is imported when the first of these names is used, and not before.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tierprof.base.errors import TierError

if TYPE_CHECKING:
    from tierprof.placer.embedding.bag import TieredEmbeddingBag
    from tierprof.placer.embedding.embedding import TieredEmbedding
    from tierprof.placer.embedding.lookahead import LookAhead, LookAheadReport
    from tierprof.placer.embedding.optimizer import attach_optimizer
    from tierprof.placer.embedding.policies import compare_policies
    from tierprof.placer.embedding.rerank import RerankReport

__all__ = [
    "LookAhead",
    "LookAheadReport",
    "RerankReport",
    "TieredEmbedding",
    "TieredEmbeddingBag",
    "attach_optimizer",
    "compare_policies",
]

_HOMES = {
    "LookAhead": "lookahead",
    "LookAheadReport": "lookahead",
    "RerankReport": "rerank",
    "TieredEmbedding": "embedding",
    "TieredEmbeddingBag": "bag",
    "attach_optimizer": "optimizer",
    "compare_policies": "policies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise TierError(f"tierprof.placer.embedding.{name}", "torch is not installed", "pip install tierprof[torch]") from error
    return getattr(home, name)
