"""From a raw folder to the trace and the verbs that read it: the shim's files are real, the engine's are made here."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tierprof import cli
from tierprof.base.errors import TraceError
from tierprof.base.schema import TABLES
from tierprof.profiler.convert import convert
from tierprof.profiler.exact.options import ExactOptions
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.exact.tables import NAMES
from tierprof.profiler.features import COLUMNS
from tierprof.profiler.launch import LaunchOptions, LaunchResult, launch
from tierprof.profiler.raw import read_allocations
from tierprof.profiler.trace import Trace

STACK, STATIC = (1 << 24) - 16, (1 << 24) - 15
HOT_BYTES, WARM_BYTES = 24 << 20, 40 << 20
MACHINE = "optane100-x6"

CompileProgram = Callable[..., Path]
Made = tuple[Path, LaunchResult, list[str]]


@pytest.fixture
def shimmed(compile_program: CompileProgram, tmp_path: Path) -> Made:
    """The raw folder of a run under the shim alone, and how it went, as if the engine had been there too."""
    command = [str(compile_program("place_two_arrays"))]
    raw = tmp_path / "raw"
    result = launch(command, raw, LaunchOptions(source="none", discard_stdout=True))
    (tmp_path / "t").mkdir()
    return raw, replace(result, source="exact", exact=ExactOptions("cores 1\n", MACHINE), engine="3.19.0"), command


def sites_by_size(raw: Path) -> dict[int, int]:
    """The process's own number of each site, by the size that it allocated."""
    (path,) = raw.glob("alloc.*.bin")
    records = read_allocations(path)
    return {int(record["size"]): int(record["site"]) for record in records if record["size"]}


def name_of(raw: Path) -> str:
    """What the engine's file of the one process is called."""
    (path,) = raw.glob("alloc.*.bin")
    return path.name.replace("alloc.", "exact.", 1)


def counted(exact_file: Any, hot: int, warm: int, weight: float = 1.0) -> Any:
    """Two arrays: one read four times as often as the other, both at random, far beyond the caches."""
    builder = exact_file("cores 1\nl3_bytes 1048576\n").thread(instructions=20_000, loads=5_000, stores=500, base_cycles=30_000)
    builder.object(hot, loads=4_000, far_loads=3_000, l2_misses=3_000, read_blocks=3_000)
    builder.object(warm, loads=1_000, stores=500, far_loads=750, rfo_lines=50, l2_misses=800, writeback_lines=50, read_blocks=800)
    builder.object(STACK, loads=70, stores=30).object(STATIC, loads=5)
    builder.episode([(hot, 0, 3, 1)], count=3_000, base_cycles=6_000, instructions=9_000, misses=3_000)
    builder.episode([(warm, 0, 3, 1)], count=750, base_cycles=1_500, instructions=2_000, misses=750)
    return builder.slice(20_000, weight)


def converted(shimmed: Made, data: bytes) -> Trace:
    raw, result, command = shimmed
    (raw / name_of(raw)).write_bytes(data)
    folder = raw.parent / "t"
    convert(raw, folder, result, command)
    return Trace.open(folder)


@pytest.fixture
def trace(shimmed: Made, exact_file: Any) -> Trace:
    """The trace of the two arrays."""
    sites = sites_by_size(shimmed[0])
    return converted(shimmed, counted(exact_file, sites[HOT_BYTES], sites[WARM_BYTES], weight=2.0).end().bytes())


def test_counts_are_the_objects_own(trace: Trace) -> None:
    # GIVEN a run of which every other instruction was measured
    objects = trace.objects().set_index("peak_bytes")
    # THEN each object has what the engine counted for its site, for the whole run
    hot, warm = objects.loc[HOT_BYTES], objects.loc[WARM_BYTES]
    assert hot[["loads", "stores", "l3_misses", "writeback_lines"]].tolist() == [8_000, 0, 6_000, 0]
    assert warm[["loads", "stores", "l3_misses", "writeback_lines"]].tolist() == [2_000, 1_000, 1_600, 100]
    assert (warm["accesses"], warm["write_share"], warm["threads"]) == (3_000, 1 / 3, 1)
    # AND what only samples or the program's own clock could tell is not known
    assert objects[["entropy", "lifetime_s", "live_share"]].isna().all(axis=None)
    assert set(COLUMNS) < set(objects.reset_index().columns)


