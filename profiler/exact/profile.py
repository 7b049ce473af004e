"""What an exact run counted, as the timing model and the placer take it: five tables and the simulated machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierprof.base.errors import TraceError
from tierprof.profiler.exact.rawfile import parse_exact
from tierprof.profiler.exact.tables import NAMES, Frames, Process, exact_tables
from tierprof.profiler.trace import Trace


@dataclass(frozen=True)
class ExactProfile:
    """An exact run's tables; their columns are those of `tierprof.base.schema`.

    Attributes
    ----------
    threads : DataFrame
        One row a thread and slice.
    objects : DataFrame
        One row an object, thread and slice.
    episodes, nodes : DataFrame
        What the core could overlap, and the chains of it. A node of class 0 (an L3 hit) is no object's; its object is 0.
    reuse : DataFrame
        Reuse distances by object, in long form.
    config : dict of str to int
        The simulated machine, by the field names of native/model/config.h.
    """

    threads: pd.DataFrame
    objects: pd.DataFrame
    episodes: pd.DataFrame
    nodes: pd.DataFrame
    reuse: pd.DataFrame
    config: dict[str, int]

    @cached_property
    def object_ids(self) -> NDArray[np.int64]:
        """The distinct objects that were accessed, ascending, pseudo objects (below 0) included."""
        named = self.nodes["object"][self.nodes["node_class"] > 0]
        return np.unique(np.concatenate([self.objects["object"], named])).astype(np.int64)

    @classmethod
    def from_trace(cls, trace: Trace) -> "ExactProfile":
        """The profile that a trace holds; objects are rows of its sites.

        Raises
        ------
        TraceError
            If the trace is not of an exact run.
        """
        missing = [name for name in NAMES if not trace.has(name)]
        if missing or "exact" not in trace.meta:
            why = f"its source is {trace.meta.get('source')}" if len(missing) == len(NAMES) else f"{', '.join(missing)} is missing"
            raise TraceError(f"trace {trace.path} has no exact counts", why, "record it with `tierprof run --source exact`")
        config = {str(name): int(value) for name, value in trace.meta["exact"]["config"].items()}
        return cls._of({name: trace.frame(name) for name in NAMES}, config)

    @classmethod
    def from_bytes(cls, data: bytes, site_rows: Mapping[int, int] | None = None) -> "ExactProfile":
        """The profile of one exact.PID.SEQ.bin.

        Parameters
        ----------
        data
            The file's bytes, whole or cut.
        site_rows
            What each of its site numbers becomes; without it they stay. One that it lacks becomes -5.

        Raises
        ------
        TraceError
            If the bytes are no such file.
        """
        file = parse_exact(np.frombuffer(data, np.uint8), "the exact profile")
        return cls._of(exact_tables([Process(file, site_rows)]), parse_config(file.config_text))

    @classmethod
    def _of(cls, tables: Frames, config: dict[str, int]) -> "ExactProfile":
        return cls(**{name.removeprefix("exact_"): tables[name] for name in NAMES}, config=config)


def parse_config(text: str) -> dict[str, int]:
    """The fields of a configuration text: one ``name value`` a line (native/model/config.h)."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}
