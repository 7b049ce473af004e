"""torch on one thread: the tables of these tests are small, and threads that spin for each other slow all of them down."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:  # not installed: the tests that need it are skipped
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
