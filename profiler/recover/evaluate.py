"""Recipes applied to samples: base + (index << shift) + displacement for all of them at once."""

import numpy as np
import pandas as pd

from tierprof.profiler.recover import registers as reg

# Where perf's register number stands in a sample's register array; numbers that are not sampled point at a column of zeros.
_ZERO_COLUMN = len(reg.SAMPLED)
_MODULE_COLUMN = _ZERO_COLUMN + 1
_COLUMN = np.full(256, _ZERO_COLUMN, np.int64)
_COLUMN[list(reg.SAMPLED)] = np.arange(len(reg.SAMPLED))
_COLUMN[reg.MODULE & 255] = _MODULE_COLUMN


def evaluate(recipes: pd.DataFrame, rows: np.ndarray, registers: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Data addresses of samples.

    Parameters
    ----------
    recipes
        Table with the columns of `tierprof.base.schema.RECIPES`.
    rows
        Row of `recipes` for each sample, -1: none. Shape (n,).
    registers
        The sampled registers, perf's order (ax bx cx dx si di bp sp ip flags r8..r15). Shape (n, 18), uint64.
    biases
        Bias of the module of each sample. Shape (n,), uint64.

    Returns
    -------
    ndarray of uint64, shape (n,)
        0 where the recipe gives no address.
    """
    count = len(rows)
    if count == 0 or len(recipes) == 0:
        return np.zeros(count, np.uint64)
    wide = np.zeros((count, _MODULE_COLUMN + 1), np.uint64)
    wide[:, :_ZERO_COLUMN] = registers
    wide[:, _MODULE_COLUMN] = biases
    base = recipes["base"].to_numpy()[rows]
    index = recipes["index"].to_numpy()[rows]
    every = np.arange(count)
    address = wide[every, _COLUMN[base.astype(np.uint8)]]
    address += wide[every, _COLUMN[index.astype(np.uint8)]] << recipes["shift"].to_numpy()[rows].astype(np.uint64)
    address += recipes["displacement"].to_numpy()[rows].astype(np.uint64)
    known = (rows >= 0) & ((base != reg.NONE) | (index != reg.NONE))
    return np.where(known, address, np.uint64(0))


def match(recipes: pd.DataFrame, paths: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Row of the recipe for each sampled instruction, -1 where there is none.

    Parameters
    ----------
    recipes
        Table with ``path`` and ``offset``.
    paths
        Path of the module of each sample.
    offsets
        Instruction pointer minus bias of each sample, uint64.
    """
    wanted = pd.DataFrame({"path": paths, "offset": offsets})
    known = recipes[["path", "offset"]].assign(row=np.arange(len(recipes)))
    return wanted.merge(known, on=["path", "offset"], how="left")["row"].fillna(-1).to_numpy(np.int64)
