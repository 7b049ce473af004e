"""How many writers a tier bears."""

import pytest

from tierprof.models.timing.machine import Machine, machine_names
from tierprof.models.timing.write_threads import write_threads
from tierprof.placer.guide.writers import say_writers, shipped_writers, tier_writers


def _of(name: str, *, temporal: bool = True) -> tuple[Machine, object]:
    machine = Machine.load(name)
    return machine, write_threads(machine.tiers[machine.slow], machine.host, temporal=temporal)


def test_optanes_plain_stores_are_fastest_with_few_threads() -> None:
    # GIVEN FAST20's 1.5, 4.8, 3.9 and 3.6 GB/s of plain stores in order on 1, 4, 8 and 16 threads
    machine = Machine.load("optane100-x6")
    own = write_threads(machine.tiers["optane100-x6"], machine.host, temporal=True)
    # THEN the model is within a fifth of each, and says that four threads are enough and more than a few lose
    for threads, published in ((1, 1.5), (4, 4.8), (8, 3.9), (16, 3.6)):
        assert own.gb_s[threads - 1] == pytest.approx(published, rel=0.2)
    assert 3 <= own.enough <= 5
    assert own.most is not None and own.enough <= own.most < 8


def test_one_dimms_non_temporal_stores_fall_with_threads() -> None:
    # GIVEN FAST20's 2.24, 2.12, 1.52 and 0.61 GB/s of 256 B ntstores on 1, 4, 8 and 24 threads
    machine = Machine.load("optane100-x1")
    own = write_threads(machine.tiers["optane100-x1"], machine.host, temporal=False)
    for threads, published in ((1, 2.24), (4, 2.12), (8, 1.52), (24, 0.61)):
        assert own.gb_s[threads - 1] == pytest.approx(published, rel=0.25)
    assert own.enough == 1


def test_where_nothing_is_known_of_threads_it_is_said() -> None:
    machine = Machine.load("cxl")
    own = tier_writers(machine, machine.slow)
    assert own.flat
    assert own.plain is not None and own.plain.most is None
    assert "whether more lose is unknown" in say_writers(own)


def test_a_paged_tier_has_no_writers() -> None:
    machine = Machine.load("nvme-nand")
    own = tier_writers(machine, machine.slow)
    assert own.plain is None
    assert "is unknown" in say_writers(own)


def test_the_asked_for_tier_comes_first_and_each_once() -> None:
    asked = Machine.load("cxl-far")
    tiers = [own.tier for own in shipped_writers(asked)]
    assert tiers[0] == asked.slow
    assert len(set(tiers)) == len(tiers)
    slow = {(machine.slow, machine.fast) for machine in map(Machine.load, machine_names())}
    assert set(tiers) == {own for own, fast in slow if own != fast}


def test_figures_carry_their_sources() -> None:
    own = tier_writers(Machine.load("optane100-x6"), "optane100-x6")
    assert own.source.startswith("FAST20: 3.00, 2.69")
    assert own.loss_source.startswith("FAST20: effective write ratio")
