"""Hazard: numpy: arrays that grow, views that outlive them, files mapped, and forks with arrays alive."""

import os

import numpy as np

array = np.arange(200_000, dtype=np.int64)
view = array[::7]
total = int(view.sum())
array.resize(400_000, refcheck=False)
print(total, int(array.sum()), np.zeros(1 << 19).any())
mapped = np.memmap("array", dtype=np.float64, mode="w+", shape=(300, 300))
mapped[:] = np.outer(np.arange(300), np.ones(300))
mapped.flush()
print(float(np.memmap("array", dtype=np.float64, mode="r", shape=(300, 300)).sum()))
pid = os.fork()
if pid == 0:
    array += 1
    os._exit(int(array.sum()) == 19999900000 + 400_000)
array *= 2
print(os.waitpid(pid, 0)[1] >> 8, int(array.sum()), float((mapped @ mapped).sum()))
try:
    np.empty(1 << 55, dtype=np.uint8)
except MemoryError as error:
    print(type(error).__name__)
