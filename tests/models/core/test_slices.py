"""What is written, and when: slices, modes, weights, forks, full disks."""

from typing import Any

import numpy as np
import pytest

from tierprof.base.errors import MachineError
from tierprof.models.timing.simulator import Access, Exit, ExitKind, Kind, Simulator
from tierprof.profiler.exact.profile import ExactProfile
from tierprof.profiler.exact.rawfile import ExactFile, parse_exact

from .caches import library

LENGTH = 1000
START = 1 << 30
CONFIG = {"slice_instructions": LENGTH, "reuse_every": 0}


def parse(data: bytes) -> ExactFile:
    return parse_exact(np.frombuffer(data, np.uint8), "exact.1.0.bin")


class Runs:
    """A simulator with one block: a load and ten instructions."""

    def __init__(self, **config: int) -> None:
        self.simulator = Simulator({**CONFIG, **config})
        self.simulator.claim(START, 1 << 20, 1)
        self.block = self.simulator.block(0x1000, [Access()], [Exit(1, 10, ExitKind.JUMP)])

    def run(self, times: int, thread: int = 0, first: int = 0) -> None:
        words = np.empty((times, 2), np.uint64)
        words[:, 0], words[:, 1] = self.block.exits[0].word, START + 64 * (first + np.arange(times))
        self.simulator.feed(thread, words)