def test_tables_and_meta_tell_of_the_engine(trace: Trace) -> None:
    for name in NAMES:
        assert trace.table(name).schema.equals(TABLES[name])
    meta = trace.meta
    exact = {name: meta["exact"][name] for name in ("machine", "engine", "instructions", "measured", "loads", "stores", "cut", "files")}
    assert exact == {
        "machine": MACHINE,
        "engine": "valgrind 3.19.0",
        "instructions": 20_000,
        "measured": 20_000,
        "loads": 5_000,
        "stores": 500,
        "cut": False,
        "files": 1,
    }
    # THEN the engine's time is not the program's
    assert [meta[name] for name in ("source", "samples", "duration_s", "user_s", "system_s", "overhead_s")] == ["exact", 0, *[None] * 4]
    assert meta["complete"]
    profile = ExactProfile.from_trace(trace)
    assert profile.config["l3_bytes"] == 1 << 20
    assert profile.object_ids.tolist()[:2] == [-2, -1]


def test_a_cut_run_is_marked_and_readable(shimmed: Made, exact_file: Any) -> None:
    # GIVEN a program that was killed within its second slice
    sites = sites_by_size(shimmed[0])
    data = counted(exact_file, sites[HOT_BYTES], sites[WARM_BYTES]).thread(loads=99).bytes()
    # WHEN it is converted
    trace = converted(shimmed, data)
    # THEN the first slice is there, and the trace says that it is not all
    assert trace.objects()["loads"].sum() == 5_000
    assert (trace.meta["complete"], trace.meta["exact"]["cut"]) == (False, True)
    assert any("is cut short: its last slice is missing" in note["text"] for note in trace.meta["notes"])


def test_a_site_that_the_shim_did_not_describe_is_one_object(shimmed: Made, exact_file: Any) -> None:
    # GIVEN counts of a site whose description was lost
    sites = sites_by_size(shimmed[0])
    trace = converted(shimmed, counted(exact_file, sites[HOT_BYTES], 12345).end().bytes())
    # THEN they are kept, as of the site that stands for no stack
    objects = trace.objects()
    assert objects.loc[objects["key"] == "0" * 32, "loads"].tolist() == [1_000]


def test_an_engine_that_left_nothing_is_one_line(shimmed: Made) -> None:
    # GIVEN an engine that could not begin, and said why
    raw, result, command = shimmed
    (raw / "engine.7.log").write_text("\n==7== valgrind: cannot do it\n==7== more\n")
    # WHEN the run is converted THEN the line has its words
    with pytest.raises(TraceError, match="the exact engine left no counts: ==7== valgrind: cannot do it; run `tierprof doctor`"):
        convert(raw, raw.parent / "t", result, command)


def test_a_file_that_cannot_be_read_costs_only_itself(shimmed: Made, exact_file: Any) -> None:
    # GIVEN a child whose file ends within its header
    sites = sites_by_size(shimmed[0])
    (shimmed[0] / "exact.999999.0.bin").write_bytes(b"TPEX")
    # WHEN the run is converted
    trace = converted(shimmed, counted(exact_file, sites[HOT_BYTES], sites[WARM_BYTES]).end().bytes())
    # THEN the others are read, and the loss is told
    assert trace.objects()["loads"].sum() == 5_000
    assert not trace.meta["complete"]
    assert any("exact.999999.0.bin cannot be read" in note["text"] for note in trace.meta["notes"])


Says = Callable[[Sequence[str]], str]


