"""Reads a user's own interactions: an edge list of users, items and times, as CSV or Parquet, with ids of any kind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from tierprof.workloads.graph import WorkloadError
from tierprof.workloads.interactions import Interactions
from tierprof.workloads.memory import require_bytes

#: What the columns are called if nobody says otherwise.
COLUMNS = ("user", "item", "time")

_PARQUET_MAGIC = b"PAR1"
_PROBE_BYTES = 1 << 20

# A row on its way: three columns as read, their numbers, and the table of ids while they are numbered.
_ROW_BYTES = 96
_MEND = "mend the file"


def _refusal(path: Path, why: str, mend: str = _MEND) -> WorkloadError:
    return WorkloadError(f"edge list {path} cannot be used", why, mend)


def _rows_expected(path: Path, parquet: bool) -> float:
    """Rows of the file: Parquet says so, of a CSV file they are estimated by the length of its first lines."""
    if parquet:
        return pyarrow.parquet.read_metadata(path).num_rows
    with path.open("rb") as stream:
        head = stream.read(_PROBE_BYTES)
    return head.count(b"\n") / max(len(head), 1) * path.stat().st_size


def _names_of(path: Path, parquet: bool) -> tuple[list[str], str]:
    """The columns of the file, and what separates them in a CSV file."""
    if parquet:
        return pyarrow.parquet.read_schema(path).names, ","
    with path.open("rb") as stream:
        head = stream.readline(_PROBE_BYTES).decode("utf-8-sig").rstrip("\r\n")
    separator = "\t" if "\t" in head else ","
    return [name.strip('"') for name in head.split(separator)] if head else [], separator


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    """The three columns, as they are."""
    with path.open("rb") as stream:
        parquet = stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    names, separator = _names_of(path, parquet)
    missing = [name for name in columns if name not in names]
    if missing:
        found = f"it has {', '.join(names)}" if names else "it is empty"
        raise _refusal(path, f"it has no column {missing[0]}; {found}", "name three with --columns USER,ITEM,TIME")
    require_bytes(f"edge list {path}", _rows_expected(path, parquet) * _ROW_BYTES, "give a shorter one")
    if parquet:
        return pyarrow.parquet.read_table(path, columns=list(columns))
    convert = pyarrow.csv.ConvertOptions(include_columns=list(columns), strings_can_be_null=True)
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=separator), convert_options=convert)


def _row_of(bad: np.ndarray) -> int:
    """The first bad row, counted from 1 without the head."""
    return int(np.flatnonzero(bad)[0]) + 1


def _numbers_of(path: Path, name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, int]:
    """Ids as numbers in the order of their first appearance, int32, and how many there are."""
    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_text(kind)):
        raise _refusal(path, f"column {name} holds {kind}, and an id is a whole number or a text")
    values = column.to_numpy()
    missing = pd.isna(values)
    if missing.any():
        raise _refusal(path, f"row {_row_of(missing)} has no {name}")
    if not _is_text(kind):
        outside = (values != np.floor(values)) | (values < 0) | (values > np.iinfo(np.int64).max)
        if outside.any():
            bad = values[outside][0]
            raise _refusal(path, f"{name} {bad} of row {_row_of(outside)} is out of range: an id is a whole number from 0 to 2**63 - 1")
    numbers, ids = pd.factorize(values)
    if len(ids) > np.iinfo(np.int32).max:
        raise _refusal(path, f"column {name} has {len(ids)} ids, and they are numbers of 31 bits here", "give a shorter one")
    return numbers.astype(np.int32), len(ids)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _times_of(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Times as numbers whose order is theirs: int64 or float64."""
    if column.null_count:
        raise _refusal(path, f"row {_row_of(column.is_null().to_numpy())} has no {name}")
    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return _integers(column)
    if pa.types.is_integer(kind):
        return column.to_numpy().astype(np.int64)
    if pa.types.is_floating(kind):
        values = column.to_numpy().astype(np.float64)
        bad = ~np.isfinite(values)
        if bad.any():
            raise _refusal(path, f"{name} {values[bad][0]} of row {_row_of(bad)} is no time")
        return values
    if not _is_text(kind):
        raise _refusal(path, f"column {name} holds {kind}, and a time is a number or a date")
    return _times_of_texts(path, name, column.cast(pa.string()).to_pandas())


def _times_of_texts(path: Path, name: str, texts: pd.Series) -> np.ndarray:
    """Times that were written as dates, int64 in nanoseconds; a column of numbers is one of texts only because of a row that is neither."""
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    bad = dates.isna().to_numpy()
    if bad.any():
        no_number = pd.to_numeric(texts, errors="coerce").isna().to_numpy()
        bad = no_number if no_number.sum() < bad.sum() and no_number.any() else bad
        mend = "write numbers, or dates like 2024-05-01 12:00:00"
        raise _refusal(path, f"{name} {texts[bad].iloc[0]!r} of row {_row_of(bad)} is no time", mend)
    return dates.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def _integers(column: pa.ChunkedArray) -> np.ndarray:
    """Dates and times of day as the integers that they are stored as."""
    width = column.type.bit_width
    return pc.cast(column.cast(pa.int32()) if width == 32 else column, pa.int64()).to_numpy()


def read(path: Path, columns: Sequence[str] = COLUMNS) -> Interactions:
    """Read an edge list.

    Parameters
    ----------
    path
        A CSV file with a head, separated by commas or tabs, or a Parquet file; told apart by their first bytes.
    columns
        What its columns of users, items and times are called. Ids are whole numbers or texts, times are numbers or ISO 8601 dates.

    Returns
    -------
    Interactions
        In the order of their times, those of the same time in the file's order. Ids are numbered in the file's order.

    Raises
    ------
    WorkloadError
        If the file is missing, is neither, lacks a column, has no rows, does not fit into memory, or a row lacks an id or a time.
    """
    try:
        table = _read(path, columns)
    except OSError as error:
        raise _refusal(path, error.strerror or " ".join(str(error).split()), "give a CSV or Parquet file") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _refusal(path, " ".join(str(error).split()), "give a CSV or Parquet file") from error
    if not len(table):
        raise _refusal(path, "it has no rows, so the graph is empty")
    user_name, item_name, time_name = columns
    user, users = _numbers_of(path, user_name, table[user_name])
    item, items = _numbers_of(path, item_name, table[item_name])
    time = _times_of(path, time_name, table[time_name])
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        user, item, time = user[order], item[order], time[order]
    return Interactions(user, item, time, users, items)
