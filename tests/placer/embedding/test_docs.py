"""The example of docs/embeddings.md runs as it stands, but for its folders."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "embeddings.md"


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(example.replace("/mnt/pmem", str(tmp_path)).replace("/tmp/checkpoint.pt", str(tmp_path / "checkpoint.pt")), {})
    shown = capsys.readouterr().out
    assert len(re.findall(r"[\d.]+% of the rows were in the fast tier", shown)) == 2
    assert "PolicyComparison(" in shown
    assert "RerankReport(" in shown
    assert torch.load(tmp_path / "checkpoint.pt")["items"]["weight"].shape == (20_000, 64)
