"""Where rows lie: each kind of tier, the page on the border, and memory that goes with its last tensor."""

import ctypes
import errno
import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tierprof.base.errors import TierError
from tierprof.placer import machine
from tierprof.placer.embedding import storages, system
from tierprof.placer.tiers import parse_tier

torch = pytest.importorskip("torch")

from tierprof.placer.embedding import TieredEmbedding, attach_optimizer  # noqa: E402
from tierprof.placer.embedding.memory import Layout, is_tiered  # noqa: E402

PAGE = system.PAGE_BYTES
MPOL_DEFAULT, MPOL_F_ADDR, GET_MEMPOLICY = 0, 2, 239


def layout(fast_rows: int, slow: str, fast: str = "dram") -> Layout:
    return Layout(fast_rows, parse_tier(fast), parse_tier(slow))


def mappings(start: int, size: int) -> list[tuple[int, int, str]]:
    """Parts of a range as the kernel has them: offset, bytes, and the name behind it."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in words[0].split("-"))
        low, high = max(low, start), min(high, start + size)
        if low < high:
            found.append((low - start, high - low, words[5] if len(words) > 5 else ""))
    return found


def test_the_head_lies_in_dram_and_the_rest_in_a_file_without_a_name(tmp_path: Path) -> None:
    # WHEN rows are mapped of which one more than a page holds is fast
    in_page = PAGE // 64
    rows = layout(in_page + 1, f"pmem:{tmp_path}").empty((4 * in_page, 16), torch.float32)
    # THEN the page of that row is fast as a whole, the rest is a file's, which nobody else can open
    memory, file = mappings(rows.data_ptr(), 4 * PAGE)
    assert memory == (0, 2 * PAGE, "")
    assert file[:2] == (2 * PAGE, 2 * PAGE)
    assert file[2].startswith(str(tmp_path))
    assert file[2].endswith("(deleted)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slow", ["dram", "node:0", "node:0,bind", "huge"])
def test_memory_of_each_kind_is_zero_and_holds_what_is_written(slow: str) -> None:
    if slow == "huge" and machine.transparent_huge_pages() in (None, "never"):
        pytest.skip("no transparent huge pages")
    rows = layout(3, slow).empty((3000, 4), torch.float64)
    assert not rows.any()
    rows.copy_(torch.arange(12000, dtype=torch.float64).view(3000, 4))
    assert rows[2999, 3] == 11999
    assert rows.data_ptr() % PAGE == 0


def test_memory_goes_with_the_last_tensor_over_it(tmp_path: Path) -> None:
    # GIVEN a table with an optimizer's state
    table = TieredEmbedding(1000, 16, fast_rows=100, slow=f"pmem:{tmp_path}")
    optimizer = torch.optim.Adam(table.parameters())
    attach_optimizer(optimizer, table)
    table(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    states = [table.weight.data, *(state for state in optimizer.state[table.weight].values() if state.dim())]
    starts = [state.data_ptr() for state in states]
    assert len(starts) == 3
    assert all(map(is_tiered, states))
    assert all(len(mappings(start, 64000)) == 2 for start in starts)
    part = states[0][5:7]
    # WHEN all but a view of its rows is dropped
    del table, optimizer, states
    gc.collect()
    # THEN what the view needs is there, and the rest is unmapped
    assert part.sum().isfinite()
    assert [len(mappings(start, 64000)) for start in starts] == [2, 0, 0]
    del part
    gc.collect()
    assert mappings(starts[0], 64000) == []


def test_momentum_comes_home_after_the_first_step(tmp_path: Path) -> None:
    table = TieredEmbedding(100, 16, fast_rows=10, slow=f"pmem:{tmp_path}")
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1, momentum=0.9)
    attach_optimizer(optimizer, table)
    table(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    assert is_tiered(optimizer.state[table.weight]["momentum_buffer"])


def test_what_is_made_like_the_weight_lies_like_it() -> None:
    weight = TieredEmbedding(10, 2, fast_rows=5, slow="dram").weight
    assert is_tiered(torch.zeros_like(weight, memory_format=torch.preserve_format))
    assert is_tiered(torch.empty_like(weight, dtype=torch.float64))
    assert torch.equal(torch.full_like(weight, 0.5), torch.full((10, 2), 0.5))
    assert torch.equal(torch.ones_like(weight), torch.ones(10, 2))
    assert torch.zeros_like(weight, device="meta").device.type == "meta"


def test_a_table_without_rows_or_columns_is_empty() -> None:
    assert TieredEmbedding(0, 4, fast_rows=0, slow="dram").weight.shape == (0, 4)
    assert TieredEmbedding(3, 0, fast_rows=1, slow="dram")(torch.tensor([1])).shape == (1, 0)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of get_mempolicy is x86-64's")
@pytest.mark.parametrize(("slow", "policies"), [("node:0", (1, 5)), ("node:0,bind", (2,)), ("kmem", (1, 5)), ("dram", (0,))])
def test_the_kernel_knows_the_tail_s_policy(slow: str, policies: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN memory of which the first page is fast; node 0 stands in for a KMEM device's
    monkeypatch.setattr(machine, "kmem_nodes", lambda: [0])
    rows = layout(64, slow).empty((1024, 16), torch.float32)
    found = []
    for address in (rows.data_ptr(), rows.data_ptr() + PAGE):
        mode = ctypes.c_int(-1)
        if ctypes.CDLL(None).syscall(GET_MEMPOLICY, ctypes.byref(mode), None, 0, ctypes.c_void_p(address), MPOL_F_ADDR) != 0:
            pytest.skip("get_mempolicy is forbidden here")
        found.append(mode.value)
    # THEN the head has none, and the tail its tier's (linux/mempolicy.h)
    assert found[0] == MPOL_DEFAULT
    assert found[1] in policies


def test_a_tier_that_cannot_hold_rows_is_refused() -> None:
    with pytest.raises(TierError, match=r"tier emulated \(emulated:2\): a table's rows cannot lie in a tier of kind emulated; give dram"):
        TieredEmbedding(10, 2, fast_rows=5, slow="emulated:2")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TierError, match=r"the folder does not exist; mount the memory there"):
        TieredEmbedding(10, 2000, fast_rows=1, slow=f"pmem:{tmp_path}/missing")


def test_no_room_is_told_before_the_first_row_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a file system that is full
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = Path("/proc/self/maps").read_text().count("(deleted)")
    monkeypatch.setattr(os, "posix_fallocate", full)
    # THEN it is told in one line, and neither memory nor a file stays behind
    with pytest.raises(TierError, match=r"it has no room for 80.0KiB of rows \(No space left on device\); free some, or give another tier"):
        TieredEmbedding(10, 2000, fast_rows=0, slow=f"pmem:{tmp_path}")
    assert Path("/proc/self/maps").read_text().count("(deleted)") == before
    assert list(tmp_path.iterdir()) == []


def test_mbind_that_is_forbidden_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(system, "set_policy", forbidden)
    with pytest.raises(TierError, match="this process may not choose NUMA nodes"):
        TieredEmbedding(10, 2000, fast_rows=0, slow="node:0")


def test_an_older_kernel_prefers_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def older(address: int, size_bytes: int, mode: int, nodes: list[int]) -> None:
        asked.append((mode, nodes))
        if mode == system.PREFERRED_MANY:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(system, "set_policy", older)
    storage = storages.storage_of(parse_tier("node:0"))
    address = system.reserve(PAGE)
    storage(address, PAGE)
    system.release(address, PAGE)
    assert asked == [(5, [0]), (1, [0])]


def test_torch_is_imported_late_and_its_absence_is_told_with_the_mend() -> None:
    # GIVEN a Python that has no torch
    program = """
