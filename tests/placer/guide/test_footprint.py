"""How memory grows: what one run tells, and what several do."""

from collections.abc import Callable

import pandas as pd
import pytest

from tierprof.placer.guide.footprint import Footprint, footprint
from tierprof.placer.guide.guide import build_guide
from tierprof.placer.guide.settings import batch_option, layers_option, settings
from tierprof.placer.guide.tensors import tensor_objects
from tierprof.placer.guide.words import FOOTPRINT, lines
from tierprof.profiler.trace import Trace

from .made import ACTIVATION, MIB

MakeGnn = Callable[..., Trace]
GIB = 2**30


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["python", "-m", "x", "--batch-size", "1024", "--users", "1e5"], {"batch-size": 1024, "users": 1e5}),
        (["x", "--batch_size=8k", "--flag", "--lr", "-0.5"], {"batch-size": 8000, "lr": -0.5}),
        (["x", "--graph", "a.npz", "7"], {}),
        ([], {}),
    ],
)
def test_settings_are_the_numbers_of_the_command_line(command: list[str], expected: dict[str, float]) -> None:
    assert settings({"command": command}) == expected


def test_batch_and_layers_are_found_by_name() -> None:
    assert batch_option({"bs": 4.0, "lr": 1.0}) == "bs"
    assert layers_option({"hops": 2.0}) == "hops"
    assert batch_option({"batch": 0.0}) is None


def _of(trace: Trace, against: tuple[Trace, ...] = (), dram_bytes: int | None = 2 * GIB) -> Footprint:
    return footprint(trace, tensor_objects(trace), dram_bytes, against)


def test_bytes_by_role_are_those_at_the_tensors_peak(gnn: MakeGnn) -> None:
    # GIVEN tables of 320 MiB, their gradient and moment of 256 MiB each, one activation of 128 MiB at a time, a graph, a queue
    own = _of(gnn())
    expected = {"parameter": 320, "gradient": 256, "optimizer": 256, "buffer": 0, "activation": 128, "data": 100}
    assert own.bytes == {role: size * MIB for role, size in expected.items()}
    assert own.other_bytes == 32 * MIB
    assert own.fixed_bytes == 832 * MIB
    assert own.room_bytes == 2 * GIB - (832 + 100 + 32) * MIB


def test_one_run_tells_where_dram_ends_if_activations_alone_grow(gnn: MakeGnn) -> None:
    own = _of(gnn())
    assert own.batch == ("batch-size", 1024)
    assert own.depth == ("layers", 3)
    assert own.leaves_at(own.batch) == pytest.approx(1024 * (2048 - 964) / 128)
    assert own.growth is None
    assert own.no_growth.startswith("one run does not tell")
    guide = build_guide(gnn("again"))
    assert guide is not None
    texts = [line.text for line in lines(guide) if line.topic == FOOTPRINT]
    assert "832.0MiB that no batch changes (parameter 320.0MiB, gradient 256.0MiB, optimizer 256.0MiB)" in texts[0]
    assert any("DRAM is left at a batch size of 57,824" in text for text in texts)  # 8 GiB of the traced machine
    assert any("One run does not tell that" in text for text in texts)


def test_a_budget_that_is_full_already_has_no_limit(gnn: MakeGnn) -> None:
    own = _of(gnn(), dram_bytes=512 * MIB)
    assert own.leaves_at(own.batch) is None


def test_without_a_batch_option_the_line_says_so(gnn: MakeGnn) -> None:
    guide = build_guide(gnn(command=["python", "gnn.py"]))
    assert guide is not None
    texts = [line.text for line in lines(guide) if line.topic == FOOTPRINT]
    assert "The batch size at which DRAM is left is unknown: the command line has no option for it." in texts


def test_layers_of_names_are_summed(gnn: MakeGnn) -> None:
    trace = gnn()
    tensors = trace.frame("tensors")
    trace.write("tensors", tensors.assign(name=["m.0.w", "m.1.w", "m.0.w.grad", "m.w"]))
    assert _of(trace).layers == {0: 512 * MIB, 1: 64 * MIB}


def _with_activations(gnn: MakeGnn, name: str, size: int, *options: str) -> Trace:
    trace = gnn(name, command=["python", "gnn.py", *options])
    table = trace.frame("allocations")
    table.loc[table["site"] == ACTIVATION, "size_bytes"] = size
    trace.write("allocations", table)
    return trace


def test_several_runs_are_fitted(gnn: MakeGnn) -> None:
    # GIVEN activations of 64 KiB an example and 10 MiB a layer, beside 20 MiB
    def run(batch: int, layers: int) -> Trace:
        size = 20 * MIB + 65536 * batch + 10 * MIB * layers
        return _with_activations(gnn, f"run{batch}x{layers}", size, "--batch", str(batch), "--layers", str(layers))

    trace, others = run(100, 2), (run(200, 2), run(100, 4), run(400, 3))
    own = _of(trace, others)
    # THEN the fit finds them, and where 2 GiB end with the other setting as it is
    assert own.growth is not None
    assert own.growth.settings == ("batch", "layers")
    assert own.growth.slope["activation"] == pytest.approx((65536, 10 * MIB))
    assert own.growth.slope["parameter"] == pytest.approx((0, 0), abs=1)
    assert own.growth.worst == pytest.approx(0, abs=1e-9)
    rest = (832 + 100 + 32 + 20 + 2 * 10) * MIB
    assert own.fitted_leaves_at("batch", settings(trace.meta)) == pytest.approx((2 * GIB - rest) / 65536)


def test_as_many_runs_as_unknowns_check_nothing_and_that_is_said(gnn: MakeGnn) -> None:
    # GIVEN two runs with 64 KiB an example
    one = _with_activations(gnn, "one", 100 * 65536, "--batch", "100")
    two = _with_activations(gnn, "two", 200 * 65536, "--batch", "200")
    guide = build_guide(one, against=[two])
    assert guide is not None
    text = [line.text for line in lines(guide) if line.topic == FOOTPRINT][-1]
    assert text.startswith("For each unit of --batch: activation 64.0KiB (least squares over 2 runs, as many as there are unknowns")


def test_runs_that_do_not_tell_settings_apart_are_not_fitted(gnn: MakeGnn) -> None:
    one = _with_activations(gnn, "one", 64 * MIB, "--batch", "100", "--layers", "2")
    two = _with_activations(gnn, "two", 128 * MIB, "--batch", "200", "--layers", "4")
    own = _of(one, (two,))
    assert own.growth is None
    assert own.no_growth == "2 runs that differ in --batch, --layers do not tell these apart: 3 runs or more are needed"


def test_runs_of_other_programs_do_not_count(gnn: MakeGnn) -> None:
    other = gnn("other", program="dlrm")
    assert _of(gnn(), (other,)).no_growth.startswith("one run")


def test_nothing_named_leaves_the_rest_as_it_is(gnn: MakeGnn) -> None:
    own = _of(gnn(named=False))
    assert own.layers == {}
    assert own.fixed_bytes == 0
    assert isinstance(own.bytes, dict) and pd.notna(own.bytes["data"])
