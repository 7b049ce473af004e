"""Packing with objects that may be split: budgets hold, bounds bound, and nothing is worse than whole objects."""

import itertools

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tierprof.placer.heat_ranges import Heat, bytes_of, priced_ranges, ranges_within, share_of
from tierprof.placer.pack import live_demand, pack
from tierprof.placer.pack_split import LEAST_GAIN, fractional_bound, pack_split
from tierprof.placer.splits import MOST_PARTS, Splittable, heat_by_block, sizes_of

KIB = 1024
BLOCK = 4 * KIB


def object_of(place: int, weights: list[float]) -> Splittable:
    share = np.array(weights, dtype=np.float64)
    share = share / share.sum()
    return Splittable(place, Heat(len(weights) * BLOCK, BLOCK, share, share))


def test_the_hot_half_of_an_object_that_does_not_fit_goes_to_fast_memory() -> None:
    # GIVEN an object of 8 blocks of which two take nine tenths, a budget of four, and a cold object of two
    own = object_of(0, [0.25, 0.25, 4.5, 4.5, 0.25, 0.25, 0, 0])
    rows = np.array([[8 * BLOCK, 2 * BLOCK]])
    # WHEN they are packed
    found = pack_split(np.array([10.0, 0.75]), rows, 4 * BLOCK, [own])
    # THEN whole objects would be worth that of the cold one, and the split takes the hot blocks beside it
    assert found.whole_value == 0.75
    assert found.chosen.tolist() == [False, True]
    assert found.ways[0].ranges == ((2, 4),)
    assert (round(found.value, 9), found.live_bytes.tolist()) == (9.75, [4 * BLOCK])
    assert round(found.bound, 9) == 9.75


def test_nothing_is_split_where_whole_objects_fit() -> None:
    found = pack_split(np.array([10.0, 1.0]), np.array([[8 * BLOCK, BLOCK]]), 9 * BLOCK, [object_of(0, [1, 2, 3, 4, 5, 6, 7, 8])])
    assert (found.chosen.tolist(), found.ways, found.value) == ([True, True], {}, 11.0)


def test_each_of_several_live_allocations_has_the_parts() -> None:
    # GIVEN three allocations of four blocks that live together
    own = object_of(0, [0, 1, 0, 0])
    found = pack_split(np.array([6.0]), np.array([[12 * BLOCK], [4 * BLOCK]]), 3 * BLOCK, [own])
    # THEN a block of each is in fast memory
    assert found.ways[0].ranges == ((1, 2),)
    assert found.live_bytes.tolist() == [3 * BLOCK, BLOCK]
    # and with room for two there is none for any
    assert pack_split(np.array([6.0]), np.array([[12 * BLOCK]]), 2 * BLOCK, [own]).ways == {}


@given(
    lives=st.lists(st.tuples(st.sampled_from([2, 3, 7]), st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=9),
    weights=st.lists(st.integers(0, 9), min_size=7, max_size=7).filter(lambda weights: any(weights[:2])),
    budget=st.integers(1, 40),
)
def test_of_allocations_of_several_sizes_no_more_is_fast_than_the_budget(
    lives: list[tuple[int, int, int]], weights: list[int], budget: int
) -> None:
    # GIVEN an object whose allocations of a few sizes come and go
    rows = [(0, blocks * BLOCK, birth, birth + ns, 1.0, False) for blocks, birth, ns in lives]
    allocations = pd.DataFrame(rows, columns=["site", "size_bytes", "birth_ns", "death_ns", "weight", "inherited"])
    largest = max(blocks for blocks, _, _ in lives)
    heat = object_of(0, [float(weight) for weight in weights[:largest]]).heat._replace(sizes=sizes_of(allocations))
    own = Splittable(0, heat)
    # WHEN it is packed
    found = pack_split(np.array([6.0]), live_demand(allocations).live_bytes, budget * BLOCK, [own])
    if not found.ways:
        return
    ranges = [(first * BLOCK, end * BLOCK) for first, end in found.ways[0].ranges]
    for moment in range(16):
        # THEN at no moment the parts of those that live are more than the budget
        alive = [blocks * BLOCK for blocks, birth, ns in lives if birth <= moment < birth + ns]
        assert sum(min(end, size) - min(first, size) for size in alive for first, end in ranges) <= budget * BLOCK


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, list[Splittable]]:
    count, moments = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    blocks = [draw(st.integers(1, 7)) for _ in range(count)]
    able = draw(st.lists(st.integers(0, count - 1), unique=True))
    splits = [object_of(place, [1e-3 + draw(st.integers(0, 9)) for _ in range(blocks[place])]) for place in able if blocks[place] > 1]
    live = np.array([[draw(st.integers(0, 2)) for _ in range(count)] for _ in range(moments)])
    values = np.array([draw(st.integers(0, 20)) for _ in range(count)], dtype=np.float64)
    rows = live * np.array(blocks) * BLOCK
    return values, rows, draw(st.integers(0, int(rows.sum(axis=1).max()))), splits


