"""The core and its episodes once more, plainly: sets of loads instead of bits, no fast path.

What each access finds in the caches is asked of the caches themselves; they have a reference of their own.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tierprof.models.timing.simulator import Access, Exit, ExitKind, Flows, Kind

from .caches import Caches
from .paths import Chain, Miss, chains

REGISTERS = 64
LINE = 64
FENCE_CYCLES = 13
L2, L3, MEMORY = 1, 2, 3
HASH = 0x9E3779B97F4A7C15
TARGET_BITS = 12
# Counters of an object that one access's outcome has, too.
OUTCOMES = ("l1_misses", "l2_misses", "prefetched_lines", "prefetched_used", "read_blocks", "tlb1_misses", "walks")


class Code(NamedTuple):
    """A block."""

    address: int
    accesses: list[Access]
    exits: list[Exit]


@dataclass
class Episode:
    """One that is open."""

    ticks: int
    instructions: int
    misses: list[Miss] = field(default_factory=list)
    lines: list[range] = field(default_factory=list)
    missed_lines: int = 0


@dataclass
class Thread:
    """Registers by number; what they wait for are indices of the open episode's misses."""

    core: int
    now: int = 0
    instructions: int = 0
    ready: Counter[int] = field(default_factory=Counter)
    waits: dict[int, frozenset[int]] = field(default_factory=dict)
    retired: int = 0
    window: deque[tuple[int, int]] = field(default_factory=deque)
    history: int = 0
    jump: tuple[tuple[int, int], int, frozenset[int]] | None = None
    episode: Episode | None = None
    stored: dict[int, tuple[int, frozenset[int]]] = field(default_factory=dict)
    told: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    by_object: dict[int, Counter[str]] = field(default_factory=dict)
    episodes: dict[tuple[Chain, ...], Counter[str]] = field(default_factory=dict)


class Step(NamedTuple):
    """One access of a run: when it is dispatched, how many instructions of the block went before, its number and address."""

    thread: Thread
    start: int
    passed: int
    number: int
    access: Access
    place: int


