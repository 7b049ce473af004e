"""`tierprof objects`: the table, its order, the line of shares, exact JSON, and one line for a bad trace."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tierprof.base.schema import TABLES
from tierprof.cli import main
from tierprof.profiler.features import COLUMNS
from tierprof.profiler.trace import REQUIRED, Trace

TEXTS = ("key", "name", "kind", "function", "file")
JSON_KEYS = ["source", "samples", "duration_s", "overhead_s", "attributed_share", "runtime_wait_share", "compute_share", "objects"]
OBJECT_KEYS = ["site", "name", "peak_bytes", "allocations", "samples", "stall_share", "confidence", "tensors"]


def objects() -> pd.DataFrame:
    zero = {name: "" if name in TEXTS else 0 for name in COLUMNS}
    rows = [
        {
            "key": "b" * 32,
            "name": "big <- [main]",
            "peak_bytes": 3 << 30,
            "stall_s": 1.0,
            "stall_share": 0.25,
            "samples": 2,
            "confidence": 0.5,
        },
        {"key": "a" * 32, "name": "hot", "peak_bytes": 1 << 20, "stall_s": 2.0, "stall_share": 0.5, "samples": 4, "confidence": 1.0},
        {"key": "c" * 32, "name": "idle", "peak_bytes": 100, "allocations": 7},
    ]
    return pd.DataFrame([{**zero, "kind": "malloc", **row} for row in rows])


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    shares = {"object": 0.75, "stack": 0.1, "static": 0.05, "runtime": 0.04, "compute": 0.03, "unknown": 0.03}
    meta = {"source": "clock", "samples": 8, "duration_s": 4.0, "overhead_s": 0.01, "user_s": 4.0, "system_s": 0.5, "command": ["pr", "-g"]}
    made = Trace(
        tmp_path / "t.trace",
        {
            **meta,
            "shares": shares,
            "statics": [{"name": "table", "module": "pr", "share": 0.04}],
            "notes": [{"code": "lost", "text": "3 samples were lost"}],
        },
    )
    made.path.mkdir()
    for name in REQUIRED:
        made.write(name, TABLES[name].empty_table() if name in TABLES else objects())
    made.write_meta()
    return made.path


def shown(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    assert main(["objects", *map(str, args)]) == 0
    return capsys.readouterr().out


def first_words(output: str) -> list[str]:
    return [word for line in output.splitlines() for word in [line.strip().split(" ")[0]] if word in ("hot", "big", "idle")]


def test_the_hottest_object_comes_first(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = shown(capsys, trace)
    assert first_words(output) == ["hot", "big", "idle"]
    assert "big <- [main]" in output
    assert "50.0%" in output
    assert "3.0GiB" in output
    assert "bbbbbbbb" in output


def test_the_classed_shares_and_notes_stand_below(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, trace).splitlines()
    shares = "objects 75.0%, stack 10.0%, static data 5.0%, runtime wait 4.0%, compute 3.0%, unknown 3.0%"
    assert f"4s, user 4s, kernel 500ms; 8 samples (clock): {shares}" in lines
    assert "static data: table (pr) 4.0%" in lines
    assert "note: 3 samples were lost" in lines


@pytest.mark.parametrize(
    ("sort", "order"), [("stall", ["hot", "big", "idle"]), ("size", ["big", "hot", "idle"]), ("allocations", ["idle", "big", "hot"])]
)
def test_objects_can_be_sorted(trace: Path, capsys: pytest.CaptureFixture[str], sort: str, order: list[str]) -> None:
    assert first_words(shown(capsys, trace, "--sort", sort)) == order


def test_top_limits_the_table_and_zero_shows_all(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert first_words(shown(capsys, trace, "--top", 1)) == ["hot"]
    assert len(first_words(shown(capsys, trace, "--top", 0))) == 3


def test_json_is_exact_and_whole(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(shown(capsys, trace, "--json", "--top", 1))
    assert list(value) == JSON_KEYS
    assert [list(row) for row in value["objects"]] == [OBJECT_KEYS] * 3
    assert value["attributed_share"] == pytest.approx(0.9)
    assert (value["runtime_wait_share"], value["compute_share"]) == (0.04, 0.03)
    assert value["objects"][0] == {
        "site": "a" * 32,
        "name": "hot",
        "peak_bytes": 1 << 20,
        "allocations": 0,
        "samples": 4,
        "stall_share": 0.5,
        "confidence": 1.0,
        "tensors": [],
    }


def test_json_lists_the_tensors_that_an_object_held(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN an object that held two tensors, the second larger, and one that held none
    opened = Trace.open(trace)
    rows = [(0, "m.a.weight", 10), (0, "m.b.weight", 15), (0, "m.a.weight", 10), (0, None, 99), (1, None, 5)]
    frame = pd.DataFrame(rows, columns=["site", "name", "size_bytes"])
    opened.write("allocations", frame.assign(**{name: None for name in TABLES["allocations"].names if name not in frame}))
    opened.write("tensors", TABLES["tensors"].empty_table())
    opened.write("objects", objects().assign(site=[1, 0, 2]))
    values = {row["name"]: row["tensors"] for row in json.loads(shown(capsys, trace, "--json"))["objects"]}
    assert values == {"hot": ["m.a.weight", "m.b.weight"], "big <- [main]": [], "idle": []}


def test_a_trace_without_samples_says_so(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = Trace.open(trace)
    opened.meta["shares"] = dict.fromkeys(opened.meta["shares"], 0.0)
    opened.write_meta()
    assert "no samples of time (source clock), so stalls are not known" in shown(capsys, trace)


def test_a_bad_trace_is_one_line_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["objects", str(tmp_path / "none")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "there is no such folder" in captured.err
