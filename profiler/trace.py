"""The trace folder: opened with its errors told in one line, read and written table by table. What the tables mean is base/schema.py's."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierprof.base.errors import TraceError
from tierprof.base.schema import FORMAT_VERSION, TABLES

META = "meta.json"
OBJECTS = "objects"
REQUIRED = ("sites", "allocations", "samples", "modules", OBJECTS)
_AGAIN = "record it again with `tierprof run`"


@dataclass
class Trace:
    """A trace on disk.

    Attributes
    ----------
    path : Path
        The folder.
    meta : dict
        What meta.json says about the run.
    """

    path: Path
    meta: dict[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> "Trace":
        """Open a trace and check that it is whole.

        Raises
        ------
        TraceError
            If there is no such folder, if it is no trace, one of another version, or one of its tables is missing or cut short.
        """
        folder = Path(path)
        if not folder.exists():
            raise TraceError(f"trace {folder} cannot be opened", "there is no such folder", "give the folder that `tierprof run -o` made")
        if not folder.is_dir():
            raise TraceError(f"trace {folder} cannot be opened", "a trace is a folder and this is a file", "give the folder")
        trace = cls(folder, _read_meta(folder))
        for name in REQUIRED:
            trace._check(name)
        for name in TABLES:
            if trace.has(name):
                trace._check(name)
        return trace

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.parquet"

    def _check(self, name: str) -> None:
        what = f"trace {self.path} cannot be read"
        if not self.has(name):
            raise TraceError(what, f"{name}.parquet is missing", _AGAIN)
        try:
            pq.read_metadata(self._file(name))
        except (pa.ArrowInvalid, OSError) as error:
            raise TraceError(what, f"{name}.parquet is cut short or damaged ({error})", _AGAIN) from error

    def has(self, name: str) -> bool:
        """Whether the trace holds the table."""
        return self._file(name).exists()

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table as Arrow, whole or some columns.

        Raises
        ------
        TraceError
            If the trace has no such table, or its data are damaged.
        """
        self._check(name)
        try:
            return pq.read_table(self._file(name), columns=list(columns) if columns else None)
        except (pa.ArrowInvalid, OSError) as error:
            raise TraceError(f"trace {self.path} cannot be read", f"{name}.parquet is damaged ({error})", _AGAIN) from error

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table as a pandas DataFrame."""
        return self.table(name, columns).to_pandas()

    def batches(self, name: str, columns: Sequence[str] | None = None, rows: int = 1 << 20) -> Iterator[pa.RecordBatch]:
        """A table in Arrow batches, for traces that do not fit in memory."""
        self._check(name)
        yield from pq.ParquetFile(self._file(name)).iter_batches(batch_size=rows, columns=list(columns) if columns else None)

    def objects(self) -> pd.DataFrame:
        """The features, one row a site; see `tierprof.profiler.features`."""
        return self.frame(OBJECTS)

    def write(self, name: str, table: pa.Table | pd.DataFrame) -> None:
        """Write a table, replacing an older one at once or not at all; cast to its schema where it has one."""
        arrow = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else table
        if name in TABLES and arrow.num_rows == 0:
            arrow = TABLES[name].empty_table()  # without rows pandas knows no types to cast
        elif name in TABLES:
            arrow = arrow.select(TABLES[name].names).cast(TABLES[name])
        part = self._file(name).with_suffix(".part")
        pq.write_table(arrow, part, compression="zstd")
        part.replace(self._file(name))

    def write_meta(self) -> None:
        """Write `meta` to meta.json, replacing an older one at once or not at all."""
        part = self.path / f"{META}.part"
        part.write_text(json.dumps({"format_version": FORMAT_VERSION, **self.meta}, indent=1, default=str) + "\n", encoding="utf-8")
        part.replace(self.path / META)


def _read_meta(folder: Path) -> dict[str, Any]:
    what = f"trace {folder} cannot be read"
    if not any(folder.iterdir()):
        raise TraceError(what, "the folder is empty", _AGAIN)
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TraceError(what, f"it has no {META}, so it is no trace or its run did not end", _AGAIN) from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise TraceError(what, f"{META} is cut short or damaged ({error})", _AGAIN) from error
    version = meta.get("format_version") if isinstance(meta, dict) else None
    if version != FORMAT_VERSION:
        raise TraceError(what, f"it is of format {version}, and this tierprof reads format {FORMAT_VERSION}", _AGAIN)
    return meta


def default_name(command: Sequence[str]) -> str:
    """A trace's name for a command: the program's, or the script's where the program is a Python interpreter."""
    program = Path(command[0]).name
    if program.startswith("python"):
        scripts = [Path(word).stem for word in command[1:] if word.endswith(".py")]
        program = scripts[0] if scripts else program
    return program or "program"


def create_trace_folder(path: Path | str | None, command: Sequence[str]) -> Path:
    """Make a new, empty folder for a trace.

    Parameters
    ----------
    path
        Where; without it, ``NAME.trace`` in the working folder, or ``NAME-2.trace`` and so on where that exists.
    command
        The command that will be run, to name the trace after.

    Raises
    ------
    TraceError
        If the path exists (nothing is ever overwritten) or cannot be made.
    """
    if path is not None:
        return _make_new(Path(path))
    name = default_name(command)
    number = 1
    while True:
        folder = Path(f"{name}.trace" if number == 1 else f"{name}-{number}.trace")
        if not folder.exists():
            return _make_new(folder)
        number += 1


def _make_new(folder: Path) -> Path:
    what = f"trace {folder} cannot be made"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        raise TraceError(what, "it exists, and a trace is never overwritten", "give another -o, or remove it") from None
    except OSError as error:
        raise TraceError(what, os.strerror(error.errno or 0).lower(), "give -o a place that you may write to") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        shutil.rmtree(folder, ignore_errors=True)
        raise TraceError(what, "the folder is not writable", "give -o a place that you may write to")
    return folder
