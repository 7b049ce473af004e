"""What benchmarks/tensor_names.py calls right, on a trace and facts whose answers are known."""

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from tierprof.base.schema import TABLES
from tierprof.profiler.trace import Trace

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
OWN = "/x/workloads/net.py"
SITES = [
    {"name": "model.a.weight", "python": ["/lib/torch/nn.py:9 __init__", f"{OWN}:5 train"]},
    {"name": "net.py:7 in train", "python": [f"{OWN}:7 train"]},
    {"name": "CPython's small objects", "python": []},
    {"name": "?", "python": ["<frozen importlib>:1 load"]},
]
# site, address, bytes, birth, death, kind, name
ROWS = [
    (0, 4096, 100, 0, None, "malloc", "model.a.weight"),
    (0, 8192, 100, 0, None, "malloc", "model.b.weight"),  # wrong: the program says c
    (0, 12288, 200, 0, None, "malloc", "model.*.grad"),  # two tensors in one storage
    (1, 16384, 50, 0, None, "malloc", None),  # an array of the program's, by its line
    (1, 20480, 50, 0, None, "malloc", None),  # another, whose line the program says otherwise
    (1, 24576, 40, 0, None, "malloc", None),  # of which the program says nothing
    (2, 0, 1 << 20, 0, None, "mmap", None),  # around all of them
    (3, 1 << 21, 10, 0, None, "malloc", None),
    (1, 4096, 1000, 200, 300, "malloc", None),  # later, in the place of the first
    (0, 1 << 22, 60, 0, 100, "malloc", "model.a.weight.grad"),  # gone by then
]
FACTS = [
    ("model.a.weight", 4096, 100, None),
    ("tied.a.weight", 4096, 100, None),
    ("model.c.weight", 8192, 100, None),
    ("model.a.grad", 12288, 120, None),
    ("model.b.grad", 12408, 80, None),
    ("array", 16384, 50, "net.py:7"),
    ("other", 20480, 50, "net.py:8"),
    ("small", 1 << 19, 16, None),  # in the pool, which it does not fill
]


@pytest.fixture
def tensor_names(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import tensor_names

    return tensor_names


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    made = Trace(tmp_path, {})
    columns = ["site", "address", "size_bytes", "birth_ns", "death_ns", "kind", "name"]
    rows = pd.DataFrame(ROWS, columns=columns).astype({"death_ns": "Int64"})
    others = {name: None for name in TABLES["allocations"].names if name not in columns}
    made.write("allocations", rows.assign(**{**others, "weight": 1.0, "inherited": False}))
    sites = pd.DataFrame(SITES).assign(site=range(len(SITES)))
    made.write("sites", sites.assign(**{name: None for name in TABLES["sites"].names if name not in sites}))
    return made


def test_each_byte_is_judged_by_what_the_program_knows(tensor_names: ModuleType, trace: Trace) -> None:
    figures = tensor_names.compare(trace, pd.DataFrame(FACTS, columns=["name", "address", "bytes", "line"]), 150)
    classes = {name: figures[f"{name}_bytes"] for name in ("pool", "right", "wrong", "line", "nameless")}
    assert classes == {"pool": 1 << 20, "right": 100 + 200 + 50, "wrong": 100 + 50, "line": 40, "nameless": 10}
    assert figures["live_bytes"] == sum(classes.values())
    assert figures["known_right_share"] == 350 / 500
    assert figures["right_or_line_share"] == 390 / 550
    assert figures["ever_share"] == 1600 / 1610
    assert [entry["expected"] for entry in figures["wrong_most"]] == ["model.c.weight", "other"]
