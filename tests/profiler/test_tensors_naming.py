"""From what processes told about tensors to names of allocations and sites, by tables whose answers are known."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.schema import TENSORS
from tierprof.profiler.allocations import KINDS
from tierprof.profiler.sites import Heap
from tierprof.profiler.tensors.files import SIGHTING, read_files
from tierprof.profiler.tensors.naming import Named, name_allocations
from tierprof.profiler.tensors.output import Output
from tierprof.profiler.tensors.tree import common_name, tensor_names

START_NS = 1000
MODULES = [
    {"module": 0, "class": "Embedding"},
    {"module": 1, "class": "Net"},
    {"parent": 1, "child": 0, "name": "users"},
    {"module": 2, "class": "Linear"},
    {"module": 3, "class": "ModuleList"},
    {"parent": 3, "child": 2, "name": "0"},
    {"parent": 1, "child": 3, "name": "layers"},
    {"module": 4, "class": "Linear"},
    {"parent": 3, "child": 4, "name": "1"},
    {"module": 1, "variable": "model"},
]


def tensor(number: int, name: str, role: str = "parameter", **where: int) -> dict:
    return {"tensor": number, **where, "name": name, "role": role, "shape": [10, 4], "dtype": "float32"}


TENSOR_LINES = [
    tensor(0, "weight", owner=0),
    tensor(1, "weight", owner=2),
    tensor(2, "weight", owner=4),
    tensor(3, "grad", "gradient", of=0),
    tensor(4, "exp_avg", "optimizer", of=0),
]


def write(raw: Path, lines: Iterable[dict], sightings: Iterable[tuple[int, int, int, int]], pid: int = 7, sequence: int = 0) -> None:
    """A process's files; sightings are (time, address, bytes, tensor)."""
    text = "".join(json.dumps(line) + "\n" for line in [{"version": 1, "pid": pid}, *lines])
    (raw / f"tensors.{pid}.{sequence}.jsonl").write_text(text)
    records = np.array([(*sighting, 0) for sighting in sightings], SIGHTING)
    (raw / f"tensors.{pid}.{sequence}.bin").write_bytes(records.tobytes())


def heap_of(rows: Iterable[dict]) -> tuple[Heap, pd.DataFrame, pd.DataFrame]:
    """A heap of allocations, and the trace's two tables of them; sites are named s0, s1, ..."""
    default = {"site": 0, "pid": 7, "birth_ns": START_NS, "death_ns": np.iinfo(np.int64).max, "kind": 0, "weight": 1.0, "inherited": False}
    frame = pd.DataFrame([{**default, **row} for row in rows]).astype({"address": "uint64", "size_bytes": "uint64"})
    allocations = frame.assign(allocation=np.arange(len(frame)), kind=np.array(KINDS, object)[frame["kind"]])
    count = int(frame["site"].max()) + 1
    sites = pd.DataFrame({"site": range(count), "name": [f"s{number}" for number in range(count)]})
    return Heap(allocations=frame), allocations, sites


def named(raw: Path, rows: Iterable[dict], heap_more: dict | None = None) -> Named:
    heap, allocations, sites = heap_of(rows)
    for name, value in (heap_more or {}).items():
        setattr(heap, name, value)
    return name_allocations(raw, heap, START_NS, allocations, sites)


def test_names_go_from_the_variable_through_the_tree(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [])
    assert tensor_names(read_files(tmp_path)[0]) == {
        0: "model.users.weight",
        1: "model.layers.0.weight",
        2: "model.layers.1.weight",
        3: "model.users.weight.grad",
        4: "model.users.weight.exp_avg",
    }


def test_a_root_that_no_variable_held_goes_by_its_class_and_a_lone_tensor_by_its_own_name(tmp_path: Path) -> None:
    lines = [line for line in MODULES if "variable" not in line]
    write(tmp_path, [*lines, TENSOR_LINES[0], tensor(1, "table"), tensor(2, "grad", "gradient", of=1)], [])
    assert list(tensor_names(read_files(tmp_path)[0]).values()) == ["Net.users.weight", "table", "table.grad"]


