"""The memory hierarchy of native/model/cache.h once more: slow, in plain Python, and written to be read."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .parts import LINE_BYTES, Access, Answer, Buffers, Class, Kind, Level, Line, Streams, Strides


@dataclass
class Outcome:
    """struct tpm_outcome."""

    answer: int = 0
    node_class: int = 0
    translation: int = 0
    tlb1_misses: int = 0
    walks: int = 0
    l1_misses: int = 0
    l2_misses: int = 0
    by_class: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    prefetched_lines: int = 0
    prefetched_used: int = 0
    read_blocks: int = 0


@dataclass
class Core:
    """What belongs to one core."""

    l1: Level[Line]
    l2: Level[Line] | None
    tlb1: Level[bool]
    tlb2: Level[bool]
    streams: Streams
    strides: Strides
    combining: OrderedDict[int, tuple[int, set[int]]] = field(default_factory=OrderedDict)  # line -> owner, bytes


class Hierarchy:
    """Feed it accesses; `written` hears of every line that goes to memory."""

    def __init__(self, config: Mapping[str, int], written: Callable[[int, bool], None]) -> None:
        self.config, self.written = config, written
        self.page_bytes = config["page_bytes"]
        self.l3: Level[Line] = self._level("l3")
        self.buffers = Buffers(config["near_blocks"], config["mid_pages"])
        self.cores = [
            Core(
                l1=self._level("l1"),
                l2=self._level("l2") if config["l2_bytes"] else None,
                tlb1=Level(config["tlb1_entries"], config["tlb1_ways"]),
                tlb2=Level(config["tlb2_entries"], config["tlb2_ways"]),
                streams=Streams(config["prefetch_stream_depth"]),
                strides=Strides(),
            )
            for _ in range(config["cores"])
        ]

    def _level(self, name: str) -> Level[Line]:
        lines = self.config[f"{name}_bytes"] // LINE_BYTES
        return Level(lines, self.config[f"{name}_ways"], bool(self.config["pseudo_lru"]))

    # -- one access -----------------------------------------------------------------------------------------------------

    def access(self, access: Access) -> Outcome:
        core, address, size, kind, pc, owner = access
        self.core, self.owner, self.out = self.cores[core], owner, Outcome()
        if kind in (Kind.FENCE, Kind.UPDATE):
            self.drain(core)
        if kind == Kind.FENCE:
            return self.out
        first, last = address, address + size - 1
        for page in range(first // self.page_bytes, last // self.page_bytes + 1):
            self._translate(page)
        lines = range(first // LINE_BYTES, last // LINE_BYTES + 1)
        if kind == Kind.STORE_NT:
            for line in lines:
                start = line * LINE_BYTES
                self._store_past(line, {byte - start for byte in range(max(first, start), min(last, start + 63) + 1)})
        elif kind == Kind.PREFETCH:
            for line in lines:
                self._prefetch_l1(line)
        else:
            learns = [self._demand(line, store=kind != Kind.LOAD) for line in lines]
            if any(learns) and kind != Kind.STORE and self.config["prefetch_stride"]:
                for line in self.core.strides.observe(pc, address):
                    self._prefetch_l1(line)
        return self.out

    def drain(self, core: int) -> None:
        self.core = self.cores[core]
        while self.core.combining:
            self._write_combined(next(iter(self.core.combining)))

    def _translate(self, page: int) -> None:
        if self.core.tlb1.touch(page):
            return
        self.out.tlb1_misses += 1
        if self.core.tlb2.touch(page):
            self.out.translation = max(self.out.translation, 1)
            return
        self.out.walks += 1
        self.out.translation = 2

    def _demand(self, line: int, store: bool) -> bool:
        here = self.core.l1.at(line)
        held = here.get(line)
        if held:
            here.use(line)
            first_use = held.prefetched
            self.out.prefetched_used += held.from_memory
            held.prefetched = held.from_memory = False
            if store and not held.dirty:
                self._take_from_others(line)
                held.dirty, held.owner = True, self.owner
            return first_use
        answer, found_class, in_l2 = self._ask_l2(line, store)
        self._fill_l1(line, Line(self.owner, dirty=store))
        self.out.l1_misses += 1
        self.out.prefetched_used += in_l2.from_memory
        self.out.answer = max(self.out.answer, answer)
        if answer != Answer.L2:
            self.out.l2_misses += 1
            self.out.by_class[found_class] += 1
            self.out.node_class = max(self.out.node_class, found_class)
        self._l2_was_asked(line, missed=answer != Answer.L2)
        return True

    # -- fetching -------------------------------------------------------------------------------------------------------

    def _ask_l2(self, line: int, store: bool) -> tuple[Answer, Class, Line]:
        """Who answers a request that L1 could not; the flags that the line had in L2, which it loses there."""
        if line in self.core.combining:
            self._write_combined(line)
        self._take_from_others(line) if store else self._clean_in_others(line)
        nothing = Line(self.owner)
        if self.core.l2 and (held := self.core.l2.at(line).get(line)):
            self.core.l2.at(line).use(line)
            flags = Line(held.owner, False, held.prefetched, held.from_memory)
            held.prefetched = held.from_memory = False
            return Answer.L2, Class.L3, flags
        found_class = self._fetch(line)
        if self.core.l2:
            self._fill_l2(line, Line(self.owner))
        return (Answer.L3 if found_class == Class.L3 else Answer.MEMORY), found_class, nothing

    def _fetch(self, line: int) -> Class:
        here = self.l3.at(line)
        if here.get(line):
            here.use(line)
            return Class.L3
        found = self.buffers.read(line)
        self.out.read_blocks += found != Class.NEAR
        self._leave_l3(here.insert(line, Line(self.owner)))
        return found

    def _flags_of_prefetch(self, found: Class) -> Line:
        self.out.prefetched_lines += found != Class.L3
        return Line(self.owner, prefetched=True, from_memory=found != Class.L3)

    def _prefetch_l2(self, line: int) -> None:
        if self.core.l2.at(line).get(line) or line in self.core.combining:
            return
        self._clean_in_others(line)
        self._fill_l2(line, self._flags_of_prefetch(self._fetch(line)))

    def _prefetch_l1(self, line: int) -> None:
        if self.core.l1.at(line).get(line):
            return
        answer, found, in_l2 = self._ask_l2(line, store=False)
        in_l1 = Line(self.owner, prefetched=True, from_memory=in_l2.from_memory)
        self._fill_l1(line, in_l1 if answer == Answer.L2 else self._flags_of_prefetch(found))
        self._l2_was_asked(line, missed=answer != Answer.L2)

    def _l2_was_asked(self, line: int, missed: bool) -> None:
        if not self.core.l2:
            return
        if missed and self.config["prefetch_next_line"]:
            self._prefetch_l2(line ^ 1)
        if self.config["prefetch_stream"]:
            for following in self.core.streams.observe(line):
                self._prefetch_l2(following)

    # -- leaving --------------------------------------------------------------------------------------------------------

    def _fill_l1(self, line: int, fresh: Line) -> None:
        victim = self.core.l1.at(line).insert(line, fresh)
        if victim and victim[1].dirty:
            if self.core.l2:
                self._put_l2(victim[0], victim[1].owner)
            else:
                self._put_l3(victim[0], victim[1].owner)

    def _fill_l2(self, line: int, fresh: Line) -> None:
        victim = self.core.l2.at(line).insert(line, fresh)
        if victim and victim[1].dirty:
            self._put_l3(victim[0], victim[1].owner)

    def _leave_l3(self, victim: tuple[int, Line] | None) -> None:
        if victim and victim[1].dirty:
            self._write_memory(victim[0], victim[1].owner)

    def _put_l2(self, line: int, owner: int) -> None:
        held = self.core.l2.at(line).get(line)
        if held:
            held.dirty, held.owner = True, owner
        else:
            self._fill_l2(line, Line(owner, dirty=True))

    def _put_l3(self, line: int, owner: int) -> None:
        held = self.l3.at(line).get(line)
        if held:
            held.dirty, held.owner = True, owner
        else:
            self._leave_l3(self.l3.at(line).insert(line, Line(owner, dirty=True)))

    def _write_memory(self, line: int, owner: int) -> None:
        self.written(owner, self.buffers.write(line))

    # -- other cores ----------------------------------------------------------------------------------------------------

    def _others(self) -> list[Core]:
        return [core for core in self.cores if core is not self.core]

    def _take_from_others(self, line: int) -> None:
        for other in self._others():
            owner = self._take(other, line)
            if owner is not None:
                self._put_l3(line, owner)

    def _clean_in_others(self, line: int) -> None:
        for other in self._others():
            copies = [level.at(line).get(line) for level in (other.l1, other.l2) if level]
            dirty = [copy for copy in copies if copy and copy.dirty]
            if dirty:
                for copy in dirty:
                    copy.dirty = False
                self._put_l3(line, dirty[0].owner)

    def _take(self, core: Core, line: int) -> int | None:
        """Out of L1 and L2; the owner of the nearest dirty copy, if one was dirty."""
        copies = [level.at(line).remove(line) for level in (core.l1, core.l2) if level]
        return next((copy.owner for copy in copies if copy and copy.dirty), None)

    # -- non-temporal stores --------------------------------------------------------------------------------------------

    def _store_past(self, line: int, stored: set[int]) -> None:
        combining = self.core.combining
        if line not in combining:
            self._take_from_others(line)
            owner = self._take(self.core, line)
            in_l3 = self.l3.at(line).remove(line)
            if owner is None and in_l3 and in_l3.dirty:
                owner = in_l3.owner
            if owner is not None:
                self._write_memory(line, owner)
            if len(combining) == self.config["miss_buffers"]:
                self._write_combined(next(iter(combining)))
            combining[line] = (self.owner, set())
        combining[line][1].update(stored)
        if len(combining[line][1]) == LINE_BYTES:
            self._write_combined(line)

    def _write_combined(self, line: int) -> None:
        owner, _ = self.core.combining.pop(line)
        self._write_memory(line, owner)
