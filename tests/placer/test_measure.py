"""Measuring by intervention: orders, early stop, resumption, the table. The program is a function with known times."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tierprof.base.errors import CommandError, TraceError
from tierprof.placer.candidates import candidates
from tierprof.placer.measure import MeasureSettings, criticality_table, keep_criticality, run_configurations, wide_configurations
from tierprof.placer.planned_run import PlannedRun
from tierprof.placer.runlog import ALL, NONE, FinishedRun, RunLog, conditions_digest
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
A, B = "a" * 32, "b" * 32
SETTINGS = MeasureSettings("dram", "emulated:2.5", repeats=6, seed=3)
COSTS = {NONE: 0.0, ALL: 5.0, A: 4.0, B: 0.5}


class Program:
    """Stands for the program: 10 s and what a configuration costs, with noise of a given width; remembers what it was run with."""

    def __init__(self, noise_s: float = 0.0, status: dict[str, int] | None = None, never_met: str = "") -> None:
        self.ran: list[str] = []
        self._noise_s = noise_s
        self._status = status or {}
        self._never_met = never_met
        self._rng = np.random.default_rng(0)

    def __call__(self, configuration: str) -> PlannedRun:
        self.ran.append(configuration)
        time_s = 10.0 + COSTS[configuration] + self._noise_s * self._rng.uniform(-1, 1)
        allocations = 0 if configuration in (NONE, self._never_met) else 7
        return PlannedRun(self._status.get(configuration, 0), time_s, time_s, allocations)


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    return RunLog(tmp_path / "runs.jsonl", "c0")


def _measure(log: RunLog, program: Program, settings: MeasureSettings = SETTINGS) -> bool:
    return run_configurations([A, B], settings, log, expected_status=0, run_one=program)


def test_tight_intervals_end_the_measurement_after_the_least_rounds(log: RunLog) -> None:
    program = Program(noise_s=0.01)
    assert _measure(log, program)
    # three rounds of none, all and two objects
    assert len(program.ran) == 12
    assert all(set(program.ran[at : at + 4]) == {NONE, ALL, A, B} for at in (0, 4, 8))


def test_wide_intervals_use_all_rounds(log: RunLog) -> None:
    program = Program(noise_s=3.0)
    _measure(log, program)
    assert len(program.ran) == 24


def test_rounds_have_different_orders_that_the_seed_decides(tmp_path: Path) -> None:
    orders = []
    for number, seed in enumerate((3, 3, 4)):
        program = Program(noise_s=3.0)
        _measure(RunLog(tmp_path / f"{number}.jsonl", "c"), program, MeasureSettings("dram", "emulated:2.5", repeats=6, seed=seed))
        orders.append(program.ran)
    assert orders[0] == orders[1] != orders[2]
    rounds = {tuple(orders[0][at : at + 4]) for at in range(0, 24, 4)}
    assert len(rounds) > 1


def test_a_tight_object_drops_out_while_none_stays(log: RunLog) -> None:
    # GIVEN three rounds in which A's cost is tight and B's is not
    rows = [("none", 10.0, 10.01, 10.0), ("all", 15.0, 15.0, 15.01), (A, 14.0, 14.01, 14.0), (B, 10.0, 12.0, 11.0)]
    runs = pd.DataFrame([(name, time_s) for name, *times in rows for time_s in times], columns=["configuration", "cpu_s"])
    # THEN B is run again, and none with it, which it is compared with
    assert wide_configurations(runs, [NONE, ALL, A, B], SETTINGS) == {NONE, B}


def test_a_large_cost_is_tight_at_a_tenth_of_itself() -> None:
    rows = [("none", 10.0, 10.0, 10.0), (A, 19.6, 20.0, 20.4)]
    runs = pd.DataFrame([(name, time_s) for name, *times in rows for time_s in times], columns=["configuration", "cpu_s"])
    assert wide_configurations(runs, [NONE, A], SETTINGS) == set()


def test_an_interrupted_measurement_takes_the_course_it_would_have_taken(tmp_path: Path) -> None:
    # GIVEN a measurement that ran through, and one that stops in its eleventh run
    whole, broken = Program(noise_s=0.0), Program(noise_s=0.0)
    _measure(RunLog(tmp_path / "whole.jsonl", "c"), whole)

    def stop_in_the_eleventh(configuration: str) -> PlannedRun:
        if len(broken.ran) == 10:
            raise KeyboardInterrupt
        return broken(configuration)

    with pytest.raises(KeyboardInterrupt):
        run_configurations([A, B], SETTINGS, RunLog(tmp_path / "b.jsonl", "c"), expected_status=0, run_one=stop_in_the_eleventh)
    # WHEN it is taken up again
    resumed = RunLog(tmp_path / "b.jsonl", "c")
    assert len(resumed) == 10
    _measure(resumed, broken)
    # THEN both made the same runs in the same order, none twice
    assert broken.ran == whole.ran


def test_a_line_torn_by_a_crash_is_made_again_and_harms_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "r.jsonl", "c")
    _measure(log, Program())
    text = log.path.read_text()
    log.path.write_text(text[:-40])
    torn = RunLog(log.path, "c")
    assert len(torn) == len(log) - 1
    _measure(torn, Program())
    assert len(RunLog(log.path, "c")) == len(log)


def test_runs_of_other_conditions_in_the_same_file_are_not_used(tmp_path: Path) -> None:
    _measure(RunLog(tmp_path / "r.jsonl", conditions_digest(["prog"], "dram", "emulated:2")), Program())
    other = RunLog(tmp_path / "r.jsonl", conditions_digest(["prog"], "dram", "emulated:2.5"))
    assert len(other) == 0
    _measure(other, Program())
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert len({line["conditions"] for line in lines}) == 2


def test_a_log_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "none" / "r.jsonl", "c")
    with pytest.raises(TraceError, match="cannot be written: No such file"):
        log.append(FinishedRun("c", NONE, 0, 0, 1.0, 1.0, True, ""))


def test_an_object_whose_run_fails_is_given_up_and_told(log: RunLog) -> None:
    said: list[str | None] = []
    program = Program(status={A: 139})
    assert not run_configurations([A, B], SETTINGS, log, expected_status=0, run_one=program, on_run=said.append)
    assert program.ran.count(A) == 1
    problems = [line for line in said if line]
    assert problems == [
        f"object {A} is left unmeasured: with it in emulated:2.5, it ended with status 139, and with 0 when it was profiled"
    ]
    assert set(log.frame()["configuration"]) == {NONE, ALL, B}


def test_a_program_that_fails_with_everything_in_place_cannot_be_measured(log: RunLog) -> None:
    with pytest.raises(CommandError, match=r"with none of its objects in emulated:2\.5: it ended with status 1"):
        _measure(log, Program(status={NONE: 1}))


def test_the_profiled_status_is_what_counts(log: RunLog) -> None:
    program = Program(status=dict.fromkeys(COSTS, 3))
    assert run_configurations([A, B], SETTINGS, log, expected_status=3, run_one=program)


def test_the_table_holds_medians_and_differences_with_intervals(log: RunLog) -> None:
    _measure(log, Program(never_met=B))
    table = criticality_table(log.frame(), SETTINGS)
    # none and all absolute, then objects as extra over none, costliest first
    assert table["what"].tolist() == ["none", "all", "object", "object"]
    assert table["key"].tolist() == ["", "", A, B]
    assert table["cpu_s"].tolist() == [10.0, 15.0, 4.0, 0.5]
    assert (table["wall_low_s"] == table["wall_high_s"]).all()
    assert table["met"].tolist() == [True, True, True, False]
    assert set(table["source"]) == {"intervention emulated:2.5"}
    assert table["repeats"].tolist() == [3, 3, 3, 3]


def test_another_pair_of_tiers_keeps_its_rows(make_trace: MakeTrace, log: RunLog) -> None:
    _measure(log, Program())
    trace = make_trace("bfs", [{"peak_bytes": 1, "stall_s": 1.0}])
    keep_criticality(trace, criticality_table(log.frame(), MeasureSettings("dram", "emulated:2")))
    keep_criticality(trace, criticality_table(log.frame(), SETTINGS))
    keep_criticality(trace, criticality_table(log.frame(), SETTINGS))
    assert trace.frame("criticality").groupby("source").size().to_dict() == {"intervention emulated:2": 4, "intervention emulated:2.5": 4}


def test_candidates_are_the_leaders_of_each_metric_in_turn(make_trace: MakeTrace) -> None:
    # GIVEN one object leading in stall, one in size, one in density, and one that is small
    objects = make_trace(
        "bfs",
        [
            {"peak_bytes": 2**30, "stall_s": 5.0},
            {"peak_bytes": 2**32, "stall_s": 0.1},
            {"peak_bytes": 2**14, "stall_s": 0.5},
            {"peak_bytes": 2**20, "stall_s": 1.0},
            {"peak_bytes": 2**33, "stall_s": 9.0, "kind": "small"},
            {"peak_bytes": 100, "stall_s": 9.0},
        ],
    ).objects()
    # THEN they come in turn; what cannot be placed never does
    assert candidates(objects, 3)["site"].tolist() == [0, 1, 2]
    assert candidates(objects, 10)["site"].tolist() == [0, 1, 2, 3]


def test_objects_without_any_samples_come_by_size_alone(make_trace: MakeTrace) -> None:
    objects = make_trace("idle", [{"peak_bytes": 2**20, "stall_s": 0.0}, {"peak_bytes": 2**21, "stall_s": 0.0}]).objects()
    assert candidates(objects, 5)["site"].tolist() == [1, 0]
