"""Collecting: which traces are made, that an interruption costs nothing finished, and what a shipped trace keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tierprof.profiler.trace import Trace
from tierprof.workloads import collect
from tierprof.workloads.catalog import WORKLOADS, workload
from tierprof.workloads.graph import WorkloadError

OBJECTS = [{"peak_bytes": 2**20, "stall_s": 3.0}, {"peak_bytes": 2**24, "stall_s": 1.0}, {"peak_bytes": 2**12, "stall_s": 0.0}]
ALLOCATIONS = [(0, 2**20, 0, 10**9), (1, 2**24, 0, None), (2, 2**12, 5, 6), (2, 2**12, 7, 8)]


@pytest.fixture
def job(tmp_path: Path) -> collect.Job:
    return collect.Job(workload("bfs_graphblas"), 20, tmp_path / "work")


def test_every_program_at_two_scales(tmp_path: Path) -> None:
    listed = collect.jobs(tmp_path)
    assert len(listed) == len({job.name for job in listed}) == 2 * len(WORKLOADS)
    assert [job.scale for job in listed] == sorted(job.scale for job in listed)


def test_named_programs_only(tmp_path: Path) -> None:
    assert {job.workload.name for job in collect.jobs(tmp_path, ["components_scipy"])} == {"components_scipy"}
    with pytest.raises(WorkloadError, match="no program quicksort"):
        collect.jobs(tmp_path, ["quicksort"])


def test_stripped_trace_keeps_what_training_reads(make_trace: Callable[..., Trace], job: collect.Job, tmp_path: Path) -> None:
    # GIVEN a measured trace of three objects, two of them measured
    command = ["/home/me/venv/bin/python", "-P", "-m", "tierprof.workloads.bfs_graphblas", "--graph", "/home/me/rmat-s20.npz"]
    full = make_trace("full", OBJECTS, costs=[2.0, 0.5, None], allocations=ALLOCATIONS, command=command)
    # WHEN it is stripped
    size = collect.strip(full, tmp_path / "out" / "bfs.trace", job, ["--work", "w"])
    small = Trace.open(tmp_path / "out" / "bfs.trace")
    # THEN features and labels are all there, allocations only of measured objects, samples of none
    assert small.objects().equals(full.objects())
    assert small.frame("criticality").equals(full.frame("criticality"))
    assert small.frame("allocations")["site"].tolist() == [0, 1]
    assert len(small.frame("samples")) == 0
    assert size == sum(file.stat().st_size for file in small.path.iterdir())
    # THEN it says what it is, and nothing of the folders of whoever made it
    assert small.meta["program"] == "bfs_graphblas"
    assert small.meta["provenance"]["graph"] == {"kind": "R-MAT", "scale": 20, "edge_factor": 8, "seed": 1}
    assert "/home/me" not in (small.path / "meta.json").read_text()


def test_stripping_again_replaces(make_trace: Callable[..., Trace], job: collect.Job, tmp_path: Path) -> None:
    full = make_trace("full", OBJECTS, costs=[2.0, 0.5, None], allocations=ALLOCATIONS)
    target = tmp_path / "bfs.trace"
    target.mkdir()
    (target / "stale.parquet").write_bytes(b"")
    collect.strip(full, target, job, [])
    assert not (target / "stale.parquet").exists()
    assert [path.name for path in tmp_path.glob("*bfs.trace")] == ["bfs.trace"]


def test_what_is_finished_is_not_done_again(
    make_trace: Callable[..., Trace], job: collect.Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a graph, a profiled trace, and a half-written one of an interrupted run
    calls: list[str] = []
    monkeypatch.setattr(collect, "run_tierprof", lambda verb, *_: calls.append(verb))
    job.work.mkdir()
    job.graph.touch()
    make_trace("profiled", OBJECTS).path.rename(job.trace)
    # WHEN it is collected
    collect.collect(job, repeats=3, objects=5)
    # THEN only the measurement is left to do
    assert calls == ["measure"]
    # AND once measured nothing is
    job.trace.rename(tmp_path / "old")
    make_trace("measured", OBJECTS, costs=[2.0, 0.5, None]).path.rename(job.trace)
    collect.collect(job, repeats=3, objects=5)
    assert calls == ["measure"]


def test_half_written_trace_is_made_again(make_trace: Callable[..., Trace], job: collect.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the remains of an interrupted profile
    job.work.mkdir()
    job.graph.touch()
    part = job.trace.with_name(f"part-{job.name}.trace")
    part.mkdir()

    def run(verb: str, *arguments: str) -> None:
        if verb == "run":
            make_trace("fresh", OBJECTS, costs=[1.0, None, None]).path.rename(arguments[arguments.index("-o") + 1])

    monkeypatch.setattr(collect, "run_tierprof", run)
    # WHEN it is collected
    collect.collect(job, repeats=3, objects=5)
    # THEN the new trace is in place and the remains are gone
    assert len(Trace.open(job.trace).objects()) == 3
    assert not part.exists()


def test_failure_of_the_command_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect.sys, "executable", "/bin/false")
    with pytest.raises(WorkloadError, match="tierprof measure failed: it exited with status 1"):
        collect.run_tierprof("measure", "x")
