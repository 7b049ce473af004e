"""A trace opens whole or says in one line what is wrong with it; folders are never overwritten."""

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tierprof.base.errors import TraceError
from tierprof.base.schema import FORMAT_VERSION, TABLES
from tierprof.profiler.trace import REQUIRED, Trace, create_trace_folder, default_name


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    trace = Trace(tmp_path / "a.trace", {"source": "clock"})
    trace.path.mkdir()
    for name in REQUIRED:
        trace.write(name, TABLES[name].empty_table() if name in TABLES else pd.DataFrame({"site": [7]}))
    trace.write_meta()
    return trace.path


def test_what_is_written_is_read(whole: Path) -> None:
    trace = Trace.open(whole)
    assert trace.meta == {"format_version": FORMAT_VERSION, "source": "clock"}
    assert trace.objects()["site"].tolist() == [7]
    assert trace.table("sites").schema.equals(TABLES["sites"])
    assert not trace.has("criticality")
    assert sum(batch.num_rows for batch in trace.batches("objects")) == 1


def test_a_written_table_replaces_the_old_one_and_leaves_no_part(whole: Path) -> None:
    Trace.open(whole).write("objects", pd.DataFrame({"site": [1, 2]}))
    assert Trace.open(whole).objects()["site"].tolist() == [1, 2]
    assert not list(whole.glob("*.part"))


def test_a_table_is_cast_to_its_schema(whole: Path) -> None:
    trace = Trace.open(whole)
    rows = {name: [0] for name in TABLES["modules"].names} | {"path": ["/bin/ls"], "build_id": ["ab"]}
    trace.write("modules", pd.DataFrame(rows))
    assert trace.table("modules").schema.equals(TABLES["modules"])


def error_of(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        Trace.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    assert "there is no such folder" in error_of(tmp_path / "none")


def test_a_file_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert "this is a file" in error_of(tmp_path / "f")


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "the folder is empty" in error_of(tmp_path)


def test_some_other_folder_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x")
    assert "it has no meta.json" in error_of(tmp_path)


def test_another_version_is_told_with_both_numbers(whole: Path) -> None:
    (whole / "meta.json").write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))
    assert f"format {FORMAT_VERSION + 1}, and this tierprof reads format {FORMAT_VERSION}" in error_of(whole)


@pytest.mark.parametrize("text", ["", '{"format_ver', "[]", "\x00\xff"])
def test_a_damaged_meta_file_is_told(whole: Path, text: str) -> None:
    (whole / "meta.json").write_text(text, encoding="latin-1")
    assert "cannot be read" in error_of(whole)


@pytest.mark.parametrize("kept", [0, 4, 100])
@pytest.mark.parametrize("name", REQUIRED)
def test_a_table_cut_short_is_named(whole: Path, name: str, kept: int) -> None:
    file = whole / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[:kept])
    assert f"{name}.parquet is cut short or damaged" in error_of(whole)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_table_is_named(whole: Path, name: str) -> None:
    (whole / f"{name}.parquet").unlink()
    assert f"{name}.parquet is missing" in error_of(whole)


def test_damaged_pages_are_told_when_they_are_read(whole: Path) -> None:
    # GIVEN a table whose footer is whole and whose data are not
    trace = Trace.open(whole)
    trace.write("objects", pa.table({"site": list(range(10000))}))
    file = whole / "objects.parquet"
    data = bytearray(file.read_bytes())
    data[4:200] = bytes(196)
    file.write_bytes(data)
    with pytest.raises(TraceError, match=r"objects.parquet is damaged"):
        Trace.open(whole).objects()


def test_a_trace_is_named_after_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # WHEN the same program is recorded three times without -o
    names = [create_trace_folder(None, ["/usr/bin/pr", "-g", "20"]).name for _ in range(3)]
    # THEN each has a folder of its own
    assert names == ["pr.trace", "pr-2.trace", "pr-3.trace"]
    assert default_name(["python3", "-u", "dir/rank.py", "x"]) == "rank"
    assert default_name(["python3", "-c", "pass"]) == "python3"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with pytest.raises(TraceError, match="never overwritten"):
        create_trace_folder(tmp_path / "t", ["ls"])


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="cannot be made"):
        create_trace_folder(tmp_path / "file" / "t", ["ls"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_is_not_writable_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TraceError, match="permission denied"):
        create_trace_folder(tmp_path / "t", ["ls"])