class Core:
    """What the simulator should say of runs of blocks, slice by slice.

    `owner` tells whose an address is.
    """

    def __init__(self, config: Mapping[str, int], owner: Any) -> None:
        self.config = config
        self.owner = owner
        self.caches = Caches(config)
        self.threads: dict[int, Thread] = {}
        self.counters: dict[tuple[int, int], int] = {}
        self.targets: dict[tuple[int, int], int] = {}
        self.slices: list[dict[int, Thread]] = []
        self.in_slice = 0
        self.folded = 0
        self.heat: dict[tuple[int, int], Counter[str]] = {}  # by object and line

    # ---- what is written ----

    def end_slice(self) -> None:
        if self.in_slice == 0:
            return
        done = {}
        for number, thread in self.threads.items():
            if not thread.counts["instructions"] and not thread.by_object:
                continue
            width = self.config["issue_width"]
            thread.counts["base_cycles"] = (thread.now - thread.told) // width
            thread.told += thread.counts["base_cycles"] * width
            self._end_episode(thread, thread.now, thread.instructions)
            for row in thread.episodes.values():
                row["base_cycles"] = (row.pop("ticks") + width // 2) // width
            done[number] = Thread(0, counts=thread.counts, by_object=thread.by_object, episodes=thread.episodes)
            thread.counts, thread.by_object, thread.episodes = Counter(), {}, {}
        self.slices.append(done)
        self.in_slice = 0

    # ---- a run of a block ----

    def run(self, number: int, code: Code, left: int, places: Sequence[int]) -> None:
        """Runs a block, left at exit `left`; `places` are its addresses."""
        thread = self.threads.setdefault(number, Thread(number % self.config["cores"]))
        self._enter(thread, code.address)
        base, passed, done = thread.now, 0, 0
        for index, exit in enumerate(code.exits[: left + 1]):
            for at in range(done, exit.n_accesses):
                base = self._access(Step(thread, base + passed, passed, at, code.accesses[at], places[at]))
            done = exit.n_accesses
            if exit.kind == ExitKind.BRANCH:
                base = self._branch(thread, base, code, index, index == left)
            if index < left:
                passed = exit.n_instructions
        exit = code.exits[left]
        if exit.kind in (ExitKind.INDIRECT, ExitKind.RETURN):
            thread.counts["branches"] += 1
        if exit.kind == ExitKind.INDIRECT:
            key = (thread.core, self._hash(code.address, left) >> (64 - TARGET_BITS))
            thread.jump = (key, self._ready(thread, exit.condition, 0), self._waits(thread, exit.condition))
        values = [(register, self._ready(thread, value, base), self._waits(thread, value)) for register, value in exit.transfers]
        for register, ready, waits in values:
            thread.ready[register], thread.waits[register] = ready, waits
            thread.retired = max(thread.retired, ready)
        thread.now = base + exit.n_instructions
        thread.instructions += exit.n_instructions
        thread.retired = max(thread.retired, thread.now)
        if exit.n_instructions:
            thread.window.append((thread.instructions, thread.retired))
        thread.counts["instructions"] += exit.n_instructions
        self.in_slice += exit.n_instructions
        if self.in_slice >= self.config["slice_instructions"]:
            self.end_slice()

    def _enter(self, thread: Thread, address: int) -> None:
        if thread.jump is not None:
            (key, ready, waits), thread.jump = thread.jump, None
            if self.targets.get(key, 0) != address:
                thread.counts["mispredicts"] += 1
                if waits and thread.episode is not None:
                    self._end_episode(thread, thread.now, thread.instructions)
                thread.now = max(thread.now, ready) + self.config["mispredict_cycles"] * self.config["issue_width"]
            self.targets[key] = address
        window = self.config["window_instructions"]
        if thread.episode is not None and thread.instructions - thread.episode.instructions >= window:
            self._end_episode(thread, thread.now, thread.instructions)
        while thread.window and thread.window[0][0] + window <= thread.instructions:
            thread.now = max(thread.now, thread.window.popleft()[1])

    @staticmethod
    def _hash(address: int, index: int) -> int:
        return (address + index) * HASH % 2**64

    def _branch(self, thread: Thread, base: int, code: Code, index: int, taken: bool) -> int:
        exit, bits = code.exits[index], self.config["predictor_bits"]
        key = (thread.core, (self._hash(code.address, index) >> (64 - bits)) ^ (thread.history % 2**bits))
        counter = self.counters.get(key, 1)
        self.counters[key] = min(counter + 1, 3) if taken else max(counter - 1, 0)
        thread.history = thread.history * 2 + taken
        thread.counts["branches"] += 1
        if (counter >= 2) == taken:
            return base
        thread.counts["mispredicts"] += 1
        if self._waits(thread, exit.condition):
            self._end_episode(thread, base + exit.n_instructions, thread.instructions + exit.n_instructions)
        resolved = self._ready(thread, exit.condition, base + exit.n_instructions)
        return resolved + self.config["mispredict_cycles"] * self.config["issue_width"] - exit.n_instructions

    def _ready(self, thread: Thread, flows: Flows, least: int) -> int:
        return max([least, *(thread.ready[source] + cycles * self.config["issue_width"] for source, cycles in flows)])

    def _waits(self, thread: Thread, flows: Flows) -> frozenset[int]:
        return frozenset().union(*(thread.waits.get(source, frozenset()) for source, _ in flows)) if thread.episode else frozenset()

    # ---- an access ----

    def _access(self, step: Step) -> int:
        """Returns what the block's first instruction would have been dispatched at, had nothing stopped dispatch."""
        thread, access = step.thread, step.access
        base = step.start - step.passed
        if step.place == 0 and access.kind != Kind.FENCE:
            self._loaded(step, step.start, frozenset())
            return base
        found = None
        if step.place == 0:
            self.caches.drain(thread.core)
            self._count_written(thread)
        else:
            found = self._count(thread, access, step.place)
        if access.kind in (Kind.FENCE, Kind.UPDATE):
            return self._fence(step, found) - step.passed
        done = self._ready(thread, access.address, step.start) + self._latency(access, found)
        waits: frozenset[int] = frozenset()
        if access.kind == Kind.LOAD:
            waits = self._load(step, found)
        elif access.kind in (Kind.STORE, Kind.STORE_NT) and thread.episode is not None:
            self._store(thread, access, step.place)
        self._loaded(step, done, waits)
        thread.retired = max(thread.retired, done)
        return base

    @staticmethod
    def _loaded(step: Step, ready: int, waits: frozenset[int]) -> None:
        thread, source = step.thread, REGISTERS + min(step.number, REGISTERS - 1)
        shares = step.number >= REGISTERS
        thread.ready[source] = max(thread.ready[source], ready) if shares else ready
        thread.waits[source] = thread.waits.get(source, frozenset()) | waits if shares else waits

    def _fence(self, step: Step, found: Any) -> int:
        thread, access = step.thread, step.access
        thread.counts["fences"] += 1
        instructions = thread.instructions + step.passed
        self._end_episode(thread, step.start, instructions)
        done = max(step.start, thread.retired)
        if access.kind == Kind.UPDATE:
            done = self._ready(thread, access.address, done) + self._latency(access, found)
            if found.answer > L2:
                self._load(step._replace(start=done), found)
                self._end_episode(thread, done, instructions)
        done += FENCE_CYCLES * self.config["issue_width"]
        self._loaded(step, done, frozenset())
        thread.retired = max(thread.retired, done)
        return done

    def _latency(self, access: Access, found: Any) -> int:
        cycles = (0, self.config["tlb2_cycles"], self.config["walk_cycles"])[found.translation]
        if access.kind in (Kind.LOAD, Kind.UPDATE):
            cycles += self.config["l1_cycles"] if found.answer == 0 else self.config["l2_cycles"]
        return cycles * self.config["issue_width"]

    def _load(self, step: Step, found: Any) -> frozenset[int]:
        thread = step.thread
        lines = range(step.place // LINE, (step.place + step.access.bytes - 1) // LINE + 1)
        waits = self._waits(thread, step.access.address)
        if found.answer > L2:
            waits = self._miss(step, lines, found, waits)
        elif thread.episode is not None:
            for number, (miss, fetched) in enumerate(zip(thread.episode.misses, thread.episode.lines, strict=True)):
                if set(lines) & set(fetched):
                    waits |= miss.waits | {number}
        for granule in self._granules(step.access, step.place):
            holder, what = thread.stored.get(granule % 256, (None, frozenset()))
            waits |= what if holder == granule else frozenset()
        return waits

    def _miss(self, step: Step, lines: range, found: Any, waits: frozenset[int]) -> frozenset[int]:
        thread, instructions = step.thread, step.thread.instructions + step.passed
        if thread.episode is not None and len(thread.episode.misses) == self.config["miss_buffers"]:
            self._end_episode(thread, step.start, instructions)
        if thread.episode is None:
            thread.episode = Episode(step.start, instructions)
            thread.waits = {}
            waits = frozenset()
        episode = thread.episode
        episode.misses.append(Miss(self.owner(step.place), found.node_class if found.answer == MEMORY else 0, waits))
        episode.lines.append(lines)
        episode.missed_lines += found.l2_misses
        return waits | {len(episode.misses) - 1}

    @staticmethod
    def _granules(access: Access, place: int) -> range:
        return range(place >> 3, ((place + min(access.bytes, 64) - 1) >> 3) + 1)

    def _store(self, thread: Thread, access: Access, place: int) -> None:
        waits = self._waits(thread, access.data)
        for granule in self._granules(access, place):
            if waits or thread.stored.get(granule % 256, (None,))[0] == granule:
                thread.stored[granule % 256] = (granule, waits)

    def _end_episode(self, thread: Thread, ticks: int, instructions: int) -> None:
        episode = thread.episode
        if episode is None:
            return
        found, folded = chains(episode.misses)
        self.folded += folded
        passed, spent = instructions - episode.instructions, ticks - episode.ticks
        window = self.config["window_instructions"]
        if passed > window:
            passed, spent = window, spent * window // passed
        row = thread.episodes.setdefault(found, Counter())
        row.update(count=1, ticks=spent, instructions=passed, misses=episode.missed_lines)
        thread.episode, thread.stored = None, {}

    # ---- counters ----

    def _count(self, thread: Thread, access: Access, place: int) -> Any:
        number = self.owner(place)
        found = self.caches.access(thread.core, place, access, number)
        row = thread.by_object.setdefault(number, Counter())
        reads, writes = access.kind in (Kind.LOAD, Kind.UPDATE), access.kind in (Kind.STORE, Kind.UPDATE)
        fetched = sum(found.by_class[1:4])
        row.update(
            loads=int(reads),
            stores=int(writes),
            nt_stores=int(access.kind == Kind.STORE_NT),
            load_bytes=access.bytes * reads,
            store_bytes=access.bytes * (writes or access.kind == Kind.STORE_NT),
            l3_hits=found.by_class[0],
            rfo_lines=fetched if access.kind == Kind.STORE else 0,
        )
        if access.kind != Kind.STORE:
            row.update(near_loads=found.by_class[1], mid_loads=found.by_class[2], far_loads=found.by_class[3])
        row.update({name: getattr(found, name) for name in OUTCOMES})
        warm = self.heat.setdefault((number, place // LINE), Counter())
        warm.update(reads=int(reads), writes=int(writes or access.kind == Kind.STORE_NT), misses=fetched)
        self._count_written(thread)
        return found

    def _count_written(self, thread: Thread) -> None:
        for other, new_block in self.caches.written:
            thread.by_object.setdefault(other, Counter()).update(writeback_lines=1, write_blocks=int(new_block))
        self.caches.written.clear()
