"""Hazard: objects that grow by realloc: lists, arrays, bytearrays, strings, dicts, deques, and a pickle of them."""

import array
import collections
import io
import pickle

numbers = array.array("d")
items: list[int] = []
data = bytearray()
table: dict[int, str] = {}
queue: collections.deque[int] = collections.deque(maxlen=3000)
text = io.StringIO()
for i in range(20_000):
    numbers.append(i / 2)
    items.append(i)
    data += i.to_bytes(4, "little")
    table[i * 7919 % 20011] = str(i)
    queue.append(i)
    text.write(str(i))
print(sum(numbers), len(items), sum(data), len(table), sum(queue), len(text.getvalue()))
pickled = pickle.dumps((numbers, items, data, table, list(queue)), protocol=5)
again = pickle.loads(pickled)
print(again == (numbers, items, data, table, list(queue)), len(pickled) > 300_000)
del data[10:70_000], items[5:]
print(len(data), items)
