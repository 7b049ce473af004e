"""Which objects are tensors, and what role they have."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tierprof.placer.guide.guide import build_guide
from tierprof.placer.guide.tensors import has_tensors, layer_of, layers_of, tensor_objects
from tierprof.profiler.trace import Trace

from .made import MIB, OTHER

MakeGnn = Callable[..., Trace]


def test_roles_are_those_of_the_names_and_of_how_long_the_unnamed_live(gnn: MakeGnn) -> None:
    # GIVEN four named objects, three passing allocations of torch's allocator, one that stays, and memory of no tensor
    table = tensor_objects(gnn())
    # THEN each has its role, and what is no tensor is not among them
    assert list(table["role"]) == ["parameter", "parameter", "gradient", "optimizer", "activation", "data"]
    assert "queue" not in set(table["name"])
    assert table["tensors"].iloc[0] == ("model.user.weight",)
    assert table["row_bytes"].iloc[0] == 256
    assert table["row_align_bytes"].iloc[0] == 4096
    assert math.isnan(table["row_bytes"].iloc[4])


def test_without_names_torchs_memory_is_still_tensors(gnn: MakeGnn) -> None:
    trace = gnn(named=False)
    assert has_tensors(trace)
    assert list(tensor_objects(trace)["role"]) == ["data"] * 4 + ["activation", "data"]


def test_a_trace_without_tensors_has_no_guide(gnn: MakeGnn) -> None:
    # GIVEN a trace whose memory came from nowhere near torch
    trace = gnn(named=False)
    sites = trace.frame("sites")
    trace.write("sites", sites.assign(frames=[OTHER] * len(sites)))
    assert not has_tensors(trace)
    assert build_guide(trace) is None


def test_numpys_arrays_are_data_where_there_are_tensors(gnn: MakeGnn) -> None:
    # GIVEN a queue that is an array
    trace = gnn()
    sites = trace.frame("sites")
    frames = [*sites["frames"][:-1], ["_multiarray_umath.cpython-311-x86_64-linux-gnu.so+0x1 PyArray_NewFromDescr_int"]]
    trace.write("sites", sites.assign(frames=frames))
    assert list(tensor_objects(trace)[["name", "role"]].iloc[-1]) == ["queue", "data"]
    # WHEN nothing else is a tensor
    trace.write("tensors", trace.frame("tensors").head(0))
    trace.write("sites", sites.assign(frames=[*[OTHER] * 6, frames[-1]]))
    # THEN an array alone is none
    assert not has_tensors(trace)


def test_a_few_named_bytes_do_not_name_a_site(gnn: MakeGnn) -> None:
    # GIVEN a site of three allocations of which one had a name
    trace = gnn()
    tensors = trace.frame("tensors")
    one = tensors.head(1).assign(name="model.act.grad", role="gradient", allocation=6, bytes=128 * MIB)
    trace.write("tensors", pd.concat([tensors, one], ignore_index=True))
    # THEN the site is what most of its bytes are
    table = tensor_objects(trace)
    assert table["role"].iloc[4] == "activation"
    assert table["tensors"].iloc[4] == ()


@pytest.mark.parametrize(("address", "align"), [(2**32, 4096), (2**32 + 64, 64), (2**32 + 256, 256), (2**32 + 8192, 4096)])
def test_alignment_is_that_of_the_address(gnn: MakeGnn, address: int, align: int) -> None:
    trace = gnn()
    trace.write("tensors", trace.frame("tensors").assign(address=np.uint64(address)))
    assert tensor_objects(trace)["row_align_bytes"].iloc[0] == align


def test_layers_are_the_numbers_in_names() -> None:
    assert layer_of("model.layers.12.weight") == 12
    assert layer_of("model.fc1.weight") is None
    assert layers_of(["a.0.w", "a.1.w", "a.1.b", "c"]) == {0, 1}
