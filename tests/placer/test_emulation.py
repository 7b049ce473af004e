"""The emulated tier: what stalls on it is delayed, nothing else is, and the delay is found that gives the factor that was asked for."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from tierprof.base.errors import TierError
from tierprof.base.schema import RECIPES
from tierprof.placer import emulation
from tierprof.placer.achieved import counters_of, total
from tierprof.placer.binary import write_plan, write_recipes
from tierprof.placer.emulation import ProbeRun, calibrate, compare, prepared_probe, search
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.raw import read_meta
from tierprof.profiler.trace import Trace

NOTE_NO_EMULATION = 5
SLOW = TierSpec("slow", "emulated", factor=2.0)


class Profiled(NamedTuple):
    """A program, and what a profile of it told."""

    program: Path
    key: str  # of its one large array
    recipes: pa.Table


@pytest.fixture(scope="module", params=["sha1", "none"])
def reader(
    request: pytest.FixtureRequest, perf_allowed: None, compile_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Profiled:
    """place_emulated, profiled as any program is; with a build-id, and without."""
    program = compile_program("place_emulated", f"-Wl,--build-id={request.param}")
    path = tmp_path_factory.mktemp("traces") / "reader.trace"
    assert session.run([str(program), "main"], path, LaunchOptions(source="clock")).exit_status == 0
    trace = Trace.open(path)
    objects = trace.objects()
    return Profiled(program, str(objects.loc[objects["largest_bytes"].idxmax(), "key"]), trace.table("recipes"))


RunReader = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run_reader(reader: Profiled, tmp_path: Path, run_shim: Callable[..., Any]) -> RunReader:
    """`run_reader(mode, tier)`: run it with its array in the tier; the counters of its processes."""

    def run_one(mode: str, tier: str, delay_ratio: float = 1.0) -> list[dict[str, Any]]:
        plan = Plan((TierSpec("dram"), SLOW), "dram", (PlannedObject(reader.key, tier),))
        write_plan(tmp_path / "plan.bin", plan, {"slow": delay_ratio})
        write_recipes(tmp_path / "recipes.bin", reader.recipes)
        env = {"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_RECIPES": str(tmp_path / "recipes.bin")}
        run = run_shim(reader.program, mode, env=env)
        assert run.completed.returncode == 0
        return counters_of(run.raw)

    return run_one


@pytest.mark.parametrize("mode", ["main", "threads"])
def test_reads_of_an_object_in_the_slow_tier_are_delayed(mode: str, run_reader: RunReader) -> None:
    # WHEN an array that is read at random is in the slow tier
    counters = run_reader(mode, "slow")
    # THEN samples fall on it and are delayed, by no more than the useful time that they stand for
    assert total(counters, "emul_delayed") > 0
    assert 0 < total(counters, "emul_delay_ns") <= 1.05 * total(counters, "emul_useful_ns")
    # and few of the program's instructions are unknown
    assert total(counters, "emul_unknown_instruction") < 0.2 * total(counters, "emul_signals")


@pytest.mark.parametrize("mode", ["main", "threads"])
def test_nothing_is_delayed_while_the_object_is_in_the_fast_tier(mode: str, run_reader: RunReader) -> None:
    counters = run_reader(mode, "dram")
    assert total(counters, "emul_delayed") == 0
    assert total(counters, "emul_delay_ns") == 0
    assert total(counters, "emul_elsewhere") > 0


def test_a_forked_child_is_delayed_on_its_own(run_reader: RunReader) -> None:
    # WHEN only a forked child reads the array
    counters = run_reader("child", "slow")
    # THEN its counters tell of delay
    assert len(counters) == 2
    child = max(counters, key=lambda one: one["emul_useful_ns"])
    assert child["emul_delayed"] > 0


def test_programs_may_do_what_they_like_with_sigtrap(
    perf_allowed: None, tmp_path: Path, compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    # GIVEN emulation, with samples but without any recipe
    write_plan(tmp_path / "plan.bin", Plan((TierSpec("dram"), SLOW), "slow"), {"slow": 1.0})
    write_recipes(tmp_path / "recipes.bin", RECIPES.empty_table())
    env = {"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_RECIPES": str(tmp_path / "recipes.bin")}
    # WHEN a program sets SIGTRAP's default action, a handler, and ignores it
    run = run_shim(compile_program("place_signal"), env=env)
    # THEN samples do not kill it, its own signals reach its own handler, and it is told what it had set
    assert (run.completed.returncode, run.completed.stdout) == (0, b"rounds 2 seen 1 before default after ignored\n")
    counters = counters_of(run.raw)
    assert total(counters, "emul_signals") > 0
    # and instructions without a recipe are counted, not delayed
    assert total(counters, "emul_unknown_instruction") > 0
    assert total(counters, "emul_delayed") == 0


def test_where_perf_is_forbidden_the_program_runs_without_delay_and_a_note_says_why(
    tmp_path: Path, compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    write_plan(tmp_path / "plan.bin", Plan((TierSpec("dram"), SLOW), "slow"), {"slow": 1.0})
    write_recipes(tmp_path / "recipes.bin", RECIPES.empty_table())
    env = {"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_RECIPES": str(tmp_path / "recipes.bin")}
    run = run_shim(compile_program("no_perf"), str(compile_program("place_basic")), env=env)
    if run.completed.returncode == 77:
        pytest.skip("this kernel has no seccomp filters")
    assert run.completed.stdout == b"good\n"
    notes = [note for path in run.raw.glob("meta.*.bin") for note in read_meta(path).notes]
    assert [note.code for note in notes] == [NOTE_NO_EMULATION]
    assert "perf is forbidden here (kernel.perf_event_paranoid" in notes[0].text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there are no recipes"),
        (b"TPRECIP\0", "they are no recipes"),
        (b"TPRECIP\0\2\0\0\0" + bytes(20), "of another version"),
        (b"TPRECIP\0\1\0\0\0\1\0\0\0" + bytes(16), "cut short"),
    ],
)
def test_without_good_recipes_there_is_no_delay_and_a_note_says_why(
    content: bytes | None, why: str, tmp_path: Path, compile_program: Callable[..., Path], run_shim: Callable[..., Any]
) -> None:
    write_plan(tmp_path / "plan.bin", Plan((TierSpec("dram"), SLOW), "slow"), {"slow": 1.0})
    env = {"TIERPROF_PLAN": str(tmp_path / "plan.bin")}
    if content is not None:
        (tmp_path / "recipes.bin").write_bytes(content)
        env["TIERPROF_RECIPES"] = str(tmp_path / "recipes.bin")
    run = run_shim(compile_program("place_basic"), env=env)
    assert run.completed.stdout == b"good\n"
    (note,) = read_meta(next(run.raw.glob("meta.*.bin"))).notes
    assert note.code == NOTE_NO_EMULATION
    assert why in note.text


def test_the_probe_is_delayed_where_it_should_be(perf_allowed: None) -> None:
    with prepared_probe() as probe:
        plain, slowed = probe.run(0.0, seconds=0.3), probe.run(1.0, threads=2, seconds=0.3)
    assert plain.delay_ns == 0
    assert plain.injected == 1.0
    assert slowed.delay_ns > 0
    assert slowed.injected > 1.0


def probe_run(slow: float, fast: float = 100.0, rounds: int = 9, delay_ns: int = 0) -> ProbeRun:
    """Reads that take 100 ns without the delay."""
    plain = np.full(rounds, 100.0)
    return ProbeRun(np.full(rounds, fast), np.full(rounds, slow), plain, plain, 1000, delay_ns)


def test_factors_are_relative_to_reads_of_the_same_round() -> None:
    # GIVEN reads that take 2.5 times as long with the delay, on a machine whose speed changes from round to round
    rng = np.random.default_rng(1)
    speed = rng.uniform(1, 2, 400)
    noise = [speed * (1 + rng.normal(0, 0.01, 400)) for _ in range(4)]
    run = ProbeRun(110 * noise[0], 250 * noise[1], 100 * noise[2], 100 * noise[3], 1000, 0)
    # WHEN they are compared
    found = compare([run, run])
    # THEN that cancels
    assert found.slow == pytest.approx(2.5, rel=0.01)
    assert found.low <= found.slow <= found.high
    assert found.high - found.low < 0.02
    assert found.fast == pytest.approx(1.1, rel=0.01)


def test_the_injected_factor_follows_from_delay_and_time() -> None:
    # 1000 reads a round, three rounds of 50 ns: 150 us, of which 90 us were delay
    assert probe_run(50.0, rounds=3, delay_ns=90_000).injected == pytest.approx(2.5)


@pytest.mark.parametrize("factor", [1.2, 2.0, 3.0])
@pytest.mark.parametrize("recognised", [0.5, 0.97, 1.3])
def test_the_search_finds_the_delay(factor: float, recognised: float) -> None:
    # GIVEN a machine on which a part of the stalls is recognised, and which grows slower than in proportion
    tried = []

    def achieved_by(ratio: float) -> float:
        tried.append(ratio)
        return 1.0 + recognised * ratio**1.05

    # THEN the delay makes up for that, in few steps
    ratio = search(factor, achieved_by)
    assert achieved_by(ratio) == pytest.approx(factor, rel=0.02)
    assert len(tried) <= 4  # with the one just above


def test_delays_without_effect_are_told() -> None:
    with pytest.raises(TierError, match=r"a delay of 1\.50s for each second made reads 1\.00 times as slow"):
        search(2.5, lambda _ratio: 1.0)


class _FakeProbe:
    made = 0

    def run(self, delay_ratio: float) -> ProbeRun:
        _FakeProbe.made += 1
        return probe_run(100.0 * (1 + delay_ratio), delay_ns=int(9 * 1000 * 100 * delay_ratio))

    def runs(self, delay_ratio: float, *, count: int = 2, threads: int = 1) -> list[ProbeRun]:
        return [self.run(delay_ratio) for _ in range(count)]


def test_a_calibration_is_kept_for_each_factor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def fake() -> Iterator[_FakeProbe]:
        yield _FakeProbe()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(emulation, "prepared_probe", fake)
    # WHEN a factor is asked for twice
    first = calibrate(2.5)
    measured = _FakeProbe.made
    # THEN the second answer is the first, without a measurement
    assert calibrate(2.5) == first
    assert _FakeProbe.made == measured
    assert (first.delay_ratio, first.achieved, first.injected, first.fast_factor) == pytest.approx((1.5, 2.5, 2.5, 1.0))
    # but another factor is measured, and so is a kept one that is damaged, of another format, or not wanted
    calibrate(2.0)
    assert _FakeProbe.made == 2 * measured
    (kept,) = (tmp_path / "tierprof").glob("emulated-2.5-*.json")
    for damage in ("{", json.dumps({**json.loads(kept.read_text()), "format": 0})):
        kept.write_text(damage)
        assert calibrate(2.5) == first
    calibrate(2.5, anew=True)
    assert _FakeProbe.made == 5 * measured
