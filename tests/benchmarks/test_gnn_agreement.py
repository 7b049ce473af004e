"""The two runs that gnn_agreement.py compares: what is smaller in the exact one."""

from pathlib import Path
from types import ModuleType

import pytest

from tierprof.models.timing.machine import Machine
from tierprof.models.timing.simulator import Simulator

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def gnn_agreement(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gnn_agreement

    return gnn_agreement


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_caches_are_smaller_by_the_factor_and_nothing_else(gnn_agreement: ModuleType, tmp_path: Path, factor: int) -> None:
    # GIVEN the machine that is sampled on
    machine = BENCHMARKS / "machines" / "genoa-cxl.toml"
    # WHEN it is made smaller
    own, whole = (Machine.load(path) for path in (gnn_agreement.small_machine(machine, factor, tmp_path), machine))
    # THEN L2 and L3 are, by the factor, and the rest is as it was
    smaller = {name: whole.host.simulated[name] // factor for name in ("l2_bytes", "l3_bytes")}
    assert dict(own.host.simulated) == {**whole.host.simulated, **smaller}
    assert (own.host.l2_buffers, own.slow, own.tiers) == (whole.host.l2_buffers, whole.slow, whole.tiers)
    # AND the engine takes it
    with Simulator(own.config(1)):
        pass


def test_every_workload_has_its_sizes(gnn_agreement: ModuleType) -> None:
    names = {own.name for own in gnn_agreement.GNN}
    for sizes in (gnn_agreement._SIZES, gnn_agreement._SAMPLED, gnn_agreement._EXACT):
        assert set(sizes) == names