@pytest.mark.parametrize("timing", [0, 1])
@pytest.mark.parametrize("feeds", [1, 10, 250])
def test_a_slice_ends_where_it_is_full_however_it_was_fed(feeds: int, timing: int) -> None:
    # GIVEN two slices and a half, fed in different pieces
    runs = Runs(timing=timing)
    for k in range(feeds):
        runs.run(250 // feeds, first=k)
    file = parse(runs.simulator.end())
    # THEN there are three slices, one after the other, and the loads are in theirs
    assert file.slices["first_instruction"].tolist() == [0, 1000, 2000]
    assert file.slices["instructions"].tolist() == [1000, 1000, 500]
    assert file.slices["weight"].tolist() == [1, 1, 1]
    assert file.threads.rows["loads"].tolist() == [100, 100, 50]
    assert file.threads.slice.tolist() == [0, 1, 2]
    assert (file.instructions, file.measured) == (2500, 2500)
    assert file.damage == []


def test_slices_get_longer_in_long_runs() -> None:
    # GIVEN a run of 1000 slices' length
    runs = Runs(timing=0)
    runs.run(100_000)
    lengths = parse(runs.simulator.end()).slices["instructions"]
    # THEN after 256 slices they are twice as long, and so on
    assert lengths.tolist() == [1000] * 256 + [2000] * 256 + [4000] * 58
    assert lengths.sum() == 1_000_000


def test_threads_share_a_slice_and_have_rows_of_their_own() -> None:
    # GIVEN two threads that take turns
    runs = Runs()
    for _ in range(5):
        runs.run(10, thread=7)
        runs.run(5, thread=8, first=20)
    file = parse(runs.simulator.end())
    # THEN each has its instructions and loads
    rows = file.threads.rows
    assert dict(zip(rows["thread"], rows["instructions"], strict=True)) == {7: 500, 8: 250}
    assert file.slices["instructions"].tolist() == [750]
    assert file.objects.rows["loads"].tolist() == [50, 25]


def test_only_what_is_measured_is_counted_but_warming_up_fills_the_caches() -> None:
    # GIVEN lines that are loaded while skipping, then while warming up, then while measuring
    runs = Runs(prefetch_next_line=0, prefetch_stream=0, prefetch_stride=0)
    runs.simulator.mode("skip")
    runs.run(20, first=100)
    runs.simulator.mode("warm")
    runs.run(10)
    runs.simulator.mode("measure", 50.0)
    runs.run(10)
    runs.run(10, first=100)
    assert runs.simulator.instructions == 500
    file = parse(runs.simulator.end())
    # THEN one slice tells where it began and what each of its instructions stands for
    assert file.slices.tolist() == [(300, 200, 50.0)]
    assert (file.instructions, file.measured) == (500, 200)
    # AND only the lines that were skipped are missed
    [row] = file.objects.rows
    assert (row["loads"], row["l1_misses"], row["l2_misses"]) == (20, 10, 10)
    assert file.episodes.rows["misses"].sum() == 10


def test_a_mode_that_does_not_change_ends_nothing() -> None:
    # GIVEN a run that is told again to measure
    runs = Runs()
    runs.run(10)
    runs.simulator.mode("measure")
    runs.run(10)
    # THEN it is one slice
    assert parse(runs.simulator.end()).slices["instructions"].tolist() == [200]


def test_an_empty_run_is_a_whole_file() -> None:
    # GIVEN a simulator that nothing was fed to
    file = parse(Runs(issue_width=3).simulator.end())
    # THEN its file is whole, has no slice, and tells the machine
    assert file.ended
    assert len(file.slices) == 0
    config = dict(line.split() for line in file.config_text.splitlines())
    assert (config["issue_width"], config["slice_instructions"], config["l3_ways"]) == ("3", str(LENGTH), "11")


def test_warming_up_teaches_the_predictor() -> None:
    # GIVEN a branch that goes two ways in a pattern, and a computed jump, seen often while warming up
    def mispredicts(warm: int) -> int:
        simulator = Simulator(CONFIG)
        branch = simulator.block(0x1000, [], [Exit(0, 1), Exit(0, 2, ExitKind.INDIRECT)])
        other = simulator.block(0x2000, [], [Exit(0, 1, ExitKind.JUMP)])
        words = [branch.exits[0].word, branch.exits[1].word, other.exits[0].word] * 10
        simulator.mode("warm")
        simulator.feed(0, np.array(words * warm, np.uint64))
        simulator.mode("measure")
        simulator.feed(0, np.array(words, np.uint64))
        return int(ExactProfile.from_bytes(simulator.end()).threads["mispredicts"].sum())

    # THEN none is guessed wrong afterwards
    assert mispredicts(10) == 0
    assert mispredicts(0) > 0


def test_folded_episodes_are_told() -> None:
    # GIVEN an episode of six chains
    simulator = Simulator({**CONFIG, "prefetch_next_line": 0})
    for number in range(1, 7):
        simulator.claim(number << 30, 1 << 20, number)
    block = simulator.block(0x1000, [Access()] * 6, [Exit(6, 6, ExitKind.JUMP)])
    simulator.feed(0, np.array([block.exits[0].word, *(number << 30 for number in range(1, 7))], np.uint64))
    file = parse(simulator.end())
    # THEN four are kept, and a note says that one episode was shortened
    assert [(note.code, note.value) for note in file.notes] == [(5, 1)]
    assert file.nodes["object"].tolist() == [1, 2, 3, 4]


class Host:
    """What a simulator writes into, for the calls that `Simulator` does not offer."""

    def __init__(self, room: int | None = None) -> None:
        self.ffi, self.native = library()
        self.recorder = self.native.tpm_recorder_new(77)
        self.data = bytearray()
        self.room = room
        self.write = self.ffi.callback("bool(void *, const void *, size_t)", self._write)

    def _write(self, context: Any, data: Any, count: int) -> bool:
        if self.room is not None and len(self.data) + count > self.room:
            return False
        self.data += self.ffi.buffer(data, count)
        return True


def forked(simulator: Simulator, host: Host) -> None:
    """As a forked child would: what follows goes to `host`."""
    held = host.native.tpm_recorder_host(host.recorder)
    held.write = host.write
    assert host.native.tpm_sim_fork(host.ffi.cast("void *", simulator._sim), held)


def test_a_forked_child_counts_afresh_and_keeps_what_it_inherits() -> None:
    # GIVEN a run in the middle of a slice
    runs = Runs(prefetch_next_line=0, prefetch_stream=0, prefetch_stride=0)
    runs.run(150)
    host = Host()
    # WHEN it goes on in a child, over the same lines and as many new ones
    forked(runs.simulator, host)
    runs.run(50, first=100)
    runs.run(50, first=1000)
    runs.simulator.end()
    file = parse(bytes(host.data))
    # THEN the child's file has its own instructions alone, and its number
    assert file.pid == 77
    assert file.slices.tolist() == [(0, 1000, 1.0)]
    assert (file.instructions, file.measured) == (1000, 1000)
    # AND memory is still known, and the lines that its parent loaded are still in the caches
    [row] = file.objects.rows
    assert (row["object"], row["loads"], row["l1_misses"]) == (1, 100, 50)


def test_a_full_disk_leaves_whole_slices() -> None:
    # GIVEN a host that can write only a little
    runs = Runs(timing=0)
    host = Host(room=4000)
    forked(runs.simulator, host)
    # WHEN the run goes on far beyond that
    runs.run(5000)
    assert runs.simulator.instructions == 50_000
    runs.simulator.end()
    file = parse(bytes(host.data))
    # THEN what there is consists of whole slices, and the end is missing
    assert 5 < len(file.slices) < 50
    assert (file.slices["instructions"] == LENGTH).all()
    assert not file.ended


def test_a_simulator_that_has_ended_says_so() -> None:
    # GIVEN a simulator that has ended
    runs = Runs()
    runs.simulator.end()
    # THEN whatever it is told is an error, and no crash
    with pytest.raises(ValueError, match="has ended"):
        runs.run(1)
    with pytest.raises(ValueError, match="has ended"):
        runs.simulator.end()


@pytest.mark.parametrize(("config", "why"), [({"l1_ways": 0}, "l1_ways"), ({"l9_bytes": 1}, "l9_bytes")])
def test_a_machine_that_cannot_be_is_one_line(config: dict[str, int], why: str) -> None:
    # GIVEN a figure out of range, or of no name
    # THEN the error names it
    with pytest.raises(MachineError, match=why):
        Simulator(config)


@pytest.mark.parametrize("exits", [[], [Exit(2, 1)], [Exit(1, 5), Exit(0, 6)], [Exit(0, 5), Exit(1, 4)]])
def test_a_block_whose_exits_are_not_in_order_is_refused(exits: list[Exit]) -> None:
    # GIVEN exits that are none, beyond the accesses, or not in order
    # THEN the block is refused
    with pytest.raises(ValueError, match="not in order"):
        Simulator(CONFIG).block(0x1000, [Access(Kind.LOAD)], exits)
