"""`tierprof report`."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from tierprof.cli import main
from tierprof.profiler.trace import Trace

MakeTrace = Callable[..., Trace]
MIB = 2**20
OBJECTS = [
    {"peak_bytes": 40 * MIB, "stall_s": 4.0, "name": "rank <- main"},
    {"peak_bytes": 60 * MIB, "stall_s": 1.0, "name": "<b>edges</b>"},
]
LIVES = [(0, 40 * MIB, 0, 5_000_000_000), (1, 60 * MIB, 1_000_000_000, None)]


@pytest.fixture
def trace(make_trace: MakeTrace) -> Trace:
    return make_trace("bfs", OBJECTS, costs=[6.0, 1.2], allocations=LIVES)


@pytest.fixture
def plan(trace: Trace, capsys: pytest.CaptureFixture[str]) -> str:
    path = str(trace.path.parent / "bfs.plan")
    main(["place", str(trace.path), "--by", "stall_share", "--budget", "dram=50MiB", "-o", path])
    capsys.readouterr()
    return path


class _Outside(HTMLParser):
    """Collects whatever would make a browser fetch something, and the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [(name, value) for name, value in attrs if name in ("src", "href", "srcset", "data") and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _page(trace: Trace, *options: str) -> tuple[str, _Outside]:
    path = trace.path.parent / "report.html"
    assert main(["report", str(trace.path), "-o", str(path), *options]) == 0
    text = path.read_text()
    parsed = _Outside()
    parsed.feed(text)
    return text, parsed


def test_the_table_names_cost_tier_and_reason(trace: Trace, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(trace.path), "--plan", plan]) == 0
    out = capsys.readouterr().out
    first = next(line for line in out.splitlines() if "rank <- main" in line)
    assert re.split(r"\s{2,}", first.strip()) == [
        "rank <- main",
        "40.0MiB",
        "40.0%",
        "6s [5.9s, 6.1s]",
        "6s",
        "dram",
        "waiting 40.0% of the run",
    ]
    assert "everything in emulated:2.5 costs 7.2s [7s, 7.4s] of CPU time" in out
    assert "emulated:2.5 is emulated: it is DRAM" in out
    assert "the plan is predicted to save 80.0% of it" in out


def test_a_bare_trace_has_neither_costs_nor_tiers(make_trace: MakeTrace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(make_trace("bare", OBJECTS).path)]) == 0
    out = capsys.readouterr().out
    assert "share" in out
    assert not {"tier", "predicted", "why"} & set(out.split())


def test_json_is_exact(trace: Trace, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(trace.path), "--plan", plan, "--json"])
    facts = json.loads(capsys.readouterr().out)
    first = facts["objects"][0]
    assert (first["site"], first["tier"], first["peak_bytes"], first["stall_share"]) == (f"{1:032x}", "dram", 40 * MIB, 0.4)
    assert (first["criticality_s"], first["criticality_low_s"], first["predicted_s"]) == (
        pytest.approx(6.0),
        pytest.approx(5.9),
        pytest.approx(6.0),
    )
    assert facts["all_slow_loss_s"] == {"value": pytest.approx(7.2), "low": pytest.approx(7.0), "high": pytest.approx(7.4)}
    assert facts["slow"] == "emulated:2.5"


def test_the_page_is_one_file_that_fetches_nothing_and_runs_nothing(trace: Trace, plan: str) -> None:
    text, parsed = _page(trace, "--plan", plan)
    assert parsed.fetched == []
    assert "script" not in parsed.tags
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert len(text) < 200_000


def test_the_page_holds_every_part(trace: Trace, plan: str) -> None:
    text, parsed = _page(trace, "--plan", plan)
    said = " ".join(" ".join(parsed.texts).split())
    for heading in ("Where the time goes", "Objects", "Memory over the run", "Predicted and measured", "How to read this"):
        assert heading in said
    assert "6s [5.9s, 6.1s]" in said
    assert "budget 50.0MiB" in said
    assert "2 of 2 predictions" in said or "1 of 2 predictions" in said
    assert "The slow tier is emulated (emulated:2.5)" in said
    assert parsed.tags.count("circle") >= 4
    # names are text, never markup
    assert "&lt;b&gt;edges&lt;/b&gt;" in text
    assert "b" not in parsed.tags[parsed.tags.index("table") :][: parsed.tags[parsed.tags.index("table") :].index("section")]
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_page_of_a_bare_trace_leaves_out_what_it_does_not_know(make_trace: MakeTrace) -> None:
    _, parsed = _page(make_trace("bare", OBJECTS))
    said = " ".join(parsed.texts)
    assert "Objects" in said
    for absent in ("Predicted and measured", "Memory over the run", "emulated"):
        assert absent not in said


def test_a_model_adds_its_features(trace: Trace, make_trace: MakeTrace) -> None:
    model = trace.path.parent / "m.ubj"
    others = [make_trace(name, OBJECTS, costs=[6.0, 1.2]) for name in ("x", "y")]
    main(["train", *(str(own.path) for own in others), "-o", str(model), "--no-evaluation"])
    text, parsed = _page(trace, "--model", str(model))
    assert "80.0% of all waiting" in " ".join(parsed.texts)
    assert 'class="up"' in text
    assert "The model learned from 4 objects of 2 runs (x, y)" in " ".join(parsed.texts)


def test_a_place_that_cannot_be_written_is_one_line(trace: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(trace.path), "-o", str(trace.path / "none" / "r.html")]) == 1
    assert "r.html cannot be written: no such file or directory; choose another file with -o" in capsys.readouterr().err
