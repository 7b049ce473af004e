"""What torch's kernels do to their operands, by the name of the function that a sample fell in.

Names are those of PyTorch's sources (aten/src/ATen/native: IndexKernel.cpp, TensorAdvancedIndexing.cpp, Embedding.cpp, EmbeddingBag.cpp,
cpu/Loops.h, cpu/ReduceOpsKernel.cpp) and of the MKL that its wheels hold. A kernel has several operands. Of an index kernel the table is
read, or written, by index, and the index itself in order: an operand of which only multiples of 8 bytes are read, and not only of 16, is
taken for an index of 64-bit numbers, and nothing is said of it. A kernel that writes by index reads the same rows, if it adds to them.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.placer.guide.loops import JUMPS, SWEEPS, UNCLEAR
from tierprof.profiler.modules import Images
from tierprof.profiler.symbols import Symboliser
from tierprof.profiler.trace import Trace

_VECTOR_BYTES = 16
#: What is left of the places of an operand, by 16 B, that is not read by rows: 64-bit indices, or the numbers of a sparse matrix.
_NO_ROWS = {"index": (8,), "sparse product": range(1, 16)}
_ALSO_RESULT = 0.25  # of an operand's samples write: then those that read may be of a result that is added to


class Kernel(NamedTuple):
    """A family of kernels."""

    name: str
    function: re.Pattern[str]
    loads: str  # what becomes of its operands that are loaded from, and of those that are stored to
    stores: str


#: The first that matches is meant.
_FAMILIES = (
    ("index_put", r"index_put|index_add|index_copy|scatter|embedding_dense_backward|embedding_bag_\w*backward", UNCLEAR, JUMPS),
    ("index", r"index_kernel|index_select|gather|take_|[Ee]mbedding_?bag|EmbeddingSpMDM", JUMPS, SWEEPS),
    ("sparse product", r"mkl_sparse_[sd]_csr_\w*_n_mm|spmm|csr_matmult", JUMPS, SWEEPS),
    ("dense product", r"[sd]gemm|mkl_blas", SWEEPS, SWEEPS),
    ("elementwise", r"VectorizedLoop2d|cpu_kernel|copy_kernel|fill_kernel|vectorized_(inner|outer)|_reduction", SWEEPS, SWEEPS),
)
KERNELS = tuple(Kernel(name, re.compile(function), loads, stores) for name, function, loads, stores in _FAMILIES)
_BY_NAME = {kernel.name: kernel for kernel in KERNELS}


def kernel_of(function: str) -> str:
    """Name of the family that a function is of; empty if none is known."""
    return next((kernel.name for kernel in KERNELS if kernel.function.search(function)), "")


def with_kernels(trace: Trace, samples: pd.DataFrame) -> pd.DataFrame:
    """The samples with their kernel's name in a column `kernel`, empty where it is not known.

    Functions are read from the program's files, where these are still the ones that ran.
    """
    modules = trace.frame("modules", ["module", "path", "build_id"]).drop_duplicates("module").set_index("module")
    images = Images()
    same = {path for path, build in zip(modules["path"], modules["build_id"], strict=True) if path and _is_build(images, path, build)}
    code = samples[["module", "offset"]].drop_duplicates()
    path = modules["path"].reindex(code["module"]).astype(object).fillna("")
    places = list(zip(path, code["offset"].astype(np.int64), strict=True))
    symbols = Symboliser(images, line_budget_s=0).symbols(place for place in places if place[0] in same)
    names = [kernel_of(symbols[place].function) if place in symbols else "" for place in places]
    return samples.merge(code.assign(kernel=names), on=["module", "offset"], how="left")


def _is_build(images: Images, path: str, build_id: str) -> bool:
    image = images.get(path)
    return image is not None and bool(build_id) and image.build_id.hex() == build_id


def judge_operands(samples: pd.DataFrame) -> NDArray[np.object_]:
    """What each sample's kernel does to the object that it fell on.

    Parameters
    ----------
    samples
        `site`, `kernel`, `write` (bool), and `place`, the offset in the allocation; below zero where the address is not exact.

    Returns
    -------
    ndarray
        (n,) `SWEEPS`, `JUMPS` or `UNCLEAR`.
    """
    known = samples[samples["kernel"] != ""]
    groups = known.groupby(["site", "kernel"])
    writes = groups["write"].mean()
    read = known[~known["write"] & (known["place"] >= 0)].groupby(["site", "kernel"])["place"].agg(_step)
    verdicts = {key: _operand(_BY_NAME[key[1]], float(share), int(read.get(key, 0))) for key, share in writes.items()}
    return _of_samples(samples, verdicts)


def _of_samples(samples: pd.DataFrame, verdicts: Mapping[object, tuple[str, str]]) -> NDArray[np.object_]:
    columns = zip(samples["site"], samples["kernel"], samples["write"], strict=True)
    return np.array([verdicts.get((site, kernel), (UNCLEAR, UNCLEAR))[int(write)] for site, kernel, write in columns], dtype=object)


def _step(places: pd.Series) -> int:
    """The largest number of bytes that all places are multiples of."""
    return int(np.gcd.reduce(places.to_numpy(np.int64)))


def _operand(kernel: Kernel, writes: float, step: int) -> tuple[str, str]:
    """What becomes of an operand by loads and by stores.

    Parameters
    ----------
    kernel
        Whose operand.
    writes
        Share of the samples on it that write.
    step
        What all places loaded are multiples of, 0 for not known.
    """
    loads = kernel.loads
    if kernel.name == "index_put" and writes > 0:
        loads = JUMPS
    elif loads == JUMPS and (writes > _ALSO_RESULT or step % _VECTOR_BYTES in _NO_ROWS[kernel.name]):
        loads = UNCLEAR
    return loads, kernel.stores
