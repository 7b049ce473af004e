"""Sizes and times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.base.errors import TierprofError
from tierprof.base.units import format_bytes, format_seconds, format_share, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4096", 4096), ("4k", 4096), ("8GiB", 8 * 2**30), ("1.5 GB", 1_500_000_000), ("0B", 0), ("2tib", 2 * 2**40), ("1e", None)],
)
def test_sizes_read_as_written(text: str, size_bytes: int | None) -> None:
    if size_bytes is None:
        with pytest.raises(TierprofError, match="is no size"):
            parse_size_bytes(text)
    else:
        assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1 2", "1GiBB", "nan", "١GiB x"])
def test_what_is_no_size_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(TierprofError) as caught:
        parse_size_bytes(text)
    assert "\n" not in str(caught.value)


@given(st.integers(min_value=0, max_value=2**60))
def test_a_printed_size_reads_back_within_its_digits(size_bytes: int) -> None:
    again = parse_size_bytes(format_bytes(size_bytes))
    assert abs(again - size_bytes) <= max(1, 0.05 * size_bytes)


def test_times_and_shares_carry_their_unit() -> None:
    assert [format_seconds(t) for t in (0, 1.25, 0.0125, 3.1e-6, 5e-9)] == ["0s", "1.25s", "12.5ms", "3.1us", "5ns"]
    assert format_share(0.1234) == "12.3%"
