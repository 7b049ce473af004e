"""Users' own edge lists: any ids, numbered as pandas does, in the order of their times; and what cannot be used, in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.workloads import edge_list, memory
from tierprof.workloads.edge_list import read
from tierprof.workloads.graph import WorkloadError

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6)
rows = st.one_of(
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 40), st.integers(-50, 50)), min_size=1, max_size=40),
    st.lists(st.tuples(texts, texts, st.floats(-1e6, 1e6)), min_size=1, max_size=40),
    st.lists(
        st.tuples(texts, st.integers(0, 40), st.datetimes(pd.Timestamp(1990, 1, 1), pd.Timestamp(2100, 1, 1))), min_size=1, max_size=40
    ),
)


@given(rows)
def test_reads_what_pandas_wrote(tmp_path_factory: pytest.TempPathFactory, listed: list[tuple[object, object, object]]) -> None:
    # GIVEN any interactions, written as Parquet
    path = tmp_path_factory.mktemp("edges") / "list"
    frame = pd.DataFrame(listed, columns=["user", "item", "time"])
    frame.to_parquet(path)
    # WHEN they are read
    found = read(path)
    # THEN ids have the numbers of pandas.factorize, and rows the order of their times
    order = np.argsort(frame["time"].to_numpy(), kind="stable")
    np.testing.assert_array_equal(found.user, pd.factorize(frame["user"])[0][order])
    np.testing.assert_array_equal(found.item, pd.factorize(frame["item"])[0][order])
    assert (found.users, found.items) == (frame["user"].nunique(), frame["item"].nunique())
    assert (np.diff(found.time) >= 0).all()


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("user,item,time\n9,b,3\n7,a,1\n9,a,2\n", None),
        ("\ufeffuser,item,time\r\n9,b,3\r\n7,a,1\r\n9,a,2\r\n", None),
        ("movie\trating\tuser id\tat\nb\t5\t9\t3\na\t4\t7\t1\na\t1\t9\t2\n", ("user id", "movie", "at")),
        ('"time","user","item"\n2024-05-03,"u, 9",b\n2024-05-01,"u 7",a\n2024-05-02,"u, 9",a\n', None),
        ("user,item,time\n9,b,2024-05-01 12:00:02\n7,a,2024-05-01 12:00:00\n9,a,2024-05-01 12:00:01\n", None),
        ("user,item,time\n9,b,2024-05-01T12:00:02.5+02:00\n7,a,2024-05-01T10:00:00Z\n9,a,2024-05-01T10:00:01Z\n", None),
        ("user,item,time\n9,b,3.5\n7,a,-1e3\n9,a,0\n", None),
    ],
    ids=["commas", "excel", "tabs", "quoted", "times of day", "zones", "fractions"],
)
def test_csv_of_any_kind(content: str, columns: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_bytes(content.encode())
    found = read(path, columns) if columns else read(path)
    # THEN in the order of time: the second row, the third, the first; numbered by the order in the file
    assert found.user.tolist() == [1, 0, 0]
    assert found.item.tolist() == [1, 1, 0]
    assert (found.users, found.items) == (2, 2)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "No such file"),
        ("", "it has no column user; it is empty"),
        ("user,item,time\n", "it has no rows, so the graph is empty"),
        ("user,item,when\n1,2,3\n", "it has no column time; it has user, item, when; name three with --columns"),
        ("user,item,time\n1,2,3\n,2,3\n", "row 2 has no user"),
        ("user,item,time\n1,2,3\n1,NaN,3\n", "row 2 has no item"),
        ("user,item,time\n1,2,3\n1,2,\n", "row 2 has no time"),
        ("user,item,time\n1,2,3\n1,2,nan\n", "row 2 has no time"),
        ("user,item,time\n1,2,0.5\n1,2,inf\n", "time inf of row 2 is no time"),
        ("user,item,time\n1,2,3\n1,2,soon\n", "time 'soon' of row 2 is no time"),
        ("user,item,time\n1,2,2024-13-01\n", "time '2024-13-01' of row 1 is no time"),
        ("user,item,time\n1,2,2024-05-01\n1,2,3\n", "time '3' of row 2 is no time"),
        ("user,item,time\n1,2,true\n", "column time holds bool"),
        ("user,item,time\n1,2,3\n-1,2,3\n", "user -1 of row 2 is out of range"),
        ("user,item,time\n1,2.5,3\n", "item 2.5 of row 1 is out of range"),
        ("user,item,time\n1,1e30,3\n", "item 1e\\+30 of row 1 is out of range"),
        ("user,item,time\n1,inf,3\n", "item inf of row 1 is out of range"),
        ("user,item,time\n2024-01-01,2,3\n", "column user holds date32"),
        ("user,item,time\n1,2\n", "Expected 3 columns, got 2"),
        (b"user,item,time\n1,\xff\xfe\x00,3\n", "column item holds binary"),
        (b"\xff\xfe\x00\n", "codec can't decode"),
        (b"PAR1 and then nothing", "Parquet"),
    ],
)
def test_bad_edge_list_is_one_line(content: str | bytes | None, word: str, tmp_path: Path) -> None:
    path = tmp_path / "edges"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(WorkloadError, match=word) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"edge list {path} cannot be used: ")


@pytest.mark.parametrize(("name", "value"), [("user", None), ("item", float("nan")), ("time", None), ("time", pd.NaT)])
def test_missing_values_in_parquet(name: str, value: object, tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": ["a", "b"], "item": [1.0, 2.0], "time": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    frame.loc[1, name] = value  # type: ignore[call-overload]
    frame.to_parquet(tmp_path / "edges.parquet")
    with pytest.raises(WorkloadError, match=f"row 2 has no {name}"):
        read(tmp_path / "edges.parquet")


def test_lists_are_no_ids(tmp_path: Path) -> None:
    pd.DataFrame({"user": [[1], [2]], "item": [1, 2], "time": [1, 2]}).to_parquet(tmp_path / "edges.parquet")
    with pytest.raises(WorkloadError, match="column user holds list<"):
        read(tmp_path / "edges.parquet")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_list_that_does_not_fit_is_not_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a list of 10 000 rows and a machine with less than it needs
    frame = pd.DataFrame({"user": np.arange(10_000), "item": 1, "time": 1})
    path = tmp_path / f"edges.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    monkeypatch.setattr(memory, "available_bytes", lambda: edge_list._ROW_BYTES * 9_000)
    # THEN it is refused by its estimate, which counts rows to a tenth
    with pytest.raises(WorkloadError, match=r"edges\.\w+ does not fit into memory"):
        read(path)
    monkeypatch.setattr(memory, "available_bytes", lambda: edge_list._ROW_BYTES * 11_000)
    assert len(read(path)) == 10_000
