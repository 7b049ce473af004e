"""The [[move]] tables of a plan: read, checked, written, and packed for the shim."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import PlanError
from tierprof.placer.binary import plan_bytes
from tierprof.placer.plan import Plan
from tierprof.placer.planned_moves import MAX_MOVES, PlannedMove, format_duration, parse_duration_ns
from tierprof.placer.tiers import TierSpec

KEY, OF = "0123456789abcdef" * 2, "f" * 32
TIERS = (TierSpec("dram"), TierSpec("slow", "node", node=1))
MOVE_BYTES = 48

HEAD = """
format = 1
default = "dram"
[tiers.dram]
spec = "dram"
[tiers.slow]
spec = "node:1"
[[move]]
"""
GOOD = f'site = "{KEY}"\ntier = "slow"\nat_allocation = 3\nof = "{OF}"\n'


def load(tmp_path: Path, move: str) -> Plan:
    path = tmp_path / "moves.plan"
    path.write_text(HEAD + move, encoding="utf-8")
    return Plan.load(path)


def test_moves_written_by_hand_are_read(tmp_path: Path) -> None:
    at_a_time = f'[[move]]\nsite = "{OF}"\ntier = "dram"\nafter = "1.5 min"\n'
    assert load(tmp_path, GOOD + at_a_time).moves == (
        PlannedMove(KEY, "slow", at_allocation=3, of=OF),
        PlannedMove(OF, "dram", after_ns=90 * 10**9),
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("at_allocation = 3", ""), "move 1: it has no moment"),
        (("at_allocation = 3", 'after = "3s"\nat_allocation = 3'), "it has two moments"),
        (("at_allocation = 3", 'after = "3s"'), "nothing is counted"),
        ((f'of = "{OF}"', ""), "it does not say whose allocations are counted"),
        (("at_allocation = 3", "at_allocation = 0"), "there is no allocation 0; the first is 1"),
        (("at_allocation = 3", "at_allocation = 1.5"), "at_allocation = 1.5 should be a whole number"),
        (("at_allocation = 3", "at_allocation = true"), "at_allocation = True should be a whole number"),
        (("at_allocation = 3", 'after = "soon"'), "'soon' is no time"),
        (("at_allocation = 3", 'after = "-1s"'), "'-1s' is no time"),
        (("at_allocation = 3", "after = 3"), "after = 3 should be text in quotes"),
        (('tier = "slow"', 'tier = "slwo"'), "there is no tier 'slwo'; did you mean 'slow'?"),
        (('tier = "slow"', ""), "tier is missing"),
        ((f'site = "{KEY}"', ""), "site is missing"),
        ((KEY, KEY[1:]), "is no site key"),
        ((OF, "the other one"), "is no site key"),
        (("at_allocation", "at_alocation"), "unknown key 'at_alocation'; did you mean 'at_allocation'?"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(PlanError) as refused:
        load(tmp_path, GOOD.replace(*change))
    assert told in str(refused.value)


def test_more_moves_than_the_shim_knows_are_refused() -> None:
    moves = (PlannedMove(KEY, "slow", after_ns=1),) * (MAX_MOVES + 1)
    with pytest.raises(PlanError, match="it has 65 moves"):
        Plan(TIERS, "dram", moves=moves)


keys = st.integers(0, 2**128 - 1).map("{:032x}".format)
times = st.integers(0, 2**63 - 1)
moves = st.builds(PlannedMove, keys, st.sampled_from(["dram", "slow"]), after_ns=times) | st.builds(
    PlannedMove, keys, st.sampled_from(["dram", "slow"]), at_allocation=st.integers(1, 2**63 - 1), of=keys
)


@given(st.lists(moves, max_size=5))
def test_moves_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, given_moves: list[PlannedMove]) -> None:
    path = tmp_path_factory.getbasetemp() / "moves-round-trip.plan"
    plan = Plan(TIERS, "dram", moves=tuple(given_moves))
    plan.save(path)
    assert Plan.load(path) == plan


@given(times)
def test_a_time_is_read_as_it_was_written(time_ns: int) -> None:
    assert parse_duration_ns(format_duration(time_ns)) == time_ns


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [("30s", 30 * 10**9), (" 250 ms ", 250 * 10**6), ("0.5us", 500), ("2h", 7200 * 10**9), ("1.0000000019s", 1_000_000_001)],
)
def test_times_are_read_as_people_write_them(text: str, time_ns: int) -> None:
    assert parse_duration_ns(text) == time_ns


@pytest.mark.parametrize("text", ["", "s", "30", "30 seconds", "1e3s", "-5s", "1,5s", "30s 20ms"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_duration_ns(text) is None


def test_the_moves_layout() -> None:
    # GIVEN a plan whose DRAM is not its first tier, so that tiers change their numbers
    plan = Plan(TIERS[::-1], "slow", moves=(PlannedMove(KEY, "slow", after_ns=5), PlannedMove(OF, "dram", at_allocation=7, of=KEY)))
    # WHEN it is packed
    data = plan_bytes(plan, {})
    # THEN its moves come last, each with its site, its trigger, its moment and its tier's number
    high, low, ones = 0x0123456789ABCDEF, 0x0123456789ABCDEF, 2**64 - 1
    assert struct.unpack_from("<II", data, 32) == (2, 0)
    assert [struct.unpack_from("<5Q2I", data, len(data) - MOVE_BYTES * left) for left in (2, 1)] == [
        (high, low, 0, 0, 5, 0, 1),
        (ones, ones, high, low, 7, 1, 0),
    ]
