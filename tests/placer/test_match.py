"""Plans of another build: the shim's keys are reckoned anew, and sites are found by function and line."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.placer.match import StackFrame, frames_by_site, match_plan
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.site_key import NOWHERE, STEM_FRAMES, module_identity, site_key, site_stem
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.raw import MODULE_NONE
from tierprof.profiler.trace import Trace

MIB = 1 << 20

# The line that MORE replaces moves all that stands behind it, in the file and in the program.
SOURCE = """\
#include <stdlib.h>
#include <string.h>
MORE
static __attribute__((noinline)) char *keep(size_t size) {
    char *memory = malloc(size);
    if (memory != NULL) memset(memory, 1, size);
    return memory;
}
__attribute__((noinline)) char *left(void) { return keep(3 << 20) + 1; }
__attribute__((noinline)) char *right(void) { return keep(5 << 20) + 2; }
int main(void) {
    char *a = left(), *b = right();
    return a == NULL || b == NULL;
}
"""
MORE = """\
__attribute__((noinline, used)) int more(int n) { return n < 2 ? n : more(n - 1) + more(n - 2) * 3; }
int many[1000];
"""


def build(folder: Path, more: str, *options: str) -> Path:
    """Compile the source into folder/bin/prog."""
    folder.mkdir()
    (folder / "prog.c").write_text(SOURCE.replace("MORE", more))
    program = folder / "prog"
    command = ["gcc", "-g", "-O2", "-Wl,--build-id", *options, "prog.c", "-o", str(program)]
    subprocess.run(command, check=True, cwd=folder)
    return program


def record(program: Path, trace: Path) -> Trace:
    assert session.run([str(program)], trace, LaunchOptions(source="none")).exit_status == 0
    return Trace.open(trace)


def keys_by_size(trace: Trace) -> dict[int, str]:
    objects = trace.objects()
    return {int(size): str(key) for size, key in zip(objects["peak_bytes"], objects["key"], strict=True) if size >= MIB}


def plan_of(trace: Trace) -> Plan:
    frames = frames_by_site(trace.frame("stacks"))
    objects = trace.objects()
    large = objects[objects["peak_bytes"] >= MIB]
    rows = [PlannedObject(str(own.key), "dram", str(own.name), frames=frames[own.site]) for own in large.itertuples()]
    return Plan((TierSpec("dram"),), "dram", tuple(rows))


def test_keys_are_those_of_the_shim(compile_program: Callable[..., Path], run_shim, read_raw) -> None:  # type: ignore[no-untyped-def]
    # GIVEN a real run with sites in the program and in libraries
    (process,) = read_raw(run_shim(compile_program("stacks")).raw)
    modules = {module.module: module for module in process.meta.modules}
    checked = 0
    for site in process.meta.sites.values():
        frames = []
        for frame in site.frames:
            module = modules.get(int(frame["module"]))
            assert module is not None or int(frame["module"]) == MODULE_NONE
            identity = NOWHERE if module is None else module_identity(module.path, bytes.fromhex(module.build_id))
            frames.append((identity, int(frame["offset"])))
        # THEN each key follows from the frames
        assert site_key(frames) == site.key
        checked += 1
    assert checked > 2


@pytest.mark.parametrize("options", [(), ("-Wl,--build-id=none",)], ids=["build-id", "no build-id"])
def test_sites_are_found_in_a_program_that_was_built_anew(tmp_path: Path, options: tuple[str, ...]) -> None:
    # GIVEN a program, and the same with code before what allocates
    first, second = build(tmp_path / "one", "", *options), build(tmp_path / "two", MORE, *options)
    old, new = record(first, tmp_path / "old.trace"), record(second, tmp_path / "new.trace")
    before, after = keys_by_size(old), keys_by_size(new)
    assert set(before) == set(after) == {3 * MIB, 5 * MIB}
    assert not set(before.values()) & set(after.values())
    # WHEN the first one's plan is matched to the second
    match = match_plan(plan_of(old), second)
    # THEN both sites have the keys that the second really has
    assert {own.site for own in match.plan.objects} == set(after.values())
    assert (len(match.anew), len(match.lost)) == (2, 0)
    assert match.lines() == ["the plan is of another build: 2 of its 2 sites were matched by function and line"]
    # AND their stacks begin as those of the second do
    stems = {own.site: own.stem for own in match.plan.objects}
    assert stems == {own.site: own.stem for own in match_plan(plan_of(new), second).plan.objects}
    assert {len(stem) for stem in stems.values()} == {STEM_FRAMES}


def test_a_plan_of_this_build_is_left_as_it_is(tmp_path: Path) -> None:
    program = build(tmp_path / "one", "")
    plan = plan_of(record(program, tmp_path / "trace"))
    match = match_plan(plan, program)
    assert (match.plan, match.anew, match.lost, match.lines()) == (plan, (), (), [])


def test_a_site_that_is_gone_is_named(tmp_path: Path) -> None:
    # GIVEN a plan of a program whose functions have other names today
    plan = plan_of(record(build(tmp_path / "one", ""), tmp_path / "trace"))
    other = build(tmp_path / "two", MORE, "-Dright=other")
    # WHEN it is matched
    match = match_plan(plan, other)
    # THEN the one that is left is found, and the other is told by its name, and keeps its key
    lost = next(own for own in plan.objects if any(" right+" in frame for frame in own.frames))
    assert match.lost == (lost,)
    assert len(match.anew) == 1
    assert lost.site in {own.site for own in match.plan.objects}
    assert match.lines()[1].startswith("1 of the plan's 2 sites are not in this build")
    # AND the shim is told how its stack began, so that it need not look for it everywhere
    stems = {own.site: own.stem for own in match.plan.objects}
    assert len(stems[lost.site]) == STEM_FRAMES


def test_a_call_is_found_by_its_line_where_the_function_grew(tmp_path: Path) -> None:
    # GIVEN a build in which the function that allocates is longer, but the call is on the same line
    grown = "memset(memory, 1, size)", "{ memset(memory, 1, size); for (size_t i = 0; i < size; i += 7) memory[i] ^= (char)size; }"
    old = build(tmp_path / "one", "")
    plan = plan_of(record(old, tmp_path / "old.trace"))
    new = tmp_path / "two" / "prog"
    new.parent.mkdir()
    (new.parent / "prog.c").write_text(SOURCE.replace("MORE", "").replace(*grown))
    subprocess.run(["gcc", "-g", "-O2", "-Wl,--build-id", "prog.c", "-o", str(new)], check=True, cwd=new.parent)
    match = match_plan(plan, new)
    assert {own.site for own in match.plan.objects} == set(keys_by_size(record(new, tmp_path / "new.trace")).values())
    assert len(match.anew) == 2


def test_sites_in_a_library_that_was_built_anew_are_found(tmp_path: Path) -> None:
    # GIVEN a program whose arrays a library of its own makes, and the same program with another build of the library
    def both(name: str, more: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        library, main = SOURCE.replace("MORE", more).split("int main")
        (folder / "arrays.c").write_text(library)
        (folder / "prog.c").write_text("#include <stddef.h>\nchar *left(void);\nchar *right(void);\nint main" + main)
        command = ["gcc", "-g", "-O2", "-Wl,--build-id", "-Wl,-rpath,$ORIGIN"]
        subprocess.run([*command, "-shared", "-fPIC", "arrays.c", "-o", "libarrays.so"], check=True, cwd=folder)
        subprocess.run([*command, "prog.c", "-o", "prog", "-L.", "-larrays"], check=True, cwd=folder)
        return folder / "prog"

    first, second = both("one", ""), both("two", MORE)
    plan = plan_of(record(first, tmp_path / "old.trace"))
    # WHEN the plan is matched to the second THEN the sites have the keys that they really have there
    match = match_plan(plan, second)
    assert {own.site for own in match.plan.objects} == set(keys_by_size(record(second, tmp_path / "new.trace")).values())
    assert (len(match.anew), len(match.lost)) == (2, 0)


def test_objects_without_frames_are_taken_to_be_as_they_were(tmp_path: Path) -> None:
    plan = plan_of(record(build(tmp_path / "one", ""), tmp_path / "trace"))
    bare = replace(plan, objects=tuple(replace(own, frames=()) for own in plan.objects))
    assert match_plan(bare, build(tmp_path / "two", MORE)).plan == bare


names = st.text(st.characters(codec="ascii", exclude_categories=("C", "Z"), exclude_characters="[]"), max_size=12)


@given(
    st.builds(
        StackFrame,
        path=names.map(lambda name: f"/lib/a b/{name}"),
        build=st.sampled_from(["", "size 12", "0f" * 20]),
        offset=st.integers(0, 2**47),
        function=st.sampled_from(["", "main", "_ZN3foo3barEv", "operator.cold"]),
        file=st.sampled_from(["", "a.c", "a b.c"]),
    )
)
def test_a_frame_is_read_as_it_was_written(frame: StackFrame) -> None:
    whole = replace(frame, place=12 if frame.function else 0, function_bytes=40 if frame.function else 0, line=7 if frame.file else 0)
    assert StackFrame.parse(whole.text) == whole


def test_a_stem_ends_where_code_is_in_no_module() -> None:
    # GIVEN a stack whose third frame is in generated code, and whose first is of a function that calls itself
    first, second = ((1, 2), 3), ((4, 5), 6)
    # WHEN its beginning is told THEN it has two frames, each of which depends on those before it
    stem = site_stem([first, first, second, (NOWHERE, 0), second])
    assert stem == site_stem([first, second])
    assert stem[0] == site_stem([first])[0]
    assert site_stem([second])[0] not in stem
    assert site_stem([(NOWHERE, 0), first]) == ()
