"""Each sample gets one class, by rules in a fixed order; allocations come from the right process, layer and time."""

import numpy as np
import pandas as pd
import pytest

from tierprof.profiler.allocations import KINDS
from tierprof.profiler.classify import WHERE, classify, find_allocations, on_stack, shares
from tierprof.profiler.join import never
from tierprof.profiler.recover.instruction import ACCESS_LOAD, ACCESS_NONE


def class_of(
    *,
    allocation: int = -1,
    hint: str = "",
    access: int = ACCESS_LOAD,
    known: bool = True,
    near_stack: bool = False,
    in_static: bool = False,
) -> str:
    number = classify(
        allocation=np.array([allocation]),
        hint=np.array([hint], object),
        access=np.array([access]),
        known=np.array([known]),
        near_stack=np.array([near_stack]),
        in_static=np.array([in_static]),
    )
    return WHERE[int(number[0])]


@pytest.mark.parametrize(
    ("sample", "where"),
    [
        ({"allocation": 3}, "object"),
        ({"allocation": 3, "hint": "branch"}, "object"),
        ({"allocation": 3, "hint": "runtime"}, "runtime"),
        ({"allocation": 3, "hint": "stack"}, "stack"),
        ({"allocation": 3, "near_stack": True}, "object"),
        ({"hint": "static"}, "static"),
        ({"in_static": True}, "static"),
        ({"near_stack": True}, "stack"),
        ({"access": ACCESS_NONE}, "compute"),
        ({"access": ACCESS_NONE, "hint": "branch"}, "compute"),
        ({"access": ACCESS_NONE, "known": False}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_first_rule_that_holds_decides(sample: dict, where: str) -> None:
    assert class_of(**sample) == where


def test_an_address_near_the_stack_pointer_is_on_the_stack() -> None:
    pointer = 0x7FFC00000000
    addresses = np.array([pointer, pointer - 128, pointer + 4096, pointer - (1 << 20), pointer + (9 << 20), 0], np.uint64)
    assert on_stack(addresses, np.full(6, pointer, np.uint64)).tolist() == [True, True, True, False, False, False]
    assert not on_stack(addresses, np.zeros(6, np.uint64)).any()


def heap(*rows: tuple[int, int, int, int, int, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["pid", "address", "size_bytes", "birth_ns", "death_ns", "kind"])
    return table.assign(kind=table["kind"].map(KINDS.index), address=table["address"].astype(np.uint64))


def test_the_same_address_is_another_object_in_another_process() -> None:
    table = heap((1, 0x1000, 64, 0, never(), "malloc"), (2, 0x1000, 64, 0, never(), "malloc"))
    found = find_allocations(table, np.array([2, 1, 3]), np.full(3, 0x1010, np.uint64), np.array([5, 5, 5]))
    assert found.tolist() == [1, 0, -1]


def test_malloc_inside_a_mapping_comes_before_the_mapping() -> None:
    # GIVEN a program's own allocator: a mapping, and in it what it handed out, later freed
    table = heap((1, 0x10000, 0x10000, 0, never(), "mmap"), (1, 0x11000, 0x100, 5, 20, "malloc"))
    pids = np.ones(3, np.int64)
    found = find_allocations(table, pids, np.array([0x11010, 0x11010, 0x18000], np.uint64), np.array([10, 30, 10]))
    assert found.tolist() == [1, 0, 0]


def test_no_address_is_in_no_allocation() -> None:
    table = heap((1, 0, 4096, 0, never(), "mmap"))
    assert find_allocations(table, np.array([1]), np.zeros(1, np.uint64), np.array([1])).tolist() == [-1]


def test_shares_are_of_sampled_time_and_sum_to_one() -> None:
    where = pd.Series(["static", "object", "object", "compute"], dtype="category")
    got = shares(where, pd.Series([1.0, 2.0, 4.0, 1.0]))
    assert got == {"object": 0.75, "stack": 0.0, "static": 0.125, "runtime": 0.0, "compute": 0.125, "unknown": 0.0}
    assert list(got) == list(WHERE)
    assert set(shares(where.iloc[:0], pd.Series([], dtype=float)).values()) == {0.0}
