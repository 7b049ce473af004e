"""What torch's kernels do to their operands."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tierprof.placer.guide import kernels
from tierprof.placer.guide.access import GATHER, tensor_access
from tierprof.placer.guide.kernels import judge_operands, kernel_of, with_kernels
from tierprof.placer.guide.loops import JUMPS, SWEEPS, UNCLEAR
from tierprof.profiler.modules import Images
from tierprof.profiler.trace import Trace

from .made import ITEM, MIB, Seen, random_places

MakeGnn = Callable[..., Trace]


@pytest.mark.parametrize(
    ("function", "kernel"),
    [
        (
            "callback_fn<at::native::cpu_index_kernel<float, at::native::(anonymous namespace)::index_put_kernel(at::TensorIterator&",
            "index_put",
        ),
        (
            "callback_fn<at::native::cpu_index_kernel<float, at::native::(anonymous namespace)::index_kernel(at::TensorIteratorBase&",
            "index",
        ),
        ("at::native::index_select_out_cpu_(at::Tensor const&, long", "index"),
        ("at::native::embedding_dense_backward_cpu(at::Tensor const&", "index_put"),
        ("mkl_sparse_s_csr_ng_n_mm_c_ker_i4_def", "sparse product"),
        ("callback_fn<at::native::AVX2::VectorizedLoop2d<at::native::(anonymous namespace)::mul_kernel", "elementwise"),
        ("mkl_blas_def_sgemm_kernel_0_zen", "dense product"),
        ("fbgemm::radix_sort_parallel<long, long>", ""),
        ("main", ""),
    ],
)
def test_functions_are_told_by_their_names(function: str, kernel: str) -> None:
    assert kernel_of(function) == kernel


def _samples(*rows: tuple[int, str, bool, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["site", "kernel", "write", "place"])


def test_a_table_is_gathered_and_its_index_is_not_told() -> None:
    # GIVEN an index kernel that reads floats of one object and 64-bit numbers of another, and writes a third
    found = judge_operands(_samples((0, "index", False, 4), (0, "index", False, 40), (1, "index", False, 8), (2, "index", True, 16)))
    assert list(found) == [JUMPS, JUMPS, UNCLEAR, SWEEPS]


def test_a_sparse_product_gathers_rows_and_sweeps_its_matrix() -> None:
    # GIVEN vectors of a dense operand, numbers of the sparse one, and a result that is added to
    found = judge_operands(
        _samples(
            (0, "sparse product", False, 32),
            (0, "sparse product", False, 96),
            (1, "sparse product", False, 36),
            (2, "sparse product", False, 64),
            (2, "sparse product", True, 64),
        )
    )
    assert list(found) == [JUMPS, JUMPS, UNCLEAR, UNCLEAR, SWEEPS]


def test_what_is_added_to_by_index_is_read_by_index_too() -> None:
    found = judge_operands(_samples((0, "index_put", False, 4), (0, "index_put", True, 4), (1, "index_put", False, 4)))
    assert list(found) == [JUMPS, JUMPS, UNCLEAR]


def test_a_base_alone_is_enough_and_no_kernel_tells_nothing() -> None:
    assert list(judge_operands(_samples((0, "elementwise", False, -1), (0, "", False, 4)))) == [SWEEPS, UNCLEAR]


def _in_program(gnn: MakeGnn, program: Path, build_id: str) -> Trace:
    """Five samples on a small table, in the program's main."""
    image = Images().get(str(program))
    assert image is not None
    row = next(at for at in range(len(image.functions.value)) if image.functions.name(at) == "main")
    places = random_places(64 * MIB, 5)
    trace = gnn(seen=(Seen(1, ITEM, places, offset=int(image.functions.value[row]) + 4),))
    module = {"module": 0, "pid": 1, "time_ns": 0, "start": np.uint64(0), "end": np.uint64(2**40), "bias": np.uint64(0)}
    trace.write("modules", pd.DataFrame([{**module, "path": str(program), "build_id": build_id}]))
    return trace


def test_functions_are_read_from_the_files_that_ran(
    gnn: MakeGnn, compile_program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a program whose main is an index kernel
    program = compile_program("place_two_arrays")
    monkeypatch.setattr(kernels, "kernel_of", lambda function: "index" if function == "main" else "")
    image = Images().get(str(program))
    assert image is not None
    # THEN five samples tell a gather
    trace = _in_program(gnn, program, image.build_id.hex())
    found = tensor_access(trace, [ITEM])[ITEM]
    assert (found.kind, found.why) == (GATHER, "5 samples; gather 100%; 100% in index kernels")
    # AND where the file is another by now, nothing is read from it
    modules = trace.frame("modules").assign(build_id="00" * 20)
    trace.write("modules", modules)
    assert set(with_kernels(trace, trace.frame("samples"))["kernel"]) == {""}


def test_first_touches_that_go_up_are_told(gnn: MakeGnn) -> None:
    # GIVEN a table that was filled in order
    trace = gnn(seen=(Seen(1, ITEM, np.arange(10) * 4096, access="store"),))
    samples = trace.frame("samples")
    trace.write("samples", pd.concat([samples, samples.assign(event="fault", confidence="none")], ignore_index=True))
    assert tensor_access(trace, [ITEM])[ITEM].why.endswith("100% of 9 first touches in order")
