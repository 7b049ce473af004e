"""libmemkind in this process."""

import os
import re
from pathlib import Path

import pytest

from tierprof.base.errors import TierError
from tierprof.placer import memkind

needs_memkind = pytest.mark.skipif(not memkind.available(), reason="libmemkind is not installed")


def test_a_missing_library_is_told_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memkind, "_LIBRARY", "libmissing.so.0")
    memkind._library.cache_clear()
    assert not memkind.available()
    with pytest.raises(TierError, match=r"libmissing.so.0.*; apt install libmemkind0"):
        memkind.version()
    memkind._library.cache_clear()


@needs_memkind
def test_the_version_is_told() -> None:
    assert re.fullmatch(r"1\.\d+\.\d+", memkind.version())


@needs_memkind
def test_an_ordinary_folder_is_not_dax(tmp_path: Path) -> None:
    assert memkind.is_dax(tmp_path) is False


@needs_memkind
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


@needs_memkind
def test_a_kind_that_is_full_says_so(tmp_path: Path) -> None:
    with memkind.pmem_kind(tmp_path, limit_bytes=32 << 20) as kind, pytest.raises(TierError, match="bytes are left"):
        kind.allocate(64 << 20)


@needs_memkind
def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TierError, match="memkind cannot use"), memkind.pmem_kind(tmp_path / "missing"):
        pass
