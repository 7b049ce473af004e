"""Rows of tables: from places to rows and pages, sampled and counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tierprof.base.errors import TierprofError, TraceError
from tierprof.profiler.rows import row_curve, row_curves
from tierprof.profiler.trace import Trace

from .test_heat import BASE, MIB, PAGE, allocations, samples

MakeRows = Callable[..., Trace]
ROW = 256


@pytest.fixture
def make_rows(tmp_path: Path) -> MakeRows:
    """`make_rows(sizes, samples, tensors=, granules=)`: a trace of allocations, each of a site of its own."""

    def make(sizes: list[int], drawn: pd.DataFrame, tensors: pd.DataFrame | None = None, granules: pd.DataFrame | None = None) -> Trace:
        trace = Trace(tmp_path, {"source": "clock"})
        table = allocations(*sizes)
        trace.write("allocations", table)
        names = pd.DataFrame({"site": range(len(sizes)), "key": [f"{at:032x}" for at in range(len(sizes))]})
        names = names.assign(kind="malloc", name=[f"site {at}" for at in range(len(sizes))], function="f", file="f.c", line=1)
        trace.write("sites", names.assign(frames=[["x"]] * len(sizes), truncated=False, python=[[]] * len(sizes)))
        told = drawn.assign(time_ns=0, pid=1, tid=1, ip=0, module=-1, offset=0, where="object", site=0, latency_cycles=0)
        trace.write("samples", told)
        if tensors is not None:
            trace.write("tensors", tensors)
        if granules is not None:
            trace.write("exact_heat", granules)
        return trace

    return make


def tensor(
    address: int, shape: list[int], allocation: int = 0, dtype: str = "torch.float32", name: str = "model.items.weight"
) -> pd.DataFrame:
    size = int(np.prod(shape)) * 4
    row = {"time_ns": 0, "pid": 1, "address": address, "bytes": size, "name": name, "role": "parameter", "module": "Embedding"}
    return pd.DataFrame([{**row, "shape": shape, "dtype": dtype, "allocation": allocation}])


def test_rows_are_those_that_the_tensor_says(make_rows: MakeRows) -> None:
    # GIVEN a tensor of 4000 rows of 64 floats, 4096 bytes into its allocation; 8 of its rows have all samples, evenly
    start = BASE + PAGE
    hot = np.repeat(start + ROW * np.arange(0, 4000, 500), 100)
    trace = make_rows([2 * MIB], samples(0, hot + np.arange(len(hot)) % ROW), tensor(start, [4000, 64]))
    # WHEN they are asked for
    (curve,) = row_curves(trace)
    # THEN it is so
    assert (curve.rows, curve.row_bytes, curve.rows_together, curve.start, curve.size_bytes) == (4000, ROW, 1, PAGE, 4000 * ROW)
    assert (curve.name, curve.samples, curve.exact) == ("model.items.weight", 800, False)
    assert curve.by_row is not None
    assert curve.by_row.caught(8 / 4000).value == pytest.approx(1.0, abs=0.02)
    assert curve.by_row.caught(4 / 4000).value == pytest.approx(0.5, abs=0.05)
    # AND each of them costs a page of its own
    assert curve.by_page.units == 250
    assert curve.by_page.caught(8 / 250).low > 0.95


def test_rows_of_what_no_tensor_describes_are_told_by_their_size(make_rows: MakeRows) -> None:
    trace = make_rows([MIB], samples(0, BASE + np.repeat(np.arange(10) * 1000, 50)))
    # GIVEN no size THEN pages alone are told
    curve = row_curve(trace, 0)
    assert (curve.rows, curve.by_row, curve.name, curve.by_page.units) == (0, None, "site 0", 256)
    # GIVEN one THEN rows are
    told = row_curve(trace, 0, row_bytes=1000)
    assert (told.rows, told.row_bytes) == (1049, 1000)
    assert told.by_row is not None
    assert told.by_row.caught(10 / 1049).value > 0.95


def test_tensors_that_share_an_allocation_are_told_apart(make_rows: MakeRows) -> None:
    # GIVEN two tensors in one allocation, with 30 and 70 samples
    both = pd.concat([tensor(BASE, [2048, 64], name="a"), tensor(BASE + MIB, [2048, 64], name="b")])
    places = np.concatenate((np.full(30, BASE), np.full(70, BASE + MIB + MIB // 2 - 1)))
    curves = row_curves(make_rows([2 * MIB + PAGE], samples(0, places), both))
    assert [(curve.name, curve.samples, curve.start) for curve in curves] == [("b", 70, MIB), ("a", 30, 0)]


@pytest.mark.parametrize(("shape", "dtype"), [([262144], "torch.float32"), ([2048, 128], "torch.mystery"), ([1024, 100], "torch.float32")])
def test_a_tensor_without_plain_rows_has_pages_alone(make_rows: MakeRows, shape: list[int], dtype: str) -> None:
    # GIVEN a vector, a type of unknown width, a view of more bytes than its shape has
    odd = tensor(BASE, shape, dtype=dtype).assign(bytes=MIB)
    (curve,) = row_curves(make_rows([MIB], samples(0, np.full(9, BASE)), odd))
    assert (curve.rows, curve.by_row) == (0, None)


def granule_counts(granule_bytes: int, numbers: np.ndarray, reads: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"granule": numbers, "reads": reads.astype(float)})
    return table.assign(allocation=0, site=0, granule_bytes=granule_bytes, writes=0.0, misses=0.0)


def test_counted_rows_are_exact(make_rows: MakeRows) -> None:
    # GIVEN counts of the lines of rows of four lines, the rows at even places hot
    rows = np.arange(4096)
    counts = np.where(rows % 2 == 0, 7, 1)
    table = granule_counts(64, np.arange(4 * 4096), np.repeat(counts, 4))
    (curve,) = row_curves(make_rows([MIB], samples(0, np.zeros(0)), granules=table), row_bytes=ROW)
    # THEN half of the rows takes seven eighths, and of the pages half: every one has as many hot rows
    assert curve.exact
    assert curve.by_row is not None
    assert curve.by_row.caught(0.5) == pytest.approx((0.875,) * 3)
    assert curve.by_page.caught(0.5) == pytest.approx((0.5,) * 3)


def test_a_granule_that_lies_in_two_rows_is_shared_out(make_rows: MakeRows) -> None:
    # GIVEN rows of 96 bytes, and 30 reads of the line that is a third of row 0's end and two thirds... of rows 0 and 1
    table = granule_counts(64, np.array([1]), np.array([30]))
    (curve,) = row_curves(make_rows([MIB], samples(0, np.zeros(0)), granules=table), row_bytes=96)
    assert curve.by_row is not None
    # THEN each has its half of the line's bytes
    assert curve.by_row.caught(1 / curve.rows).value == pytest.approx(0.5)


def test_rows_below_a_granule_are_taken_together(make_rows: MakeRows) -> None:
    table = granule_counts(1024, np.array([0, 5]), np.array([30, 10]))
    (curve,) = row_curves(make_rows([MIB], samples(0, np.zeros(0)), granules=table), row_bytes=ROW)
    assert (curve.rows, curve.rows_together) == (4096, 4)
    assert curve.by_row is not None
    assert (curve.by_row.units, curve.by_row.caught(1 / 1024).value) == (1024, pytest.approx(0.75))


def test_what_cannot_be_told_is_one_line(make_rows: MakeRows) -> None:
    trace = make_rows([MIB], samples(0, np.full(3, BASE), confidence="base"))
    with pytest.raises(TraceError, match="nothing of it is known by place"):
        row_curve(trace, 0)
    with pytest.raises(TierprofError, match="rows of 0 bytes"):
        row_curves(trace, row_bytes=0)
