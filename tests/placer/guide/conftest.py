"""The trace of made.py, as tests take it."""

from collections.abc import Callable

import pytest

from tierprof.profiler.trace import Trace

from .made import OBJECTS, SEEN, Seen, lives, samples_table, tensors_table


@pytest.fixture
def gnn(make_trace: Callable[..., Trace]) -> Callable[..., Trace]:
    """`gnn(name="gnn", seen=SEEN, named=True, **meta)`: the trace of `OBJECTS`."""

    def make(name: str = "gnn", seen: tuple[Seen, ...] = SEEN, named: bool = True, **meta: object) -> Trace:
        objects = [{"name": own, "peak_bytes": size, "stall_s": stall} for own, size, stall, _ in OBJECTS]
        known = {"command": ["/usr/bin/python", f"{name}.py", "--batch-size", "1024", "--layers", "3"], "program": "gnn"}
        trace = make_trace(name, objects, **{**known, **meta})
        allocations = lives()
        trace.write("allocations", allocations)
        sites = trace.frame("sites")
        trace.write("sites", sites.assign(frames=[frames for *_, frames in OBJECTS]))
        start = dict(zip(allocations["allocation"], allocations["address"], strict=True))
        trace.write("samples", samples_table(list(seen), start))
        if named:
            trace.write("tensors", tensors_table(allocations))
        return Trace.open(trace.path)

    return make
