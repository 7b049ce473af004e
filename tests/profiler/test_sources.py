"""Which events are asked for, and what is said when there are none."""

import errno
from pathlib import Path

import pytest

from tierprof.base.errors import TierprofError
from tierprof.profiler import sources
from tierprof.profiler.perf import format as fmt
from tierprof.profiler.sources import Source, choose_source, explain_refusal, ibs_events, pebs_events


def fake_pmu(devices: Path, name: str, number: int, formats: dict[str, str], events: dict[str, str]) -> None:
    for folder, files in (("format", formats), ("events", events)):
        (devices / name / folder).mkdir(parents=True)
        for file, text in files.items():
            (devices / name / folder / file).write_text(text + "\n")
    (devices / name / "type").write_text(f"{number}\n")


CPU_FORMATS = {"event": "config:0-7", "umask": "config:8-15", "ldlat": "config1:0-15"}


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, 0.5, 2000.5, 20001.0, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_one_line(rate_hz: float) -> None:
    with pytest.raises(TierprofError) as caught:
        choose_source("clock", rate_hz)
    assert "\n" not in str(caught.value)


def test_force_lifts_the_cap_but_not_the_limit() -> None:
    assert choose_source("clock", 4000.0, force=True).rate_hz == 4000.0
    with pytest.raises(TierprofError, match="could hang the machine"):
        choose_source("clock", 1e6, force=True)


def test_the_clock_keeps_out_of_step_with_the_tick_and_close_to_its_rate() -> None:
    clock, fault = choose_source("clock", 500.0).events
    assert clock.period % 1_000_000 != 0
    assert clock.period == pytest.approx(2e6, rel=0.01)
    assert clock.regs == fmt.REGISTERS_MASK
    assert clock.track == 1
    assert fault.sample & fmt.SAMPLE_ADDR


def test_sources_of_other_versions_are_named_as_such() -> None:
    with pytest.raises(TierprofError, match="source spe cannot be used: this version of tierprof has not got it; use --source auto"):
        choose_source("spe")


@pytest.mark.parametrize("name", ["none", "exact"])
def test_without_sampling_the_kernel_is_asked_for_no_events(name: str) -> None:
    assert choose_source(name) == Source(name, 0.0, ())


def test_pebs_events_follow_the_kernel_s_own_description(tmp_path: Path) -> None:
    # GIVEN the PMU of an Ice Lake as sysfs shows it
    fake_pmu(tmp_path, "cpu", 4, CPU_FORMATS, {"mem-loads": "event=0xcd,umask=0x1,ldlat=3", "mem-stores": "event=0xd0,umask=0x82"})
    load, store = pebs_events(500.0, tmp_path)
    # THEN loads that wait are sampled, precisely, with address, latency and data source
    assert (load.name, load.type, load.config, load.config1, load.precise, load.group) == ("load", 4, 0x1CD, 30, 2, 0)
    assert load.sample & fmt.SAMPLE_ADDR
    assert load.sample & fmt.SAMPLE_WEIGHT
    assert load.sample & fmt.SAMPLE_DATA_SRC
    assert (store.name, store.config, store.config1) == ("store", 0x82D0, 0)


def test_pebs_loads_of_newer_machines_are_sampled_beside_their_auxiliary_event(tmp_path: Path) -> None:
    loads = {"mem-loads": "event=0xcd,umask=0x1,ldlat=3", "mem-stores": "event=0xcd,umask=0x2", "mem-loads-aux": "event=0x03,umask=0x82"}
    fake_pmu(tmp_path, "cpu", 4, CPU_FORMATS, loads)
    aux, load, store = pebs_events(500.0, tmp_path)
    assert (aux.config, aux.period) == (0x8203, 0)
    assert (load.group, store.group) == (1, 0)


def test_ibs_counts_ops_where_it_can(tmp_path: Path) -> None:
    fake_pmu(tmp_path, "ibs_op", 9, {"cnt_ctl": "config:19", "swfilt": "config2:0"}, {})
    (event,) = ibs_events(500.0, tmp_path)
    assert (event.type, event.config, event.config2, event.kernel) == (9, 1 << 19, 1, 0)
    assert event.sample & fmt.SAMPLE_RAW


def test_ibs_without_a_filter_has_the_kernel_s_own_too(tmp_path: Path) -> None:
    fake_pmu(tmp_path, "ibs_op", 9, {}, {})
    (event,) = ibs_events(500.0, tmp_path)
    assert (event.config, event.config2, event.kernel) == (0, 0, 1)


def test_a_machine_without_a_pmu_has_neither(tmp_path: Path) -> None:
    assert pebs_events(500.0, tmp_path) == ()
    assert ibs_events(500.0, tmp_path) == ()


def test_a_hardware_source_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine whose sysfs shows no PMU
    monkeypatch.setattr(sources, "_hardware", lambda _name, _rate: ())
    with pytest.raises(TierprofError, match=r"source ibs cannot be used: this machine shows no .*ibs_op"):
        choose_source("ibs")
    assert choose_source("auto").name == "clock"


def test_the_kernel_answers_for_each_event(perf_allowed: None) -> None:
    nonsense = sources.EventSpec("nonsense", 0x7FFFFFF0, 0, 1000, fmt.SAMPLE_ALWAYS)
    answers = sources.try_events([sources.fault_event(), nonsense])
    assert answers == {"fault": 0, "nonsense": errno.ENOENT}


@pytest.mark.parametrize(
    ("error", "level", "says"),
    [
        (errno.EACCES, "4", "kernel.perf_event_paranoid is 4 and sampling needs 2 or less; run `sudo sysctl kernel.perf_event_paranoid=2`"),
        (errno.EPERM, "2", "seccomp"),
        (errno.ENOSYS, "2", "this kernel cannot sample that"),
        (errno.EMFILE, "2", "ulimit -n"),
        (errno.EACCES, "", "this kernel has no perf events"),
    ],
)
def test_a_refusal_is_one_line_with_its_mend(tmp_path: Path, error: int, level: str, says: str) -> None:
    paranoid = tmp_path / "perf_event_paranoid"
    if level:
        paranoid.write_text(level + "\n")
    line = explain_refusal(error, "perf_event_open for clock on CPU 0: no", paranoid)
    assert says in line
    assert "\n" not in line
    assert line.startswith("no samples: ")
    assert line.endswith("goes on without samples")
