"""The emulated tier: what stalls on it is delayed, nothing else is, and the delay is found that gives the factor that was asked for."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from tierprof.base.errors import TierError
from tierprof.base.native import native_path
from tierprof.base.schema import RECIPES
from tierprof.placer import emulation
from tierprof.placer.achieved import counters_of, total
from tierprof.placer.binary import write_plan, write_recipes
from tierprof.placer.emulation import ProbeRun, achieved_on_average, calibrate, compare, find, prepared_probe, search
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


def profile(program: Path, *args: str, trace: Path) -> Profiled:
    """Profile a program as any is."""
    assert session.run([str(program), *args], trace, LaunchOptions(source="clock", discard_stdout=True)).exit_status == 0
    found = Trace.open(trace)
    objects = found.objects()
    return Profiled(program, str(objects.loc[objects["largest_bytes"].idxmax(), "key"]), found.table("recipes"))


@pytest.fixture(scope="module", params=["sha1", "none"])
def reader(
    request: pytest.FixtureRequest, perf_allowed: None, compile_program: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Profiled:
    """place_emulated, profiled; with a build-id, and without."""
    program = compile_program("place_emulated", f"-Wl,--build-id={request.param}")
    return profile(program, "main", trace=tmp_path_factory.mktemp("traces") / "reader.trace")


class Emulated(NamedTuple):
    """What a program did with its large array in a tier."""

    stdout: bytes
    counters: list[dict[str, Any]]
    notes: list[str]


RunIn = Callable[..., Emulated]


@pytest.fixture
def run_in(tmp_path: Path, run_shim: Callable[..., Any]) -> RunIn:
    """`run_in(profiled, *args, slow=SLOW, tier="slow", delay_ratio=1.0)`: run it with its array in the tier."""

    def run_one(own: Profiled, *args: str, slow: TierSpec = SLOW, tier: str = "slow", delay_ratio: float = 1.0) -> Emulated:
        plan = Plan((TierSpec("dram"), slow), "dram", (PlannedObject(own.key, tier),))
        write_plan(tmp_path / "plan.bin", plan, {"slow": delay_ratio}, 100.0)
        write_recipes(tmp_path / "recipes.bin", own.recipes)
        env = {"TIERPROF_PLAN": str(tmp_path / "plan.bin"), "TIERPROF_RECIPES": str(tmp_path / "recipes.bin")}
        run = run_shim(own.program, *args, env=env)
        assert run.completed.returncode == 0
        notes = [note.text for path in run.raw.glob("meta.*.bin") for note in read_meta(path).notes if note.code == NOTE_NO_EMULATION]
        return Emulated(run.completed.stdout, counters_of(run.raw), notes)

    return run_one


RunReader = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run_reader(reader: Profiled, run_in: RunIn) -> RunReader:
    """`run_reader(mode, tier)`: run place_emulated with its array in the tier; the counters of its processes."""
    return lambda mode, tier: run_in(reader, mode, tier=tier).counters


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


def test_a_program_that_closes_all_descriptors_is_delayed_all_the_same(
    perf_allowed: None, compile_program: Callable[..., Path], run_in: RunIn, tmp_path: Path
) -> None:
    # GIVEN a program that counts its descriptors, closes all, and lowers their limit, before it reads its array
    own = profile(compile_program("place_descriptors"), trace=tmp_path / "own.trace")
    alone = subprocess.run([str(own.program)], capture_output=True, check=True).stdout
    found = run_in(own)
    # THEN it finds none of ours, and its reads are delayed
    assert found.stdout == alone
    assert total(found.counters, "emul_delayed") > 0
    assert found.notes == []


def test_short_threads_go_through_it_in_thousands(
    perf_allowed: None, compile_program: Callable[..., Path], run_in: RunIn, tmp_path: Path
) -> None:
    own = profile(compile_program("place_short_threads"), "2000", trace=tmp_path / "own.trace")
    found = run_in(own, "4000")
    assert found.stdout == b"threads 4000\n"
    assert total(found.counters, "emul_signals") > 0


@pytest.fixture(scope="module")
def sweeper(perf_allowed: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Profiled]:
    """`sweeper(kind)`: the probe's stream of that kind, profiled once."""
    done: dict[str, Profiled] = {}

    def one(kind: str) -> Profiled:
        if kind not in done:
            trace = tmp_path_factory.mktemp("traces") / f"{kind}.trace"
            done[kind] = profile(native_path("tierprof-probe"), *stream_of(kind, 0.3), trace=trace)
        return done[kind]

    return one


