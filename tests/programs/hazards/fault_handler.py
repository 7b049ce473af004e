"""Hazard: faulthandler, on a stack of its own, reports a fault, and the process dies by it."""

import ctypes
import faulthandler
import os
import resource

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
held = bytearray(300_000)
pid = os.fork()
if pid == 0:
    with open("report", "w", encoding="utf-8") as report:
        faulthandler.enable(file=report)
        ctypes.string_at(16)
_, status = os.waitpid(pid, 0)
with open("report", encoding="utf-8") as report:
    lines = report.read().splitlines()
print(os.WTERMSIG(status), lines[0], len(lines), len(held))
