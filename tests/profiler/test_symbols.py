"""Functions, lines and names of sites: from real symbol tables and debug information, and by words alone."""

from pathlib import Path

import pytest

from tierprof.profiler.image import Image
from tierprof.profiler.modules import Images
from tierprof.profiler.names import Frame, is_allocator, own_frame, site_name, without_arguments
from tierprof.profiler.symbols import Symboliser, demangle


def offset_of(path: Path, function: str) -> int:
    image = Image.open(str(path))
    assert image is not None
    rows = range(len(image.functions.value))
    return next(int(image.functions.value[row]) for row in rows if image.functions.name(row) == function)


def line_of(source: Path, text: str) -> int:
    return next(number for number, line in enumerate(source.read_text().splitlines(), 1) if text in line)


def test_an_offset_gives_its_function_and_line(compile_program) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a program compiled with -g
    path = compile_program("recover_run")
    source = Path(__file__).parent.parent / "programs" / "recover_run.c"
    found = Symboliser(Images()).symbols([(str(path), offset_of(path, "main"))])
    symbol = found[str(path), offset_of(path, "main")]
    assert (symbol.function, symbol.file) == ("main", "recover_run.c")
    assert symbol.line == line_of(source, "int main(void)")


def test_without_debug_information_the_function_is_still_known(compile_program) -> None:  # type: ignore[no-untyped-def]
    path = compile_program("recover_run", "-g0")
    place = (str(path), offset_of(path, "main") + 2)
    assert Symboliser(Images()).symbols([place])[place] == ("main", "", 0)


def test_without_time_for_lines_the_function_is_still_known(compile_program) -> None:  # type: ignore[no-untyped-def]
    path = compile_program("recover_run")
    place = (str(path), offset_of(path, "main"))
    assert Symboliser(Images(), line_budget_s=0).symbols([place])[place] == ("main", "", 0)


def test_what_is_in_no_file_has_no_name() -> None:
    assert Symboliser(Images()).symbols([("[vdso]", 64), ("", 0)]) == {("[vdso]", 64): ("", "", 0), ("", 0): ("", "", 0)}


def test_static_data_are_named_by_their_symbol(compile_program) -> None:  # type: ignore[no-untyped-def]
    path = compile_program("recover_static")
    image = Image.open(str(path))
    assert image is not None
    names = [image.statics.name(row) for row in range(len(image.statics.value))]
    table = int(image.statics.value[names.index("table")])
    symboliser = Symboliser(Images())
    assert symboliser.static_name(str(path), table + 100) == "table"
    assert symboliser.static_name(str(path), table + 1000 * 8) != "table"


def frame(function: str, file: str = "", line: int = 0) -> Frame:
    return Frame("/lib/libx.so", 0x40, function, file, line)


C_ALLOCATORS = ["malloc", "xcalloc", "_Znwm", "strdup", "mmap64", "posix_memalign", "GB_malloc_memory", "igraph_vector_int_reserve"]
PYTHON_ALLOCATORS = ["PyMem_RawRealloc", "PyDataMem_UserNEW", "_PyObject_Malloc"]
CXX_ALLOCATORS = [
    "operator new(unsigned long)",
    "operator new[](unsigned long)",
    "std::vector<double>::resize",
    "std::vector<int, std::allocator<int> >::_M_realloc_insert<int>",
]


@pytest.mark.parametrize("function", [*C_ALLOCATORS, *PYTHON_ALLOCATORS, *CXX_ALLOCATORS])
def test_suppliers_of_memory_are_known_by_their_words(function: str) -> None:
    assert is_allocator(frame(function))


@pytest.mark.parametrize(
    "function", ["main", "load_edges", "GrB_vxm", "pagerank", "std::map<int, std::allocator<int> >::find", "renew_lease"]
)
def test_others_are_not(function: str) -> None:
    assert not is_allocator(frame(function))


def test_a_site_is_named_after_the_innermost_frame_that_is_no_allocator() -> None:
    stack = [frame("calloc"), frame("xmalloc"), frame("load_edges", "graph.c", 42), frame("main", "graph.c", 90)]
    assert own_frame(stack) == 2
    assert site_name(stack) == "load_edges graph.c:42"


def test_a_maker_is_named_with_whom_it_works_for() -> None:
    stack = [frame("GB_malloc_memory"), frame("GB_new_bix"), frame("GB_new"), frame("GrB_vxm"), frame("main")]
    assert site_name(stack) == "GB_new_bix <- GrB_vxm"


def test_an_interpreter_works_for_nobody() -> None:
    stack = [frame("PyList_New"), frame("_PyEval_EvalFrameDefault"), frame("cfunction_vectorcall_NOARGS"), frame("gc_collect_main")]
    assert site_name(stack) == "PyList_New <- gc_collect_main"


def test_frames_without_names_show_where_they_are() -> None:
    assert site_name([frame("malloc"), frame("")]) == "libx.so+0x40"
    assert site_name([]) == "?"
    assert frame("f", "f.c", 3).full == "libx.so+0x40 f f.c:3"


def test_template_arguments_and_parameters_are_left_out() -> None:
    assert without_arguments("prpack::solver<int, std::less<int> >::solve(double, int)") == "prpack::solver::solve"
    assert without_arguments("operator<<(int)") == "operator<<(int)"
    assert without_arguments("plain") == "plain"


def test_names_are_demangled_where_the_tool_is(monkeypatch: pytest.MonkeyPatch) -> None:
    if demangle(["_ZN3foo3barEi"]):
        assert demangle(["_ZN3foo3barEi", "plain"]) == {"_ZN3foo3barEi": "foo::bar"}
    monkeypatch.setenv("PATH", "")
    assert demangle(["_ZN3foo3barEi"]) == {}
