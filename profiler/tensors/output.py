"""The files that a process writes its tensors to: definitions as lines of JSON, sightings as records of fixed size.

No descriptor stays open between writes: a program that closes all of them, or counts them, finds none of ours.

Definitions (tensors.PID.SEQ.jsonl), numbers being the process's own:

    {"version": 1, "pid": P}                                                     the first line
    {"module": 3, "class": "Embedding"}
    {"parent": 1, "child": 3, "name": "user_embedding"}
    {"module": 1, "variable": "model"}
    {"tensor": 7, "owner": 3, "name": "weight", "role": "parameter", "shape": [1000, 64], "dtype": "float32"}
    {"tensor": 8, "of": 7, "name": "grad", "role": "gradient", "shape": [1000, 64], "dtype": "float32"}
    {"note": "..."}                                                              the recorder stepped aside, and why

A sighting (tensors.PID.SEQ.bin) says that a tensor was at an address at a time: see `SIGHTING`.
"""

import json
import os
import struct
import time

VERSION = 1
SIGHTING = struct.Struct("<QQQII")  # time_ns (CLOCK_MONOTONIC), address, bytes, tensor, 0
_FLUSH_NS = 500_000_000
_FLUSH_BYTES = 1 << 16
_SEQUENCES_AT_MOST = 1 << 16


class Output:
    """One process's pair of files; made by the first flush.

    Parameters
    ----------
    folder
        The raw folder.
    max_bytes
        What both files may hold together; `full` from there on, but for definitions already begun.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.full = False
        self._folder = folder
        self._room = max_bytes
        self._stem = ""
        self._lines = bytearray()
        self._sightings = bytearray()
        self._flushed_ns = 0

    def define(self, **fields: object) -> None:
        """Add a definition."""
        self._lines += json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    def sight(self, tensor: int, address: int, size_bytes: int, time_ns: int) -> None:
        """Add a sighting of a tensor that has been defined."""
        self._sightings += SIGHTING.pack(time_ns, address, size_bytes, tensor, 0)

    def flush_some(self) -> None:
        """Write what waits, if it has waited for long or is much."""
        if len(self._sightings) >= _FLUSH_BYTES or time.monotonic_ns() - self._flushed_ns >= _FLUSH_NS:
            self.flush()

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        OSError
            If it cannot be written, or not whole.
        """
        self._flushed_ns = time.monotonic_ns()
        if not (self._lines or self._sightings) or self.full:
            return
        if not self._stem:
            self._stem = self._create()
        self._room -= len(self._lines) + len(self._sightings)
        # A tensor is defined before it is sighted, in the files too.
        self._append("jsonl", self._lines)
        self._append("bin", self._sightings)
        self._lines, self._sightings = bytearray(), bytearray()
        if self._room <= 0:
            self.full = True
            self._append("jsonl", b'{"note":"there was no room for more names: see --max-trace"}\n')

    def _create(self) -> str:
        for sequence in range(_SEQUENCES_AT_MOST):
            stem = os.path.join(self._folder, f"tensors.{os.getpid()}.{sequence}")
            try:
                descriptor = os.open(f"{stem}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:  # this process before an exec
                continue
            os.close(descriptor)
            self._lines = bytearray(json.dumps({"version": VERSION, "pid": os.getpid()}).encode() + b"\n") + self._lines
            return stem
        raise OSError("too many files of one process")

    def _append(self, kind: str, content: bytes | bytearray) -> None:
        if not content:
            return
        descriptor = os.open(f"{self._stem}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            written = os.write(descriptor, content)
        finally:
            os.close(descriptor)
        if written != len(content):
            raise OSError("the disk is full")
