"""The text that describes a machine: what is taken, and what is said of the rest."""

import pytest

from .binding import ConfigError, parse_config

DEFAULTS = parse_config("")
L1_BYTES, L3_BYTES = 2, 6  # places in config.h's list


def test_fields_that_are_not_named_keep_their_defaults() -> None:
    # GIVEN a text with one field, blank lines and blanks around it
    text = "\n \t l1_bytes\t49152  \r\n\nl1_ways 12"
    # WHEN it is read
    values = parse_config(text)
    # THEN the two fields differ from the defaults, and no other
    changed = {place: value for place, (value, default) in enumerate(zip(values, DEFAULTS, strict=True)) if value != default}
    assert changed == {L1_BYTES: 49152, L1_BYTES + 1: 12}


def test_the_last_of_two_lines_counts() -> None:
    assert parse_config("l1_bytes 131072\nl1_bytes 65536\n")[L1_BYTES] == 65536


def test_an_l3_whose_sets_are_no_power_of_two_is_taken() -> None:
    # 53248 sets of 11 lines: a Xeon's with 26 slices
    assert parse_config("l3_bytes 37486592\nl3_ways 11\n")[L3_BYTES] == 37486592


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("l1_wats 8", "l1_wats 8: no field of the simulated machine has this name"),
        ("l1", "l1: no field of the simulated machine has this name"),
        ("l1_ways", "l1_ways: its value is no whole number; it must be from 1 to 32"),
        ("l1_ways eight", "l1_ways eight: its value is no whole number; it must be from 1 to 32"),
        ("l1_ways 8.0", "l1_ways 8.0: its value is no whole number; it must be from 1 to 32"),
        ("l1_ways -8", "l1_ways -8: its value is no whole number; it must be from 1 to 32"),
        ("l1_ways 8 9", "l1_ways 8 9: its value is no whole number; it must be from 1 to 32"),
        ("seed 18446744073709551616", "seed 18446744073709551616: its value is no whole number; it must be from 0 to 4294967295"),
        ("l1_ways 33", "l1_ways 33: out of range; it must be from 1 to 32"),
        ("cores 0", "cores 0: out of range; it must be from 1 to 256"),
        ("l1_bytes 33000", "l1_bytes 33000: no whole number of sets of 8 lines of 64 bytes; change it or the ways"),
        ("l1_ways 32\nl1_bytes 65536", "l1_bytes 65536: with 32 ways it has fewer than 64 sets; make it larger or the ways fewer"),
        ("l1_bytes 49152", "l1_bytes 49152: its 96 sets must be a power of two; change it or the ways"),
        ("l2_bytes 1572864", "l2_bytes 1572864: its 1536 sets must be a power of two; change it or the ways"),
        ("l3_bytes 1000000", "l3_bytes 1000000: no whole number of sets of 11 lines of 64 bytes; change it or the ways"),
        ("l3_ways 1\nl3_bytes 402653184", "l3_bytes 402653184: its 6291456 sets must be fewer than 4194304 or a power of two"),
        ("pseudo_lru 1", "l3_ways 11: pseudo_lru needs a power of two; change it or set pseudo_lru to 0"),
        ("tlb1_entries 63", "tlb1_entries 63: they must make a power of two of sets of 4 ways; change one"),
        ("tlb2_ways 16\ntlb2_entries 1520", "tlb2_entries 1520: they must make a power of two of sets of 16 ways; change one"),
        ("page_bytes 8192", "page_bytes 8192: pages are of 4096 or of 2097152 bytes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(text)
    assert str(raised.value) == why


@pytest.mark.parametrize("room", [0, 1, 20])
def test_the_reason_is_cut_to_its_room(room: int) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config("l1_ways 33", room)
    assert str(raised.value) == "l1_ways 33: out of range"[: max(room - 1, 0)]
