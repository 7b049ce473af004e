"""`tierprof train`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tierprof.cli import main
from tierprof.models.ranker import CriticalityRanker
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]


@pytest.fixture
def measured(make_trace: MakeTrace, tmp_path: Path) -> Path:
    """A folder of three measured programs and one trace that was not measured."""
    rng = np.random.default_rng(2)
    for name in ("bfs", "sssp", "pagerank"):
        stall = rng.dirichlet(np.full(6, 0.5)) * 8
        objects = [{"peak_bytes": (1 + place) << 20, "stall_s": float(own)} for place, own in enumerate(stall)]
        make_trace(name, objects, costs=[float(1.5 * own) for own in stall])
    make_trace("bare", [{"peak_bytes": 1, "stall_s": 1.0}])
    return tmp_path


def test_a_folder_of_traces_becomes_one_file_with_its_provenance(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN a folder is trained on
    status = main(["train", str(measured), "-o", str(measured / "model.ubj")])
    # THEN the comparison is printed, best first, with n, and a sentence that says who wins
    out = capsys.readouterr().out
    assert status == 0
    assert "18 objects of 3 runs of 3 programs; labels from intervention emulated:2.5" in out
    assert "mean over n = 3 programs" in out
    for method in ("model", "model_pairwise", "stall_share", "size", "accesses", "density", "random", "oracle"):
        assert method in {line.strip().split(" ")[0] for line in out.splitlines()}
    assert "the learned ranking" in out
    assert "n = 3 programs are few" in out
    # AND the file knows where it came from
    facts = CriticalityRanker.load(measured / "model.ubj").provenance_
    assert facts["programs"] == {"bfs": 1, "pagerank": 1, "sssp": 1}
    assert facts["loss_per_stall"] == {"emulated:2.5": pytest.approx(1.5)}
    assert facts["source"] == "intervention emulated:2.5"


def test_json_holds_the_comparison_exactly(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", str(measured), "-o", str(measured / "model.ubj"), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["comparison"]) == 8
    oracle = next(row for row in facts["comparison"] if row["method"] == "oracle")
    assert (oracle["regret_25%"], oracle["programs"]) == (0.0, 3)
    assert facts["objects"] == 18


def test_a_program_can_be_left_out(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", str(measured), "-o", str(measured / "model.ubj"), "--leave-out", "bfs", "--json"])
    assert json.loads(capsys.readouterr().out)["programs"] == {"pagerank": 1, "sssp": 1}


def test_one_program_trains_without_a_comparison_and_says_so(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(measured / "bfs.trace"), "-o", str(measured / "model.ubj")]) == 0
    assert "no comparison: all labels come from one program, bfs" in capsys.readouterr().err
    assert (measured / "model.ubj").exists()


def test_nothing_measured_is_one_line_and_status_1(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(measured / "bare.trace"), "-o", str(measured / "model.ubj")]) == 1
    assert capsys.readouterr().err == (
        "tierprof: nothing to learn from: no trace holds measured criticality; run `tierprof measure TRACE -- CMD` first\n"
    )


def test_a_missing_trace_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.trace"), "-o", str(tmp_path / "model.ubj")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
