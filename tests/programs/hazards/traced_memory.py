"""Hazard: Python's own allocation tracer and its raw allocator, beside ours."""

import tracemalloc

tracemalloc.start()
held = [bytearray(50_000) for _ in range(20)]
current, peak = tracemalloc.get_traced_memory()
print(current >= 1_000_000, peak >= current)
[line] = [stat for stat in tracemalloc.take_snapshot().statistics("lineno") if stat.size >= 1_000_000]
print(line.count, line.traceback[0].lineno)
del held
print(tracemalloc.get_traced_memory()[0] < current)
tracemalloc.stop()
