"""Hazard: Python's signal handlers and interval timers, in the middle of allocations."""

import signal
import types

struck = [0]


def on_alarm(number: int, frame: types.FrameType | None) -> None:
    struck[0] += len(bytearray(100_000)) // 100_000


signal.signal(signal.SIGALRM, on_alarm)
signal.signal(signal.SIGTRAP, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
total = 0
while struck[0] < 15:
    total += len(bytearray(300_000)) == 300_000
signal.setitimer(signal.ITIMER_REAL, 0)
before = struck[0]
signal.raise_signal(signal.SIGTRAP)
print(total > 0, struck[0] - before)
