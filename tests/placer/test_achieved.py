"""Planned and achieved places."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.schema import ALLOCATIONS
from tierprof.placer.achieved import TIER_COUNTERS, objects_achieved, peaks, tiers_achieved, total
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan, PlannedObject
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions
from tierprof.profiler.trace import Trace

MIB = 1 << 20
DRAM, SLOW = TierSpec("dram"), TierSpec("slow", "emulated", factor=2.0, capacity_bytes=7)
KEYS = [f"{number:032x}" for number in (1, 2, 3)]


def test_counters_of_all_processes_are_added_in_the_shims_order() -> None:
    # GIVEN two processes' counters under a plan whose DRAM is not its first tier
    plan = Plan((SLOW, DRAM), "slow")

    def process(scale: int) -> Mapping[str, int | list[dict[str, int]]]:
        tiers = [{name: scale * (10 * tier + place) for place, name in enumerate(TIER_COUNTERS)} for tier in range(8)]
        return {"emul_delay_ns": scale, "tiers": tiers}

    processes = [process(1), process(100)]
    # WHEN they are summed
    table = tiers_achieved(processes, plan)
    # THEN tier 0 is DRAM
    assert table["tier"].tolist() == ["dram", "slow"]
    assert table["spec"].tolist() == ["dram", "emulated:2"]
    assert table["peak_bytes"].tolist() == [202, 1212]
    assert table["spilled_bytes"].tolist() == [505, 1515]
    assert table["capacity_bytes"].isna().tolist() == [True, False]
    assert total(processes, "emul_delay_ns") == 101


def test_objects_are_told_with_where_they_were(make_trace: Callable[..., Trace]) -> None:
    # GIVEN a run in which one object was as planned, one was split between tiers, and one never came to be
    trace = make_trace("run", [{"peak_bytes": 9, "stall_s": 1.0}, {"peak_bytes": 9, "stall_s": 1.0}])
    rows = [
        # site, tier, size, birth, death, kind, inherited
        (0, "slow", 100, 0, 10, "malloc", False),
        (0, "slow", 50, 10, None, "malloc", False),  # born when the first dies: never both
        (0, "slow", 900, 5, 6, "malloc", True),  # a child's view of its parent's
        (1, "slow", 30, 0, 9, "malloc", False),
        (1, "dram", 40, 1, None, "mmap", False),
        (1, "dram", 20, 2, 3, "malloc", False),
    ]
    frame = pd.DataFrame(rows, columns=["site", "tier", "size_bytes", "birth_ns", "death_ns", "kind", "inherited"])
    frame = frame.astype({"death_ns": "Int64"})
    others = {name: None for name in ALLOCATIONS.names if name not in frame}
    trace.write("allocations", frame.assign(**others))
    objects = (PlannedObject(KEYS[0], "slow", "a", bytes=150), PlannedObject(KEYS[1], "slow", "b"), PlannedObject(KEYS[2], "dram", "c"))
    # WHEN that is compared with the plan
    table = objects_achieved(trace, Plan((DRAM, SLOW), "dram", objects)).set_index(["name", "tier"])
    # THEN peaks and counts are exact
    columns = ["allocations", "peak_bytes", "as_planned"]
    assert table.loc[("a", "slow"), columns].tolist() == [1 + 1, 100, True]
    assert table.loc[("b", "slow"), columns].tolist() == [1, 30, True]
    assert table.loc[("b", "dram"), columns].tolist() == [2, 60, False]
    missing = table.xs("c", level="name")
    assert missing[columns].to_numpy().tolist() == [[0, 0, False]]
    assert missing.index[0] is None or pd.isna(missing.index[0])
    assert table["planned_bytes"].xs("a", level="name").tolist() == [150]


lives = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 20), st.none() | st.integers(1, 20)), min_size=1, max_size=20
)


@given(lives)
def test_peaks_are_those_of_a_slow_count(found: Sequence[tuple[int, int, int, int | None]]) -> None:
    rows = [(site, "t", size, birth, None if life is None else birth + life) for site, size, birth, life in found]
    frame = pd.DataFrame(rows, columns=["site", "tier", "size_bytes", "birth_ns", "death_ns"]).astype({"death_ns": "Int64"})
    expected = {
        site: max(
            sum(size for own, _, size, birth, death in rows if own == site and birth <= now and (death is None or now < death))
            for now in range(45)
        )
        for site in {row[0] for row in rows}
    }
    assert peaks(frame).droplevel("tier").to_dict() == expected


def test_a_real_run_is_told_as_it_was(tmp_path: Path, compile_program: Callable[..., Path]) -> None:
    # GIVEN a profile of a program with two sites of twenty allocations, and a plan with room for seven of one
    command = [str(compile_program("place_sites")), "20"]
    plain = LaunchOptions(source="none")
    assert session.run(command, tmp_path / "first.trace", plain).exit_status == 0
    objects = Trace.open(tmp_path / "first.trace").objects()
    (left, right) = objects.loc[objects["largest_bytes"] == MIB].sort_values("site")["key"]
    memory = tmp_path / "memory"
    memory.mkdir()
    slow = TierSpec("slow", "pmem", folder=memory, capacity_bytes=7 * MIB)
    plan = Plan((TierSpec("dram"), slow), "dram", (PlannedObject(left, "slow", "left"), PlannedObject(right, "dram", "right")))
    # WHEN the program runs under the plan
    env = enforcement_env(plan, tmp_path / "plan", None)
    options = LaunchOptions(source="none", env=env, plan=None, tiers=("dram", "slow"))
    assert session.run(command, tmp_path / "second.trace", options).exit_status == 0
    # THEN it is told what did not fit
    table = objects_achieved(Trace.open(tmp_path / "second.trace"), plan)
    found = {(row["name"], row["tier"]): (row["allocations"], row["peak_bytes"]) for _, row in table.iterrows()}
    assert found == {("left", "slow"): (7, 7 * MIB), ("left", "dram"): (13, 13 * MIB), ("right", "dram"): (20, 20 * MIB)}
    assert np.array_equal(table["as_planned"], table["tier"] == table["planned"])
