"""Where each sample's time went: an object, the stack, static data, waiting in a runtime, computing, or unknown."""

import numpy as np
import pandas as pd

from tierprof.profiler.allocations import layers
from tierprof.profiler.moves import find_rows
from tierprof.profiler.recover.derive import HINT_RUNTIME, HINT_STACK, HINT_STATIC
from tierprof.profiler.recover.instruction import ACCESS_NONE

WHERE = ("object", "stack", "static", "runtime", "compute", "unknown")

# How far from the stack pointer an address still is on the stack: the red zone and probes below it, the usual limit above.
_STACK_BELOW_BYTES = 64 << 10
_STACK_ABOVE_BYTES = 8 << 20


def find_allocations(allocations: pd.DataFrame, pids: np.ndarray, addresses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Row of the allocation that each sample's address was in at that time, -1: none.

    What malloc handed out comes before what mmap did: a program's own allocator takes its memory from mmap. Slabs come before both.

    Parameters
    ----------
    allocations
        Columns pid, address, size_bytes, birth_ns, death_ns, kind (a number into `KINDS`); any index.
    pids, addresses, times
        Of each sample; address 0: none.
    """
    found = np.full(len(pids), -1, np.int64)
    owner, innermost = allocations["pid"].to_numpy(), layers(allocations)
    for pid in np.unique(pids):
        asking = np.flatnonzero((pids == pid) & (addresses != 0))
        found[asking] = find_rows(allocations, addresses[asking], times[asking], [layer & (owner == pid) for layer in innermost])
    return found


def on_stack(addresses: np.ndarray, stack_pointers: np.ndarray) -> np.ndarray:
    """Whether addresses lie near the stack pointers sampled with them; never where none was (0)."""
    above = addresses.astype(np.int64) - stack_pointers.astype(np.int64)
    return (stack_pointers != 0) & (addresses != 0) & (above >= -_STACK_BELOW_BYTES) & (above < _STACK_ABOVE_BYTES)


def classify(
    *, allocation: np.ndarray, hint: np.ndarray, access: np.ndarray, known: np.ndarray, near_stack: np.ndarray, in_static: np.ndarray
) -> np.ndarray:
    """The class of each sample, as a number into `WHERE`.

    Parameters
    ----------
    allocation
        Row of the allocation that the address is in, -1: none.
    hint
        What the instruction alone tells; see `tierprof.base.schema.RECIPES`.
    access
        enum tp_access.
    known
        Whether the instruction was decoded, or the event gave the address itself.
    near_stack, in_static
        Of the address; see `on_stack` and `tierprof.profiler.modules.static_modules`.
    """
    conditions = [hint == HINT_RUNTIME, hint == HINT_STACK, allocation >= 0, (hint == HINT_STATIC) | in_static, near_stack]
    classes = ["runtime", "stack", "object", "static", "stack"]
    conditions.append(known & (access == ACCESS_NONE))
    classes.append("compute")
    return np.select(conditions, [WHERE.index(name) for name in classes], WHERE.index("unknown"))


def shares(where: pd.Series, weight_s: pd.Series) -> dict[str, float]:
    """Share of the sampled time in each class; zeros without samples.

    Parameters
    ----------
    where
        Names out of `WHERE`, of samples of time.
    weight_s
        Seconds that each stands for.
    """
    total = float(weight_s.sum())
    sums = weight_s.groupby(where.astype(str)).sum()
    return {name: float(sums.get(name, 0.0) / total) if total > 0 else 0.0 for name in WHERE}
