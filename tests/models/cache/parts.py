"""The parts of the plain hierarchy: sets with an order of use, prefetchers, the tier's buffers. Slow, and written to be read."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

LINE_BYTES = 64
PAGE_LINES = 64  # of the 4 KiB page that prefetchers stay in
BLOCK_LINES = 4
STREAMS, STRIDES = 16, 256  # streams in even pages, and as many in odd ones
AHEAD = 2
BUFFER_WAYS = 16

T = TypeVar("T")


class Kind(IntEnum):
    LOAD = 0
    STORE = 1
    UPDATE = 2
    STORE_NT = 3
    PREFETCH = 4
    FENCE = 5


class Access(NamedTuple):
    core: int
    address: int
    size: int
    kind: Kind
    pc: int
    owner: int


class Answer(IntEnum):
    L1 = 0
    L2 = 1
    L3 = 2
    MEMORY = 3


class Class(IntEnum):
    L3 = 0
    NEAR = 1
    MID = 2
    FAR = 3


@dataclass
class Line:
    """What a level knows of a line."""

    owner: int
    dirty: bool = False
    prefetched: bool = False
    from_memory: bool = False


class LruSet(Generic[T]):
    """The last entry is the most recent."""

    def __init__(self, ways: int) -> None:
        self.ways = ways
        self.entries: OrderedDict[int, T] = OrderedDict()

    def get(self, key: int) -> T | None:
        return self.entries.get(key)

    def use(self, key: int) -> None:
        self.entries.move_to_end(key)

    def insert(self, key: int, value: T) -> tuple[int, T] | None:
        victim = self.entries.popitem(last=False) if len(self.entries) == self.ways else None
        self.entries[key] = value
        return victim

    def remove(self, key: int) -> T | None:
        return self.entries.pop(key, None)


class TreeSet(Generic[T]):
    """Tree pseudo-LRU: each inner node of a binary tree over the ways knows which of its halves was used longer ago."""

    def __init__(self, ways: int) -> None:
        self.slots: list[tuple[int, T] | None] = [None] * ways
        self.older_half: dict[tuple[int, int], int] = {}

    def _way(self, key: int) -> int | None:
        return next((way for way, slot in enumerate(self.slots) if slot and slot[0] == key), None)

    def _mark(self, used: int) -> None:
        first, end = 0, len(self.slots)
        while end - first > 1:
            middle = (first + end) // 2
            self.older_half[first, end] = 1 if used < middle else 0
            first, end = (first, middle) if used < middle else (middle, end)

    def _oldest(self) -> int:
        first, end = 0, len(self.slots)
        while end - first > 1:
            middle = (first + end) // 2
            first, end = (middle, end) if self.older_half.get((first, end), 0) else (first, middle)
        return first

    def get(self, key: int) -> T | None:
        way = self._way(key)
        return None if way is None else self.slots[way][1]

    def use(self, key: int) -> None:
        self._mark(self._way(key))

    def insert(self, key: int, value: T) -> tuple[int, T] | None:
        way = self.slots.index(None) if None in self.slots else self._oldest()
        victim = self.slots[way]
        self.slots[way] = (key, value)
        self._mark(way)
        return victim

    def remove(self, key: int) -> T | None:
        way = self._way(key)
        if way is None:
            return None
        value = self.slots[way][1]
        self.slots[way] = None
        return value


class Level(Generic[T]):
    """Sets by the key's remainder."""

    def __init__(self, entries: int, ways: int, tree: bool = False) -> None:
        make = TreeSet if tree else LruSet
        self.sets: list = [make(ways) for _ in range(entries // ways)] if entries else []

    def at(self, key: int) -> LruSet[T] | TreeSet[T]:
        return self.sets[key % len(self.sets)]

    def touch(self, number: int) -> bool:
        """For levels of mere numbers: was it there? It is the most recent now."""
        if not self.sets:
            return False
        here = self.at(number)
        if here.get(number) is not None:
            here.use(number)
            return True
        here.insert(number, True)
        return False

    def holds(self, number: int) -> bool:
        return bool(self.sets) and self.at(number).get(number) is not None


@dataclass
class Stream:
    last: int
    direction: int = 0
    confirmed: bool = False
    ahead: int = 0


class Streams:
    """The stream prefetcher: one stream a 4 KiB page."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.streams: tuple[OrderedDict[int, Stream], ...] = (OrderedDict(), OrderedDict())

    def observe(self, line: int) -> list[int]:
        page, offset = divmod(line, PAGE_LINES)
        streams = self.streams[page % 2]
        stream = streams.get(page)
        if stream is None:
            if len(streams) == STREAMS:
                streams.popitem(last=False)
            streams[page] = Stream(last=offset)
            return []
        streams.move_to_end(page)
        step = offset - stream.last
        stream.last = offset
        if step == 0:
            return []
        direction = 1 if step > 0 else -1
        if direction != stream.direction:
            stream.direction, stream.confirmed = direction, False
            return []
        if not stream.confirmed:
            stream.confirmed, stream.ahead = True, offset
        fetched = []
        if (stream.ahead - offset) * direction < 0:
            stream.ahead = offset
        for _ in range(AHEAD):
            following = stream.ahead + direction
            if abs(following - offset) > self.depth or not 0 <= following < PAGE_LINES:
                break
            stream.ahead = following
            fetched.append(page * PAGE_LINES + following)
        return fetched


@dataclass
class Stride:
    pc: int
    address: int
    stride: int = 0


class Strides:
    """The stride prefetcher: one stride an instruction."""

    def __init__(self) -> None:
        self.table: dict[int, Stride] = {}

    def observe(self, pc: int, address: int) -> list[int]:
        entry = self.table.get(pc % STRIDES)
        if entry is None or entry.pc != pc:
            self.table[pc % STRIDES] = Stride(pc, address)
            return []
        stride = address - entry.address
        entry.address = address
        if stride == 0:
            return []
        if abs(stride) < 2 * LINE_BYTES:
            stride = LINE_BYTES if stride > 0 else -LINE_BYTES
        if stride != entry.stride:
            entry.stride = stride
            return []
        if abs(stride) > 2048:
            return []
        targets = [address + stride, address + 2 * stride]
        in_page = [target for target in targets if target // 4096 == address // 4096]
        return [target // LINE_BYTES for target in in_page]


class Buffers:
    """The tier's own: blocks read, blocks being written, pages."""

    def __init__(self, near_blocks: int, mid_pages: int) -> None:
        self.read_blocks, self.written_blocks, self.pages = (
            Level(entries // min(entries, BUFFER_WAYS) * min(entries, BUFFER_WAYS) if entries else 0, min(entries, BUFFER_WAYS))
            for entries in (near_blocks, near_blocks, mid_pages)
        )

    def read(self, line: int) -> Class:
        block = line // BLOCK_LINES
        if self.written_blocks.holds(block) or self.read_blocks.touch(block):
            return Class.NEAR
        return Class.MID if self.pages.touch(line // PAGE_LINES) else Class.FAR

    def write(self, line: int) -> bool:
        if self.written_blocks.touch(line // BLOCK_LINES):
            return False
        self.pages.touch(line // PAGE_LINES)
        return True
