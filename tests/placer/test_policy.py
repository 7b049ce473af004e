"""The online policy's decisions: what is hot comes in, by a margin, at a rate, and stays for its time."""

from hypothesis import given
from hypothesis import strategies as st

from tierprof.placer.policy import Held, Limits, Policy

MIB = 1 << 20
A, B, C = (1, "a" * 32), (1, "b" * 32), (1, "c" * 32)


def policy(fast_bytes: int | None = 100, rate: float = 1000.0, stay_s: float = 30.0) -> Policy:
    return Policy(Limits("fast", "slow", fast_bytes, rate, stay_s))


def moves(own: Policy, held: list[Held], now_s: float) -> list[tuple[str, str, int]]:
    """The steps of a round, all of which succeed: (letter of the site, tier, bytes)."""
    steps = own.decide(held, now_s)
    for step in steps:
        own.moved(step, step.max_bytes, now_s)
    return [(step.key[1][0], step.tier, step.max_bytes) for step in steps]


def test_what_is_waited_for_comes_in_where_there_is_room_and_the_rest_is_left() -> None:
    # GIVEN room for one of two objects, of which one is waited for
    own = policy()
    own.observe({A: 0.8}, 1.0)
    # THEN that one is moved, with its share as the reason, and nothing else
    steps = own.decide([Held(A, 0, 60), Held(B, 0, 60)], 0.0)
    assert [(step.key, step.tier, step.max_bytes) for step in steps] == [(A, "fast", 60)]
    assert steps[0].reason == "40.0% of the time is spent waiting for it, and there is room"


def test_a_hotter_object_takes_the_place_of_a_colder_one() -> None:
    own = policy()
    own.observe({A: 0.2, B: 0.8}, 1.0)
    assert moves(own, [Held(A, 60, 0), Held(B, 0, 60)], 0.0) == [("a", "slow", 60), ("b", "fast", 60)]


def test_an_object_that_is_only_a_little_hotter_does_not() -> None:
    own = policy()
    own.observe({A: 0.5, B: 0.7}, 1.0)
    assert moves(own, [Held(A, 60, 0), Held(B, 0, 60)], 0.0) == []


def test_what_moved_is_not_moved_back_within_its_time() -> None:
    # GIVEN an object that has just come in
    own = policy()
    own.observe({B: 1.0}, 1.0)
    assert moves(own, [Held(A, 0, 60), Held(B, 0, 60)], 10.0) == [("b", "fast", 60)]
    # WHEN another becomes the only one that is waited for
    for _ in range(8):
        own.observe({A: 1.0}, 1.0)
    # THEN the first stays until its time is over, and then makes room
    held = [Held(A, 0, 60), Held(B, 60, 0)]
    assert moves(own, held, 39.9) == []
    assert moves(own, held, 40.0) == [("b", "slow", 60), ("a", "fast", 60)]


def test_no_more_bytes_move_than_the_rate_allows_and_the_rest_goes_on() -> None:
    # GIVEN an object of 60 bytes and a rate of 20 a second
    own = policy(rate=20.0)
    for fast in (0, 20, 40):
        own.observe({A: 0.9}, 1.0)
        # THEN it comes in by three rounds, though it moved already
        assert moves(own, [Held(A, fast, 60 - fast)], fast / 20) == [("a", "fast", 20)]
    own.observe({A: 0.9}, 1.0)
    assert moves(own, [Held(A, 60, 0)], 3.0) == []


def test_each_process_has_a_fast_tier_of_its_own() -> None:
    other = (2, B[1])
    own = policy(fast_bytes=60)
    own.observe({A: 0.5, other: 0.5}, 1.0)
    assert moves(own, [Held(A, 0, 60), Held(other, 0, 60)], 0.0) == [("a", "fast", 60), ("b", "fast", 60)]


def test_what_is_larger_than_the_fast_tier_is_left_alone() -> None:
    own = policy()
    own.observe({A: 0.9}, 1.0)
    assert moves(own, [Held(A, 0, 200), Held(B, 50, 0)], 0.0) == []


shares = st.fixed_dictionaries({key: st.floats(0, 1) for key in (A, B, C)})


@given(st.lists(shares, min_size=1, max_size=12), st.integers(10, 150), st.integers(5, 90))
def test_whatever_is_seen_the_limits_hold(rounds: list[dict], fast_bytes: int, rate: int) -> None:
    # GIVEN three objects of 50 bytes, all slow, and any shares round after round
    own = policy(fast_bytes, float(rate), stay_s=3.0)
    fast = dict.fromkeys((A, B, C), 0)
    last: dict[tuple[int, str], tuple[float, str]] = {}
    for now, seen in enumerate(rounds):
        own.observe(seen, 1.0)
        moved = 0
        for step in own.decide([Held(key, fast[key], 50 - fast[key]) for key in fast], float(now)):
            # THEN nothing is moved back within its time
            when, tier = last.get(step.key, (-9.0, step.tier))
            assert tier == step.tier or now - when >= 3.0
            last[step.key] = (float(now), step.tier)
            fast[step.key] += step.max_bytes if step.tier == "fast" else -step.max_bytes
            own.moved(step, step.max_bytes, float(now))
            moved += step.max_bytes
            # AND the fast tier never holds more than it may, at any step
            assert sum(fast.values()) <= fast_bytes
        # AND no more moves in a round than the rate says
        assert moved <= rate
