"""Where the pages of allocations were found, and what moved: the shim's records of it become rows that name the allocation."""

import numpy as np
import pandas as pd

from tierprof.profiler.moves import FLAG_BORN, find_rows

# enum tp_where and enum tp_record_flags of native/common/records.h
_FILE, _ABSENT, _UNKNOWN, _CACHED, _HUGE = 0x10000, 0x20000, 0x30000, 0x40000, 0x1000000
_FLAG_SAMPLED = 4

ABSENT, FILE, UNKNOWN = "absent", "file", "unknown"

_SPECIAL = {_FILE: FILE, _ABSENT: ABSENT, _UNKNOWN: UNKNOWN}

MOVE_COLUMNS = ["row", "time_ns", "address", "bytes", "tier", "wait_us"]
COLUMNS = ["row", "time_ns", "tier", "place", "huge", "bytes", "sampled"]


def _name(number: int) -> str:
    if number in _SPECIAL:
        return _SPECIAL[number]
    node = number & (_CACHED - 1)
    return f"{FILE} on node {node}" if number & _CACHED else f"node {node}"


def place_names(numbers: np.ndarray) -> np.ndarray:
    """What each `enum tp_where` is called, but for the size of its pages: `node 0`, `file`, `file on node 0`, `absent` or `unknown`."""
    distinct, inverse = np.unique(numbers.astype(np.int64) & (_HUGE - 1), return_inverse=True)
    names = np.array([_name(number) for number in distinct.tolist()], object)
    return names[inverse] if len(names) else np.empty(0, object)


def found_places(rows: pd.DataFrame, wheres: np.ndarray, layers: list[np.ndarray]) -> pd.DataFrame:
    """What was found of one process's allocations.

    Parameters
    ----------
    rows
        The allocations.
    wheres
        The process's records of type TP_WHERE. Those of an allocation's end carry the time of the end, which is no longer in its life.
    layers
        As of `tierprof.profiler.moves.find_rows`.

    Returns
    -------
    DataFrame
        `COLUMNS`; row is a row of `rows`, -1 if none was there.
    """
    times = wheres["time_ns"].astype(np.int64)
    numbers = wheres["aux"]
    return pd.DataFrame(
        {
            "row": find_rows(rows, wheres["address"].astype(np.uint64), times - 1, layers),
            "time_ns": times,
            "tier": wheres["tier"].astype(np.int64),
            "place": place_names(numbers),
            "huge": (numbers & _HUGE) != 0,
            "bytes": wheres["size"].astype(np.int64),
            "sampled": (wheres["flags"] & _FLAG_SAMPLED) != 0,
        },
        columns=COLUMNS,
    )


def made_moves(rows: pd.DataFrame, moves: np.ndarray, layers: list[np.ndarray]) -> pd.DataFrame:
    """What moved of one process's allocations: `MOVE_COLUMNS`; row is the part that begins with the move, -1 if none was there.

    What was born in a tier has not moved there.

    Parameters
    ----------
    rows
        The allocations, split by the moves.
    moves
        The process's records of type TP_MOVE.
    layers
        As of `tierprof.profiler.moves.find_rows`.
    """
    moves = moves[(moves["flags"] & FLAG_BORN) == 0]
    times = moves["time_ns"].astype(np.int64)
    return pd.DataFrame(
        {
            "row": find_rows(rows, moves["address"].astype(np.uint64), times, layers),
            "time_ns": times,
            "address": moves["address"].astype(np.uint64),
            "bytes": moves["size"].astype(np.int64),
            "tier": moves["tier"].astype(np.int64),
            "wait_us": moves["aux"].astype(np.int64),
        },
        columns=MOVE_COLUMNS,
    )
