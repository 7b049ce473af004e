"""Names of Python frames: whose they are, and which one a site is called by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.profiler.python_frames import PythonFrame, library_root, own_python_frame, program_roots, stable_file

SITE = "/home/me/venv/lib/python3.12/site-packages"
OWN = PythonFrame("/home/me/gnn/lightgcn.py", 42, "LightGCN.__init__", 40)
TORCH = PythonFrame(f"{SITE}/torch/nn/modules/sparse.py", 130, "Embedding.__init__", 120)
RUNPY = PythonFrame("<frozen runpy>", 88, "_run_code", 65)


@pytest.mark.parametrize(
    ("file", "root"),
    [
        (f"{SITE}/torch/nn/modules/sparse.py", f"{SITE}/torch"),
        (f"{SITE}/six.py", f"{SITE}/six.py"),
        ("/usr/lib/python3/dist-packages/numpy/core/numeric.py", "/usr/lib/python3/dist-packages/numpy"),
        ("/usr/lib/python3.11/threading.py", "/usr/lib/python3.11/threading.py"),
        ("/usr/lib64/python3.13/json/decoder.py", "/usr/lib64/python3.13/json"),
        ("/opt/conda/lib/python3.13t/random.py", "/opt/conda/lib/python3.13t/random.py"),
        ("/usr/lib/python312.zip/encodings/utf_8.py", "/usr/lib/python312.zip/encodings"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("<__array_function__ internals>", "<__array_function__ internals>"),
        ("/home/me/gnn/lightgcn.py", ""),
        ("/home/me/lib/python/lightgcn.py", ""),
        ("/tmp/ngcf_NGCFConv_propagate_22_suas7.py", "/tmp/ngcf_NGCFConv_propagate_22_suas7.py"),
        ("lightgcn.py", ""),
        ("<string>", ""),
        ("<stdin>", ""),
    ],
)
def test_a_library_is_known_by_where_it_lies(file: str, root: str) -> None:
    assert library_root(file) == root


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("/home/me/gnn/lightgcn.py", "gnn/lightgcn.py"),
        ("lightgcn.py", "lightgcn.py"),
        ("/tmp/torch_geometric.nn.conv.lg_conv_LGConv_propagate_phrcts29.py", "torch_geometric.nn.conv.lg_conv_LGConv_propagate"),
        ("/scratch/7/gat_conv_GATConv_edge_updater_a_b_c_d_.py", "gat_conv_GATConv_edge_updater"),
        ("gat_conv_GATConv_edge_updater_abcdefgh.py", "gat_conv_GATConv_edge_updater"),
        ("/home/me/train_baseline.py", "me/train_baseline.py"),
        ("/home/me/label_propagate_v2.py", "me/label_propagate_v2.py"),
        ("/home/me/label_propagate_Baseline.py", "me/label_propagate_Baseline.py"),
    ],
)
def test_a_file_goes_by_what_is_the_same_in_every_run(file: str, same: str) -> None:
    assert stable_file(file) == same


def test_a_generated_module_is_shown_without_its_random_letters() -> None:
    shown = PythonFrame("/tmp/ngcf_NGCFConv_propagate_22_suas7.py", 162, "propagate", 116).short
    assert shown == "ngcf_NGCFConv_propagate:162 in propagate"


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("LightGCN.__init__", "__init__"),
        ("build", "build"),
        ("<module>", "<module>"),
        ("build.<locals>.<listcomp>", "build"),
        ("Model.rows.<locals>.<genexpr>.<locals>.<lambda>", "<lambda>"),
        ("Model.rows.<locals>.<genexpr>.<locals>.<listcomp>", "rows"),
    ],
)
def test_a_frame_is_shown_by_its_file_line_and_function(function: str, shown: str) -> None:
    assert PythonFrame("/a/b/pagerank.py", 31, function, 30).short == f"pagerank.py:31 in {shown}"


def test_wrapper_frames_of_libraries_are_passed_through() -> None:
    assert own_python_frame([TORCH, TORCH, OWN, TORCH]) == OWN


def test_a_stack_of_libraries_alone_is_called_by_its_innermost_frame() -> None:
    assert own_python_frame([TORCH, RUNPY]) == TORCH
    assert own_python_frame([]) is None


def test_a_package_that_is_run_is_no_library() -> None:
    # GIVEN python -m package.lightgcn, installed: its frames, and those of what it imports from another library
    main = PythonFrame(f"{SITE}/package/lightgcn.py", 9, "<module>", 1)
    model = PythonFrame(f"{SITE}/package/models.py", 5, "build", 4)
    stacks = [[TORCH, model, main, RUNPY, RUNPY], [TORCH]]
    roots = program_roots(stacks)
    # THEN the whole package is the program's own, and torch is not
    assert roots == {f"{SITE}/package"}
    assert own_python_frame(stacks[0], roots) == model
    # GIVEN a module of a library that is imported by a script
    assert program_roots([[PythonFrame(f"{SITE}/torch/__init__.py", 1, "<module>", 1), OWN]]) == frozenset()


@given(st.lists(st.sampled_from([OWN, TORCH, RUNPY]), max_size=6))
def test_the_own_frame_is_the_innermost_of_no_library(stack: list[PythonFrame]) -> None:
    own = own_python_frame(stack)
    assert own == (OWN if OWN in stack else stack[0] if stack else None)
