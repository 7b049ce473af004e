"""libmemkind in this process."""

import os
import re
from pathlib import Path

import pytest

from tierprof.base.errors import TierError
from tierprof.placer import memkind

pytestmark = pytest.mark.skipif(memkind.version() is None, reason="libmemkind is not installed")


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"1\.\d+\.\d+", memkind.version() or "")


def test_an_ordinary_folder_is_not_dax(tmp_path: Path) -> None:
    assert memkind.is_dax(tmp_path) is False


def test_memory_comes_from_the_folder_and_keeps_its_content(tmp_path: Path) -> None:
    with memkind.pmem_kind(tmp_path) as kind:
        # GIVEN memory of a file-backed kind
        memory = kind.allocate(100_000)
        memory[:] = b"x" * 100_000
        # THEN it is in a file of that folder, and the setting that memkind needed is gone from the environment
        assert f"{tmp_path}/memkind." in Path("/proc/self/maps").read_text()
        assert "MEMKIND_HOG_MEMORY" not in os.environ
        assert bytes(memory) == b"x" * 100_000
        kind.free(memory)


def test_a_kind_that_is_full_says_so(tmp_path: Path) -> None:
    with memkind.pmem_kind(tmp_path, limit_bytes=32 << 20) as kind, pytest.raises(TierError, match="bytes are left"):
        kind.allocate(64 << 20)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TierError, match="memkind cannot use"), memkind.pmem_kind(tmp_path / "missing"):
        pass
