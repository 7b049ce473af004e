"""Machine files: those that come with tierprof, those of users, and what is wrong with them."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tierprof.models
from tierprof.base.errors import MachineError
from tierprof.models.timing.machine import Machine, machine_names

FOLDER = Path(tierprof.models.__file__).parent / "machines"
WriteFile = Callable[..., Path]


def test_the_machines_that_the_documents_name_are_there() -> None:
    wanted = {
        "dram-ddr4", "dram-ddr5", "dram-remote", "optane100-x1", "optane100-x6", "optane200", "cxl", "cxl-near", "cxl-far", "cxl-asic-spr",
        "cxl-emulated", "nvme-3dxp", "nvme-nand",
    }  # fmt: skip
    assert set(machine_names()) == wanted


@pytest.mark.parametrize("name", machine_names())
def test_every_machine_loads_and_is_slower_on_its_slow_tier(name: str) -> None:
    machine = Machine.load(name)
    fast, slow = machine.tiers[machine.fast], machine.tiers[machine.slow]
    assert machine.name == name
    assert machine.about
    assert fast.far_ns <= slow.far_ns
    assert float(fast.read_gb_s(1)) >= float(slow.read_gb_s(1))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.toml")), ids=lambda path: path.stem)
def test_every_figure_of_every_file_has_a_source(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    figures = [entry for value in document.values() for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, dict)]
    assert all(figure["source"].strip() for figure in figures)
    assert {key for key, value in document.items() if isinstance(value, str)} <= {"about", "base"}


def test_what_the_simulator_is_told_is_what_its_header_lists() -> None:
    # GIVEN the fields of the simulator's configuration
    header = Path(__file__).parents[3] / "native" / "model" / "config.h"
    least = {name: int(number) for name, number in re.findall(r"X\((\w+), \d+, (\d+),", header.read_text())}
    # WHEN machines are written as its text
    for name in machine_names():
        lines = dict(line.split() for line in Machine.load(name).config_text().splitlines())
        # THEN all of them are fields, those of the machine are all there, and none is below what it may be
        assert set(lines) <= set(least)
        assert set(least) - set(lines) == {
            "timing",
            "pseudo_lru",
            "predictor_bits",
            "slice_instructions",
            "reuse_every",
            "heat_bytes",
            "seed",
        }
        assert all(least[key] <= int(value) for key, value in lines.items())


def test_cores_can_be_told() -> None:
    machine = Machine.load("optane100-x6")
    assert machine.config()["cores"] == 24
    assert machine.config(cores=2)["cores"] == 2
    assert machine.config()["near_blocks"] == 6 * 16384 // 256
    assert machine.config()["mid_pages"] == 6 * (16 << 20) // 4096


def test_a_users_file_replaces_single_figures_of_a_machine(machine_file: WriteFile) -> None:
    # GIVEN a file that starts from a machine
    path = machine_file("""
