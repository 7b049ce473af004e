"""Prices, watts and carbon: published, and the user's own."""

import pytest

from tierprof.base.errors import TierprofError
from tierprof.models.timing.machine import Machine, machine_names
from tierprof.placer.predict.rates import MEASURES, Range, parse_overrides, rates_of

TIERS = ("ddr4-2666-x6", "optane100-x6")


def test_a_tier_takes_the_entry_of_its_name() -> None:
    assert rates_of("ddr4-2666-x6", "fast", {})["price"].per_gb == Range(4.3, 12.5)
    assert rates_of("nvme-nand", "slow", {})["carbon"].per_gb == Range(0.0056, 0.16)
    # AND what nobody has published is not there
    assert "carbon" not in rates_of("optane100-x6", "slow", {})
    assert rates_of("optane1000", "slow", {}) == {}


@pytest.mark.parametrize("name", machine_names())
def test_every_machine_has_a_price_and_a_source_for_all_it_has(name: str) -> None:
    machine = Machine.load(name)
    for kind, tier in (("fast", machine.fast), ("slow", machine.slow)):
        rates = rates_of(tier, kind, {})
        assert "price" in rates
        for rate in rates.values():
            assert 0 <= rate.per_gb.low <= rate.per_gb.high
            assert kind == "slow" or not rate.of_fast
            assert rate.source


def test_the_users_figures_come_first_by_name_before_by_kind() -> None:
    given = parse_overrides({"price": ["slow=3:8", "optane100-x6=4"], "carbon": ["slow=0.5:1"], "watts": []}, TIERS)
    rates = rates_of("optane100-x6", "slow", given)
    assert rates["price"].per_gb == Range(4, 4)
    assert rates["carbon"] == (Range(0.5, 1), "given by the user", False)
    assert "published" not in rates["watts"].source
    assert rates_of("ddr4-2666-x6", "fast", given)["price"].per_gb == Range(4.3, 12.5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5:9", "it names no tier; write it like"),
        ("tape=5", "the machine has no tier 'tape'; its tiers are ddr4-2666-x6, optane100-x6"),
        ("slow=cheap", "'cheap' is neither a number nor LOW:HIGH"),
        ("slow=1:2:3", "'1:2:3' is neither a number nor LOW:HIGH"),
        ("slow=", "'' is neither a number nor LOW:HIGH"),
        ("slow=nan", "'nan' is neither a number nor LOW:HIGH"),
        ("slow=1:inf", "'1:inf' is neither a number nor LOW:HIGH"),
        ("slow=-1:2", "-1 is negative"),
        ("slow=9:5", "9 is more than 5; write it as 5:9"),
    ],
)
def test_a_wrong_figure_is_refused_in_one_line(measure: str, text: str, message: str) -> None:
    with pytest.raises(TierprofError) as raised:
        parse_overrides({measure: [text]}, TIERS)
    assert f"--{measure} {text}: {message}" in str(raised.value)
    assert "\n" not in str(raised.value)