def test_modules_in_a_ring_have_names_all_the_same(tmp_path: Path) -> None:
    ring = [{"module": n, "class": "M"} for n in (0, 1)] + [{"parent": p, "child": 1 - p, "name": "x"} for p in (0, 1)]
    write(tmp_path, [*ring, tensor(0, "weight", owner=0)], [])
    assert tensor_names(read_files(tmp_path)[0])[0].endswith(".weight")


def test_each_allocation_gets_the_name_of_what_it_held_at_that_time(tmp_path: Path) -> None:
    # GIVEN one address that was the gradient's memory, then the optimizer's, and is now nobody's
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 3), (1250, 4096, 160, 4), (1260, 4096, 160, 4)])
    lives = [(1000, 1200), (1200, 1300), (1300, 1400)]
    rows = [{"address": 4096, "size_bytes": 160, "site": site, "birth_ns": b, "death_ns": d} for site, (b, d) in enumerate(lives)]
    result = named(tmp_path, rows)
    # THEN each life has its own name, and so has its site
    assert result.allocations["name"].tolist() == ["model.users.weight.grad", "model.users.weight.exp_avg", None]
    assert result.sites["name"].tolist() == ["model.users.weight.grad", "model.users.weight.exp_avg", "s2"]
    # AND the table has a row for each place, with times since the start
    table = result.tensors[TENSORS.names]
    assert table["time_ns"].tolist() == [100, 250]
    assert table[["role", "module", "allocation", "dtype"]].to_numpy().tolist() == [
        ["gradient", "Embedding", 0, "float32"],
        ["optimizer", "Embedding", 1, "float32"],
    ]


def test_several_tensors_of_a_site_share_what_is_the_same_in_their_names(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 1), (1100, 8192, 160, 2)])
    result = named(tmp_path, [{"address": 4096, "size_bytes": 160}, {"address": 8192, "size_bytes": 160}])
    assert result.allocations["name"].tolist() == ["model.layers.0.weight", "model.layers.1.weight"]
    assert result.sites["name"].tolist() == ["model.layers.*.weight"]


def test_several_tensors_in_one_storage_do_too(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 1), (1100, 4256, 160, 2)])
    assert named(tmp_path, [{"address": 4096, "size_bytes": 320}]).allocations["name"].tolist() == ["model.layers.*.weight"]


def test_of_two_names_for_one_tensor_the_first_counts(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 2), (1100, 4096, 160, 0), (1100, 4096, 80, 1)])
    assert named(tmp_path, [{"address": 4096, "size_bytes": 160}]).allocations["name"].tolist() == ["model.users.weight"]


def test_a_small_tensor_does_not_name_the_large_memory_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096 + 64, 160, 0)])
    result = named(tmp_path, [{"address": 4096, "size_bytes": 1 << 20, "kind": KINDS.index("mmap")}])
    assert result.allocations["name"].tolist() == [None]
    assert result.tensors["allocation"].tolist() == [0]


def test_a_site_most_of_whose_bytes_nobody_named_keeps_its_line(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 0)])
    rows = [{"address": 4096, "size_bytes": 160}, {"address": 8192, "size_bytes": 161}]
    assert named(tmp_path, rows).sites["name"].tolist() == ["s0"]
    assert named(tmp_path, [*rows[:1], {"address": 8192, "size_bytes": 159}]).sites["name"].tolist() == ["model.users.weight"]


def test_a_pool_of_an_allocator_stays_a_pool(tmp_path: Path) -> None:
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 0)])
    result = named(tmp_path, [{"address": 4096, "size_bytes": 160}], {"pools": {0: "jemalloc's memory"}})
    assert (result.sites["name"].tolist(), result.allocations["name"].tolist()) == (["s0"], ["model.users.weight"])