@settings(max_examples=150, deadline=None)
@given(problems())
def test_splits_fit_gain_and_stay_below_the_bound(problem: tuple[np.ndarray, np.ndarray, int, list[Splittable]]) -> None:
    values, rows, budget, able = problem
    found = pack_split(values, rows, budget, able)
    # THEN no object is both whole and split, and what is in fast memory fits at every moment
    heats = {own.place: own.heat for own in able}
    live = rows[:, found.chosen].sum(axis=1)
    value = float(values[found.chosen].sum())
    for place, way in found.ways.items():
        assert not found.chosen[place]
        assert way.fast_bytes == bytes_of(way.ranges, heats[place].bytes())
        live = live + rows[:, place] * way.fast_bytes // heats[place].size_bytes
        value += float(values[place]) * share_of(way.ranges, heats[place].judged_by)
    assert found.live_bytes.tolist() == live.tolist()
    assert (live <= budget).all()
    # and its worth is what it says, no less than whole objects', and within the bound
    assert np.isclose(found.value, value)
    assert found.whole_value == pack(values, rows, budget).value
    assert found.value >= found.whole_value * (1 + LEAST_GAIN if found.ways else 1)
    assert found.value <= found.bound + 1e-9
    assert found.optimal


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_split_is_no_worse_than_one_object_split_for_all_the_room(problem: tuple[np.ndarray, np.ndarray, int, list[Splittable]]) -> None:
    values, rows, budget, able = problem
    found = pack_split(values, rows, budget, able)
    # GIVEN every set of whole objects beside one that is split as far as the budget goes
    for own in able:
        if rows[:, own.place].max() == 0:
            continue
        ranges = ranges_within(
            own.heat,
            min(own.heat.size_bytes - 1, budget * own.heat.size_bytes // int(rows[:, own.place].max())),
            priced_ranges(own.heat, MOST_PARTS),
        )
        worth = float(values[own.place]) * share_of(ranges, own.heat.judged_by)
        # THEN the packing is worth as much, but for what is too little to split for
        assert found.value * (1 + LEAST_GAIN) >= worth - 1e-9


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_bound_is_above_every_choice_of_blocks(problem: tuple[np.ndarray, np.ndarray, int, list[Splittable]]) -> None:
    values, rows, budget, able = problem
    bound = fractional_bound(values, rows, budget, able)
    heats = {own.place: own.heat for own in able}
    # GIVEN every set of whole objects and, of one that may be split, every set of blocks
    for chosen in itertools.product([False, True], repeat=len(values)):
        mask = np.array(chosen)
        live, value = rows[:, mask].sum(axis=1), float(values[mask].sum())
        if (live <= budget).all():
            assert value <= bound + 1e-9
        for place, heat in heats.items():
            if mask[place]:
                continue
            for blocks in itertools.product([False, True], repeat=len(heat.judged_by)):
                own = np.array(blocks)
                bytes_ = rows[:, place] // heat.size_bytes * int(heat.bytes()[own].sum())
                if (live + bytes_ <= budget).all():
                    assert value + float(values[place]) * float(heat.judged_by[own].sum()) <= bound + 1e-9


def heat_rows(samples: list[float], stall_s: list[float] | None, block_bytes: int = BLOCK) -> pd.DataFrame:
    frame = pd.DataFrame({"block": range(len(samples)), "samples": samples, "block_bytes": block_bytes, "misses": np.nan})
    return frame.assign(allocation=0, site=0, writes=0.0, stall_s=np.nan if stall_s is None else stall_s)


def test_heat_is_what_was_waited_for_and_else_what_was_accessed() -> None:
    many = [1e6, 1e6, 2e6]
    timed = heat_by_block(heat_rows(many, [3.0, 1.0, 0.0]), 3 * BLOCK)
    counted = heat_by_block(heat_rows(many, None), 3 * BLOCK)
    assert isinstance(timed, Heat)
    assert isinstance(counted, Heat)
    assert (timed.judged_by.tolist(), timed.of) == ([0.75, 0.25, 0.0], "waiting")
    assert (counted.judged_by.tolist(), counted.of) == ([0.25, 0.25, 0.5], "accesses")


def test_allocations_in_blocks_of_different_sizes_are_added_by_offset() -> None:
    # GIVEN one allocation in blocks of 4 KiB and another, of the same object, in blocks of 8 KiB
    rows = pd.concat([heat_rows([4e6, 4e6, 0, 8e6], None), heat_rows([8e6, 0], None, 2 * BLOCK)])
    heat = heat_by_block(rows, 4 * BLOCK)
    assert isinstance(heat, Heat)
    assert (heat.block_bytes, heat.judged_by.tolist()) == (2 * BLOCK, [2 / 3, 1 / 3])


def test_few_samples_are_told_what_they_are_worth_by_others() -> None:
    # GIVEN even heat over a thousand blocks, and one sample a block
    heat = heat_by_block(heat_rows([1.0] * 1000, [0.01] * 1000), 1000 * BLOCK)
    assert isinstance(heat, Heat)
    # WHEN the hottest quarter is chosen by one half of the samples
    ranges = ranges_within(heat, 250 * BLOCK, priced_ranges(heat, 1000))
    # THEN by that half it looks far hotter than the rest, and by the other half it is not
    assert share_of(ranges, heat.chosen_by) > 0.4
    assert share_of(ranges, heat.judged_by) < 0.1


def test_heat_of_one_block_tells_no_parts() -> None:
    assert heat_by_block(heat_rows([500.0], [1.0], 2 * BLOCK), BLOCK) == "its samples are too few to tell its parts apart"
    assert heat_by_block(heat_rows([0.0, 0.0], None), 2 * BLOCK) == "its heat by block is not known"


def test_too_few_samples_and_samples_without_a_place_tell_no_parts() -> None:
    rows = heat_rows([20.0, 43.0], [1.0, 2.0])
    assert heat_by_block(rows, 2 * BLOCK) == "its samples are too few to tell its parts apart"
    enough = heat_rows([20.0, 44.0], [1.0, 2.0])
    assert isinstance(heat_by_block(enough, 2 * BLOCK), Heat)
    told = heat_by_block(enough.assign(located_share=0.2), 2 * BLOCK)
    assert told == "only 20.0% of its samples tell where in it they fell"
