"""What each sample accessed and where its time went: the sampler's streams and the heap become the trace's table of samples."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tierprof.base.schema import SAMPLES
from tierprof.profiler.classify import WHERE, classify, find_allocations, on_stack
from tierprof.profiler.modules import Images, locate, static_modules
from tierprof.profiler.perf.parser import PerfStreams
from tierprof.profiler.recover import registers as reg
from tierprof.profiler.recover.derive import CONFIDENCE_EXACT
from tierprof.profiler.recover.evaluate import evaluate, match
from tierprof.profiler.recover.instruction import ACCESS_LOAD, ACCESS_NONE, ACCESS_STORE
from tierprof.profiler.recover.recipes import build_recipes, is_runtime

ACCESS_NAMES = ("none", "load", "store", "update")
CONFIDENCE_NAMES = ("none", "chase", "base", "exact")

# Rows of samples attributed at a time; bounds the memory beside the streams.
BATCH_ROWS = 1 << 20

_VDSO = "[vdso]"
_STACK_POINTER_COLUMN = reg.SAMPLED.index(reg.RSP)

Columns = Mapping[str, np.ndarray]


class Attribution:
    """Attributes the samples of one run.

    Parameters
    ----------
    streams
        What perf saw.
    modules
        From `tierprof.profiler.modules.build_modules`, in the clock of the streams.
    allocations
        From `tierprof.profiler.sites.read_heap`, in the same clock.
    images
        The files.
    """

    def __init__(self, streams: PerfStreams, modules: pd.DataFrame, allocations: pd.DataFrame, images: Images) -> None:
        self._samples = streams.samples
        self._modules = modules
        self._allocations = allocations
        self._images = images
        self._paths = modules["path"].to_numpy(object)
        self._biases = modules["bias"].to_numpy(np.uint64)
        self._module = locate(modules, self._samples["pid"], self._samples["ip"], self._samples["time_ns"])
        self._offset = self._samples["ip"] - self._of_module(self._biases, np.uint64(0))
        self.recipes = build_recipes(images.opened(), self._decodable())

    def _of_module(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """A column of `modules` for each sample."""
        if len(values) == 0:
            return np.full(len(self._module), missing, values.dtype)
        return np.where(self._module >= 0, values[self._module], missing)

    def _decodable(self) -> dict[str, np.ndarray]:
        """Path -> distinct offsets of the samples whose address has to be recovered from registers."""
        rows = np.flatnonzero((self._module >= 0) & self._samples["has_regs"] & (self._samples["event"] == "clock"))
        frame = pd.DataFrame({"path": self._paths[self._module[rows]], "offset": self._offset[rows]}).drop_duplicates()
        return {path: group["offset"].to_numpy(np.uint64) for path, group in frame.groupby("path")}

    def batches(self, start_ns: int) -> Iterator[pa.RecordBatch]:
        """The rows of the trace's samples, in order of time."""
        total = len(self._samples["time_ns"])
        for first in range(0, total, BATCH_ROWS):
            yield self._batch(slice(first, min(first + BATCH_ROWS, total)), start_ns)

    def _batch(self, part: slice, start_ns: int) -> pa.RecordBatch:
        samples = {name: column[part] for name, column in self._samples.items()}
        found = self._recovered(part, samples)
        address, access, confidence, hint = (found[name] for name in ("address", "access", "confidence", "hint"))
        allocation = find_allocations(self._allocations, samples["pid"], address, samples["time_ns"])
        where = classify(
            allocation=allocation,
            hint=hint,
            access=access,
            known=found["known"],
            near_stack=on_stack(address, np.where(samples["has_regs"], samples["regs"][:, _STACK_POINTER_COLUMN], 0)),
            in_static=static_modules(self._modules, self._images, samples["pid"], address) >= 0,
        )
        allocation = np.where(where == WHERE.index("object"), allocation, -1)
        site = self._allocations["site"].to_numpy(np.int64)
        columns = {
            "time_ns": samples["time_ns"] - start_ns,
            "pid": samples["pid"],
            "tid": samples["tid"],
            "event": samples["event"],
            "ip": samples["ip"],
            "module": self._module[part],
            "offset": self._offset[part],
            "address": address,
            "access": _named(access, ACCESS_NAMES),
            "confidence": _named(confidence, CONFIDENCE_NAMES),
            "where": _named(where, WHERE),
            "site": np.where(allocation >= 0, site[allocation] if len(site) else -1, -1),
            "allocation": allocation,
            "latency_cycles": samples["latency"],
            "weight_s": samples["weight"],
        }
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in SAMPLES]
        return pa.RecordBatch.from_arrays(arrays, schema=SAMPLES)

    def _recovered(self, part: slice, samples: Columns) -> dict[str, np.ndarray]:
        """Address, access, confidence and hint of each sample: from the event where it has them, else from recipes."""
        module = self._module[part]
        timed = samples["event"] == "clock"
        paths = np.where(module >= 0, self._paths[module] if len(self._paths) else "", "")
        biases = np.where(module >= 0, self._biases[module] if len(self._biases) else 0, 0).astype(np.uint64)
        rows = np.where(timed & samples["has_regs"], match(self.recipes, paths, self._offset[part]), -1)
        decoded = rows >= 0
        given = ~timed & (samples["address"] != 0)
        kinds = np.select([samples["event"] == "load", samples["event"] == "store"], [ACCESS_LOAD, ACCESS_STORE], ACCESS_NONE)
        column = {name: _taken(self.recipes[name].to_numpy(), rows) for name in ("access", "confidence", "hint")}
        waiting = np.array([is_runtime(path) for path in self._paths], bool)
        in_runtime = (module >= 0) & (waiting[module] if len(waiting) else False)
        recovered = evaluate(self.recipes, rows, samples["regs"], biases)
        return {
            "address": np.where(given, samples["address"], np.where(decoded, recovered, 0)).astype(np.uint64),
            "access": np.where(decoded, column["access"], kinds).astype(np.int64),
            "confidence": np.where(given, CONFIDENCE_EXACT, np.where(decoded, column["confidence"], 0)).astype(np.int64),
            "hint": np.where(timed & in_runtime, "runtime", np.where(decoded, column["hint"], "")),
            # The kernel's vdso is in no file: it reads the clock, and computes.
            "known": decoded | given | (paths == _VDSO),
        }


def _taken(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values at rows; anything where the row is -1."""
    return values[rows] if len(values) else np.zeros(len(rows), values.dtype)


def _named(numbers: np.ndarray, names: tuple[str, ...]) -> pa.Array:
    """A column of strings from numbers into `names`."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int8)), pa.array(names)).cast(pa.string())