def test_processes_have_names_of_their_own_and_inherit_their_parents(tmp_path: Path) -> None:
    # GIVEN a child that inherited one tensor, and told about another at an address that is the parent's too
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1100, 4096, 160, 0), (1100, 8192, 160, 1)])
    write(tmp_path, [*MODULES, *TENSOR_LINES], [(1300, 8192, 160, 2)], pid=8)
    rows: list[dict] = [{"address": 4096, "size_bytes": 160}, {"address": 8192, "size_bytes": 160, "site": 1}]
    rows += [{**rows[0], "pid": 8, "inherited": True, "weight": 0.0, "birth_ns": 1200}]
    rows += [{**rows[1], "pid": 8, "birth_ns": 1250, "site": 2}]
    assert named(tmp_path, rows).allocations["name"].tolist() == [
        "model.users.weight",
        "model.layers.0.weight",
        "model.users.weight",
        "model.layers.1.weight",
    ]


def test_without_torch_there_is_no_table_and_no_name(tmp_path: Path) -> None:
    result = named(tmp_path, [{"address": 4096, "size_bytes": 160}])
    assert (len(result.tensors), result.allocations["name"].tolist(), result.sites["name"].tolist()) == (0, [None], ["s0"])


def test_what_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    # GIVEN files whose last line and record are torn, with a line of another kind and a sighting of a tensor that was never defined
    write(tmp_path, [*MODULES, {"planet": 9}, {"tensor": "x", "shape": 3}, *TENSOR_LINES], [(1100, 4096, 160, 0), (1100, 8192, 160, 99)])
    with (tmp_path / "tensors.7.0.jsonl").open("a") as file:
        file.write('{"tensor":5,"na')
    with (tmp_path / "tensors.7.0.bin").open("ab") as file:
        file.write(b"torn")
    result = named(tmp_path, [{"address": 4096, "size_bytes": 160}, {"address": 8192, "size_bytes": 160}])
    assert result.allocations["name"].tolist() == ["model.users.weight", None]
    assert len(result.damage) == 2


def test_a_file_of_another_version_names_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "tensors.7.0.jsonl").write_text('{"version": 99, "pid": 7}\n')
    result = named(tmp_path, [{"address": 4096, "size_bytes": 160}])
    assert "version 99" in result.damage[0]


def test_what_the_recorder_writes_is_what_is_read(tmp_path: Path) -> None:
    # GIVEN output of more than it may hold
    output = Output(str(tmp_path), 700)
    for number in range(20):
        output.define(**tensor(number, f"t{number}"))
        output.sight(number, 4096 * number, 16, 1000 + number)
        output.flush()
    # THEN it ends between two writes, with a note
    file = read_files(tmp_path)[0]
    assert 1 < len(file.sightings) == len(file.tensors) < 20
    assert output.full
    assert file.notes == ["there was no room for more names: see --max-trace"]
    assert file.sightings["time_ns"].tolist() == [1000 + number for number in range(len(file.sightings))]
    # AND the next process of that number writes beside it
    other = Output(str(tmp_path), 700)
    other.define(module=0, **{"class": "Net"})
    other.flush()
    assert len(read_files(tmp_path)) == 2


PARTS = st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=4)


@given(st.lists(PARTS.map(".".join), min_size=1, max_size=4))
def test_a_common_name_keeps_only_what_all_names_have(names: list[str]) -> None:
    common = common_name(names)
    if len(set(names)) == 1:
        assert common == names[0]
    elif common is None:
        assert len({name.split(".")[0] for name in names}) > 1
    else:
        kept = [part for part in common.split(".") if part != "*"]
        assert "*" in common.split(".")
        for name in names:
            parts = iter(name.split("."))
            assert all(part in parts for part in kept)  # in this order


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["m.a.weight", "m.b.0.weight"], "m.*.weight"),
        (["m.a", "m.a.b"], "m.a.*"),
        (["a", "b"], None),
        (["a.weight", "b.weight"], "*.weight"),
    ],
)
def test_common_names(names: list[str], common: str | None) -> None:
    assert common_name(names) == common