def stream_of(kind: str, seconds: float, threads: int = 1) -> list[str]:
    """Arguments of the probe."""
    return ["stream", "--kind", kind, "--mib", "96", "--seconds", str(seconds), "--threads", str(threads)]


@pytest.mark.parametrize("kind", ["read", "write", "copy"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cap_on_bandwidth_holds_up_what_sweeps_memory(kind: str, threads: int, sweeper: Callable[[str], Profiled], run_in: RunIn) -> None:
    # WHEN arrays are swept in a tier that moves half a GiB a second, far less than any machine's memory
    capped = TierSpec("slow", "emulated", factor=2.0, bandwidth_bytes_per_s=2.0**29)
    found = run_in(sweeper(kind), *stream_of(kind, 0.6, threads), slow=capped, delay_ratio=0.0)
    told = json.loads(found.stdout)
    # THEN threads wait, and what is thought to have been moved is near what was
    assert total(found.counters, "emul_throttle_ns") > 0
    assert total(found.counters, "emul_delayed") == 0
    assert told["bytes"] / 2 < total(found.counters, "emul_bytes") < 2 * told["bytes"]
    # and no more has been moved than the cap allows, but for the error of that, and what the start and the last periods let through
    assert told["bytes"] < 3 * 2**29 * told["seconds"]


def test_without_a_cap_nothing_is_counted_as_moved(sweeper: Callable[[str], Profiled], run_in: RunIn) -> None:
    found = run_in(sweeper("read"), *stream_of("read", 0.2), delay_ratio=0.0)
    assert total(found.counters, "emul_signals") > 0
    assert total(found.counters, "emul_bytes") == total(found.counters, "emul_throttle_ns") == 0


def test_a_forked_child_shares_its_parents_cap(
    perf_allowed: None, compile_program: Callable[..., Path], run_in: RunIn, tmp_path: Path
) -> None:
    # GIVEN random reads in a forked child, under a cap of an eighth of one line in 100 ns
    own = profile(compile_program("place_emulated"), "main", trace=tmp_path / "own.trace")
    found = run_in(own, "child", slow=TierSpec("slow", "emulated", factor=2.0, bandwidth_bytes_per_s=8e7), delay_ratio=0.0)
    child = max(found.counters, key=lambda one: one["emul_useful_ns"])
    # THEN the child waits, by what lines were worth: some 64 bytes for each 100 ns of reading
    assert child["emul_throttle_ns"] > 0
    assert 0 < child["emul_bytes"] <= 0.65 * child["emul_useful_ns"]


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


def probe_run(slow: float, fast: float = 100.0, rounds: int = 9, delay_ns: int = 0, core_share: float = 1.0) -> ProbeRun:
    """Reads that take 100 ns without the delay."""
    plain = np.full(rounds, 100.0)
    busy_s = (fast + slow + 200.0) * 1e-6 * rounds
    return ProbeRun(np.full(rounds, fast), np.full(rounds, slow), plain, plain, 1000, delay_ns, busy_s / core_share)


def test_factors_are_relative_to_reads_of_the_same_round() -> None:
    # GIVEN reads that take 2.5 times as long with the delay, on a machine whose speed changes from round to round
    rng = np.random.default_rng(1)
    speed = rng.uniform(1, 2, 400)
    noise = [speed * (1 + rng.normal(0, 0.01, 400)) for _ in range(4)]
    run = ProbeRun(110 * noise[0], 250 * noise[1], 100 * noise[2], 100 * noise[3], 1000, 0, 1.0)
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


def test_the_delay_lies_between_what_one_thread_needs_and_what_a_crowd_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine on which a crowd is slowed less by the same delay
    class Crowded:
        def runs(self, delay_ratio: float, *, count: int, threads: int) -> list[ProbeRun]:
            return [probe_run(100.0 * (1 + delay_ratio * (1.1 if threads == 1 else 0.9)))]

    monkeypatch.setattr(emulation, "crowd_size", lambda: 2)
    ratio = search(2.0, lambda tried: achieved_on_average(Crowded(), tried))  # type: ignore[arg-type]
    # THEN neither is far off
    assert 0.9 * ratio < 1.0 < 1.1 * ratio


def test_a_check_that_finds_the_factor_missed_leads_to_another_search() -> None:
    # GIVEN a machine that is disturbed at first: the same delay seems to do more than it will
    class Disturbed:
        made = 0

        def runs(self, delay_ratio: float, *, count: int = 2, threads: int = 1) -> list[ProbeRun]:
            Disturbed.made += 1
            return [probe_run(100.0 * (1 + delay_ratio * (1.5 if Disturbed.made <= 4 else 1.0)))] * count

    # THEN what is kept is near what was asked for all the same, and it is what the last check found
    found = find(Disturbed(), 2.5, "here")  # type: ignore[arg-type]
    assert found.achieved == pytest.approx(2.5, rel=0.1)
    assert found.achieved == pytest.approx(1 + found.delay_ratio)


def test_delays_without_effect_are_told() -> None:
    with pytest.raises(TierError, match=r"a delay of 1\.50s for each second made reads 1\.00 times as slow"):
        search(2.5, lambda _ratio: 1.0)


class _FakeProbe:
    made = 0
    core_share = 1.0

    def run(self, delay_ratio: float) -> ProbeRun:
        _FakeProbe.made += 1
        return probe_run(100.0 * (1 + delay_ratio), delay_ns=int(9 * 1000 * 100 * delay_ratio), core_share=self.core_share)

    def runs(self, delay_ratio: float, *, count: int = 2, threads: int = 1) -> list[ProbeRun]:
        return [self.run(delay_ratio) for _ in range(count)]


@pytest.fixture
def fake_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Calibrations come from a probe that only says what it would measure; the folder where they are kept."""

    @contextmanager
    def fake() -> Iterator[_FakeProbe]:
        yield _FakeProbe()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(emulation, "prepared_probe", fake)
    monkeypatch.setattr(_FakeProbe, "made", 0)
    return tmp_path / "tierprof"


def test_a_calibration_of_a_busy_machine_is_kept_for_an_hour(fake_probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine that others use: the probe has half a core
    monkeypatch.setattr(_FakeProbe, "core_share", 0.5)
    first = calibrate(2.5)
    measured = _FakeProbe.made
    assert (first.core_share, first.quiet) == (pytest.approx(0.5), False)
    # THEN what was found holds for an hour
    monkeypatch.setattr(time, "time", lambda: first.made_at + 3599)
    assert calibrate(2.5) == first
    assert _FakeProbe.made == measured
    # and no longer
    monkeypatch.setattr(time, "time", lambda: first.made_at + 3601)
    monkeypatch.setattr(_FakeProbe, "core_share", 1.0)
    assert calibrate(2.5).quiet
    assert _FakeProbe.made == 2 * measured


def test_a_calibration_is_kept_for_each_factor(fake_probe: Path) -> None:
    # WHEN a factor is asked for twice
    first = calibrate(2.5)
    measured = _FakeProbe.made
    # THEN the second answer is the first, without a measurement
    assert calibrate(2.5) == first
    assert _FakeProbe.made == measured
    assert (first.delay_ratio, first.achieved, first.injected, first.fast_factor) == pytest.approx((1.5, 2.5, 2.5, 1.0))
    assert (first.crowded, first.line_ns) == pytest.approx((2.5, 100.0))
    # but another factor is measured, and so is a kept one that is damaged, of another format, or not wanted
    calibrate(2.0)
    assert _FakeProbe.made == 2 * measured
    (kept,) = fake_probe.glob("emulated-2.5-*.json")
    for damage in ("{", json.dumps({**json.loads(kept.read_text()), "format": 0})):
        kept.write_text(damage)
        assert replace(calibrate(2.5), made_at=first.made_at) == first
    calibrate(2.5, anew=True)
    assert _FakeProbe.made == 5 * measured