import sys
sys.modules["torch"] = None
import tierprof.placer.embedding
from tierprof.placer.embedding import compare_policies
from tierprof.base.errors import TierError
print(compare_policies([[1, 2], [1]], 1, 1).uses)
try:
    from tierprof.placer.embedding import TieredEmbedding
except TierError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    # THEN what needs none works, and the rest says what to install
    assert done.stdout == "3\ntierprof.placer.embedding.TieredEmbedding: torch is not installed; pip install tierprof[torch]\n"


def test_frequencies_of_another_length_are_told() -> None:
    with pytest.raises(TierError.__mro__[1], match=r"the table has 5 rows; give one finite number for each row"):
        TieredEmbedding(5, 2, fast_rows=2, slow="dram", frequencies=np.arange(4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fast_rows": 6}, "fast_rows: 6 is not between 0 and the table's 5 rows"),
        ({"fast_rows": 1, "padding_idx": 5}, "padding_idx: 5 is no row of a table of 5"),
        ({"fast_rows": 1, "device": "meta"}, "not on meta; leave device out"),
    ],
)
def test_arguments_that_cannot_be_are_told(options: dict, message: str) -> None:
    with pytest.raises(TierError.__mro__[1], match=message):
        TieredEmbedding(5, 2, slow="dram", **options)