base = "optane100-x6"
[slow]
far_ns = { value = 500, source = "own chase" }
read_gb_s = { threads = [1, 8], value = [10, 30.0], source = "own stream" }
[host]
ghz = { value = 2.0, source = "own clock" }
""")
    # WHEN it is loaded THEN these are its own and the rest is the machine's
    machine, base = Machine.load(str(path)), Machine.load("optane100-x6")
    slow = machine.tiers[machine.slow]
    assert (machine.name, machine.ghz, slow.far_ns, slow.near_ns) == ("mine", 2.0, 500.0, base.tiers[base.slow].near_ns)
    assert slow.read_gb_s(np.array([0.5, 4.5, 99])) == pytest.approx([10, 20, 30])
    assert machine.tiers[machine.fast] == base.tiers[base.fast]


def test_a_users_file_can_combine_parts(machine_file: WriteFile) -> None:
    path = machine_file('about = "mixed"\nhost = "ice-lake"\nfast = "ddr4-3200-x8"\n[slow]\nbase = "cxl-239"\nname = "my-cxl"\n')
    machine = Machine.load(path)
    assert (machine.host.name, machine.fast, machine.slow) == ("ice-lake", "ddr4-3200-x8", "my-cxl")
    assert machine.tiers["my-cxl"].far_ns == 239.0


def _tier(text: str) -> str:
    return f'base = "optane100-x6"\n[slow]\n{text}\n'


_CURVE = 'loaded = [{{ read_share = 1.0, utilisation = {}, multiple = {}, source = "x" }}]'

WRONG = {
    "no source": (_tier("far_ns = { value = 1000 }"), "slow, far_ns: it has no source"),
    "an empty source": (_tier('far_ns = { value = 1000, source = " " }'), "slow, far_ns: it has no source"),
    "a bare number": (_tier("far_ns = 1000"), "slow, far_ns: it is no figure with a source"),
    "negative": (_tier('nt_ns = { value = -1, source = "x" }'), "slow, nt_ns: -1 is out of range; give 0"),
    "not a number": (_tier('nt_ns = { value = nan, source = "x" }'), "slow, nt_ns: nan is no number"),
    "a truth value": (_tier('nt_ns = { value = true, source = "x" }'), "slow, nt_ns: True is no number"),
    "text": (_tier('nt_ns = { value = "1", source = "x" }'), "slow, nt_ns: '1' is no number"),
    "no value": (_tier('nt_ns = { source = "x" }'), "slow, nt_ns: its value is missing"),
    "a fraction": ('base = "cxl"\n[host]\nl1_ways = { value = 8.5, source = "x" }', "host, l1_ways: 8.5 is no whole number"),
    "unknown": (_tier('colour = { value = 1, source = "x" }'), "slow, colour: there is no such figure; the figures are"),
    "unknown at the top": ('base = "cxl"\nprice = 3', "price: there is no such figure"),
    "an unknown part": (_tier('nt_ns = { value = 1, source = "x", unit = "ns" }'), "slow, nt_ns.unit: a figure has no such part"),
    "odd blocks": (_tier('block_bytes = { value = 100, source = "x" }'), "slow, block_bytes: blocks of 100 bytes are not modelled"),
    "latencies that fall": (_tier('near_ns = { value = 400, source = "x" }'), "slow, near_ns: near, mid and far latency do not rise"),
    "a curve that falls": (_tier(_CURVE.format([0.5, 0.9], [2, 1.5])), "slow, loaded[0].multiple: the curve falls"),
    "places that do not rise": (_tier(_CURVE.format([0.5, 0.5], [1, 2])), "slow, loaded[0].utilisation: the points do not rise"),
    "lists of other lengths": (_tier(_CURVE.format([0.5], [1, 2])), "loaded[0]: utilisation and multiple are not two lists"),
    "utilisation beyond 1": (_tier(_CURVE.format([0.5, 1.5], [1, 2])), "slow, loaded[0].utilisation: 1.5 is out of range"),
    "a multiple below 1": (_tier(_CURVE.format([0.5], [0.5])), "slow, loaded[0].multiple: 0.5 is out of range"),
    "a start that is not idle": (_tier(_CURVE.format([0, 1], [2, 3])), "slow, loaded[0].multiple: the multiple at no load is not 1"),
    "no loaded curve": (_tier("loaded = []"), "slow, loaded: it is missing"),
    "an unknown machine to start from": ('base = "optane300"', "base: 'optane300' is not known; take one of cxl"),
    "an unknown tier": ('base = "cxl"\nslow = "optane300"', "slow: 'optane300' is not known; take one of cxl-214"),
    "a path for a name": ('base = "cxl"\nslow = "../optane300"', "slow: '../optane300' is not known"),
    "no host": ('about = "x"\nfast = "ddr4-2666-x6"\nslow = "cxl-239"', "host: it is missing"),
    "no tier at all": ('about = "x"\nhost = "ice-lake"\nfast = "ddr4-2666-x6"\nslow = 3', "slow: it is no name and no table"),
    "a tier with no base": ('about = "x"\nhost = "ice-lake"\nfast = "ddr4-2666-x6"\n[slow]\nname = "x"', "slow, near_ns: it is missing"),
    "a paged fast tier": ('base = "cxl"\nfast = "nvme-nand"', "fast: a paged tier cannot be the fast one"),
    "one name for two tiers": ('base = "dram-ddr4"\n[slow]\nfar_ns = { value = 900, source = "x" }', "both named ddr4-2666-x6 and differ"),
    "no TOML": ("base = ", "it is no TOML"),
    "odd pages": ('base = "cxl"\n[host]\npage_bytes = { value = 8192, source = "x" }', "host, page_bytes: pages of 8192 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_in_one_line_with_file_and_key(machine_file: WriteFile, case: str) -> None:
    text, expected = WRONG[case]
    with pytest.raises(MachineError) as raised:
        Machine.load(machine_file(text))
    assert expected in str(raised.value)
    assert "mine.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(MachineError, match=r"machine optane: it is not known; take cxl, .*optane100-x6.*or a file that ends in \.toml"):
        Machine.load("optane")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"gone\.toml: it cannot be read \(No such file or directory\)"):
        Machine.load(tmp_path / "gone.toml")