@pytest.fixture
def says(capfd: pytest.CaptureFixture[str]) -> Says:
    """`says(words)`: what the verb prints, which must succeed."""

    def run(words: Sequence[str]) -> str:
        assert cli.main(list(words)) == 0
        return capfd.readouterr().out

    return run


def test_objects_ranks_by_what_the_slow_tier_would_cost(trace: Trace, says: Says) -> None:
    facts = json.loads(says(["objects", str(trace.path), "--json"]))
    # THEN the array that is read more often comes first, though it is the smaller one
    assert [entry["peak_bytes"] for entry in facts["objects"][:2]] == [HOT_BYTES, WARM_BYTES]
    hot, warm = facts["objects"][:2]
    assert hot["stall_s"] > warm["stall_s"] > 0
    # AND shares are of the time of a run with everything in the slow tier
    assert facts["all_slow_s"] > facts["all_fast_s"] > 0
    assert hot["stall_share"] == pytest.approx(hot["stall_s"] / facts["all_slow_s"])
    assert [(entry["name"], entry["loads"]) for entry in facts["elsewhere"]] == [("stack", 140), ("static data", 10)]
    assert facts["duration_s"] is None


def test_objects_shows_the_table_and_what_is_beside_it(trace: Trace, says: Says) -> None:
    shown = says(["objects", str(trace.path), "--top", "2"])
    assert "counted; costs on optane100-x6" in shown
    assert "modelled on optane100-x6: " in shown
    assert "beside objects: stack 140 loads, 60 stores, 0 L3 misses" in shown
    assert "make_hot" in shown


def test_objects_without_a_model_says_why(trace: Trace, says: Says) -> None:
    # GIVEN a trace that was counted without a core
    trace.meta["exact"]["config"]["timing"] = 0
    trace.write_meta()
    # THEN the counts are shown, and one line says what is missing
    assert "no model: no times: the run was made with --no-timing; run it again without" in says(["objects", str(trace.path)])
    facts = json.loads(says(["objects", str(trace.path), "--json"]))
    assert (facts["all_fast_s"], facts["objects"][0]["stall_share"]) == (None, None)
    # AND the same where the machine is not known any more
    trace.meta["exact"] = {**trace.meta["exact"], "config": {"cores": 1}, "machine": "./gone.toml"}
    trace.write_meta()
    assert "no model: machine file gone.toml" in says(["objects", str(trace.path)])


def test_compare_takes_the_model_s_shares(trace: Trace, says: Says) -> None:
    facts = json.loads(says(["compare", str(trace.path), str(trace.path), "--json"]))
    assert all(entry["share_change"] == 0 for entry in facts["objects"])
    assert max(entry["stall_share_before"] for entry in facts["objects"]) > 0
    assert "exact" in says(["compare", str(trace.path), str(trace.path)])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["place", "t", "--budget", "dram=25%", "--by", "stall_share", "-o", "p"],
            "cannot be placed by stall_share: nothing was sampled in it",
        ),
        (["place", "t", "--budget", "dram=25%", "--by", "density", "-o", "p"], "cannot be placed by density: nothing was sampled in it"),
        (["measure", "t", "--objects", "1", "--repeat", "1", "--", "true"], "nothing says what the program's instructions read"),
    ],
)
def test_verbs_that_need_samples_say_so(
    trace: Trace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    monkeypatch.chdir(trace.path.parent)
    assert cli.main(words) == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert line in said


def test_place_by_accesses_needs_no_samples(trace: Trace, says: Says, tmp_path: Path) -> None:
    # GIVEN room for one of the two arrays
    words = ["place", str(trace.path), "--budget", "dram=40MiB", "--by", "accesses", "-o", str(tmp_path / "p"), "--json"]
    # THEN it is given to the one that is accessed more often, and no cost is made up
    objects = {entry["name"].split()[0]: entry for entry in json.loads(says(words))["objects"]}
    assert (objects["make_hot"]["tier"], objects["make_warm"]["tier"]) == ("dram", "slow")
    assert objects["make_hot"]["predicted_effect_s"] is None
