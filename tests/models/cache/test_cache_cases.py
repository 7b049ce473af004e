"""The hierarchy in cases small enough to be counted by hand."""

from typing import Any

from .binding import Caches
from .parts import Access, Answer, Class, Kind

PLAIN = {
    "l1_bytes": 4096,
    "l1_ways": 1,
    "l2_bytes": 8192,
    "l2_ways": 2,
    "l3_bytes": 16384,
    "l3_ways": 4,
    "prefetch_next_line": 0,
    "prefetch_stream": 0,
    "prefetch_stride": 0,
    "reuse_every": 0,
}
L1_WAY = 4096  # lines that far apart share a set in L1, and in L2 and L3 too
OWNER = 7


class Machine:
    """One machine; what its accesses counted together."""

    def __init__(self, **config: int) -> None:
        self.caches = Caches(PLAIN | config)

    def run(
        self, addresses: range | list[int], kind: Kind = Kind.LOAD, *, size: int = 8, core: int = 0, owner: int = OWNER
    ) -> dict[str, Any]:
        total: dict[str, Any] = {}
        for address in addresses:
            for name, value in self.caches.access(Access(core, address, size, kind, 0x400, owner)).items():
                if name in ("answer", "node_class", "translation"):
                    total[name] = value  # of the last
                elif name == "by_class":
                    total[name] = [before + more for before, more in zip(total.get(name, [0] * 4), value, strict=True)]
                else:
                    total[name] = total.get(name, 0) + value
        return total

    def written(self) -> list[tuple[int, bool]]:
        written = list(self.caches.written)
        self.caches.written.clear()
        return written


def test_a_line_is_found_again_where_it_was_left() -> None:
    # GIVEN a line fetched from memory
    machine = Machine()
    assert machine.run([0])["answer"] == Answer.MEMORY
    # WHEN one, then two, then four others that share its set follow
    # THEN it is in L1, then L2, then L3, then gone
    assert machine.run([0])["answer"] == Answer.L1
    assert machine.run([L1_WAY, 0])["answer"] == Answer.L2
    assert machine.run([L1_WAY, 2 * L1_WAY, 0])["answer"] == Answer.L3
    assert machine.run([L1_WAY, 2 * L1_WAY, 3 * L1_WAY, 4 * L1_WAY, 0])["answer"] == Answer.MEMORY


def test_an_access_over_two_lines_and_pages_counts_both() -> None:
    outcome = Machine().run([4096 - 4])
    assert (outcome["l1_misses"], outcome["l2_misses"], outcome["tlb1_misses"], outcome["walks"]) == (2, 2, 2, 2)


def test_dirty_lines_reach_memory_once_and_clean_ones_never() -> None:
    # GIVEN 256 lines stored by one object, twice what L3 holds, and 512 others loaded after them
    machine = Machine()
    machine.run(range(0, 512 * 64, 64), Kind.STORE)
    machine.run(range(1 << 20, (1 << 20) + 512 * 64, 64), owner=1)
    # THEN each went to memory once, for its owner; four lines make a block
    written = machine.written()
    assert len(written) == 512
    assert {owner for owner, _ in written} == {OWNER}
    assert sum(new_block for _, new_block in written) == 128


def test_the_tiers_buffers_class_the_lines_of_a_block_and_a_page() -> None:
    # GIVEN a tier that buffers blocks and pages
    machine = Machine(near_blocks=16, mid_pages=16)
    # WHEN a page is read line by line
    outcome = machine.run(range(0, 4096, 64))
    # THEN its first line is far, its blocks' first lines are mid and all others near; each block is read once
    assert outcome["by_class"] == [0, 48, 15, 1]
    assert outcome["read_blocks"] == 16


def test_without_buffers_every_line_is_far_and_a_block() -> None:
    outcome = Machine(near_blocks=0, mid_pages=0).run(range(0, 4096, 64))
    assert outcome["by_class"] == [0, 0, 0, 64]
    assert outcome["read_blocks"] == 64


def test_the_next_line_prefetcher_fetches_the_other_line_of_a_pair() -> None:
    # GIVEN every second line of a page, descending, so that only the pair helps
    machine = Machine(prefetch_next_line=1, l2_bytes=65536, l2_ways=16)
    first = machine.run(range(4096 - 128, -1, -128))
    # THEN one line is fetched beside each, and used when its turn comes
    assert (first["l2_misses"], first["prefetched_lines"], first["prefetched_used"]) == (32, 32, 0)
    second = machine.run(range(64, 4096, 128))
    assert (second["l1_misses"], second["l2_misses"], second["prefetched_used"]) == (32, 0, 32)


def test_a_prefetched_line_that_is_written_back_to_is_still_to_be_used() -> None:
    # GIVEN a dirty line that only L1 holds, after three others of its set (A, B, C) went by
    dirty, a, b, c = (64 + n * L1_WAY for n in range(4))
    machine = Machine(prefetch_next_line=1, l1_bytes=8192, l1_ways=2, l2_bytes=8192, l3_bytes=8192, l3_ways=2)
    machine.run([dirty], Kind.STORE)
    machine.run([a, dirty, b])
    # WHEN L2 prefetches it as the other line of a pair, and then it leaves L1 for C
    assert machine.run([0])["prefetched_lines"] == 1
    machine.run([c])
    # THEN a load finds it in L2, and is the first to use the prefetch
    outcome = machine.run([dirty])
    assert (outcome["answer"], outcome["prefetched_used"]) == (Answer.L2, 1)


def test_a_stream_is_followed_to_the_end_of_its_page() -> None:
    # GIVEN a walk up one page, and one down another
    for walk in (range(0, 4096, 64), range(8192 - 64, 4095, -64)):
        # WHEN the stream is confirmed at the third line
        machine = Machine(prefetch_stream=1, l2_bytes=65536, l2_ways=16)
        outcome = machine.run(walk)
        # THEN three lines missed, and the other 61 were there; nothing beyond the page is fetched
        assert (outcome["l2_misses"], outcome["prefetched_lines"], outcome["prefetched_used"]) == (3, 61, 61)


def test_a_stream_runs_no_further_ahead_than_it_may() -> None:
    machine = Machine(prefetch_stream=1, prefetch_stream_depth=5, l2_bytes=65536, l2_ways=16)
    assert machine.run(range(0, 64 * 20, 64))["prefetched_lines"] == 17 + 5


def test_a_stride_is_followed_in_l1_within_the_page() -> None:
    # GIVEN one instruction that loads every fifth line of a page: 13 lines
    machine = Machine(prefetch_stride=1)
    outcome = machine.run(range(0, 4096, 320))
    # THEN two equal steps confirm it, and the lines from the fourth on were in L1
    assert (outcome["l1_misses"], outcome["prefetched_lines"], outcome["prefetched_used"]) == (3, 10, 10)


def test_a_stride_is_followed_up_to_2_kib() -> None:
    # GIVEN an instruction that loads, a locked update too, in two equal steps; the second leads 128 bytes into a page
    for kind in (Kind.LOAD, Kind.UPDATE):
        for stride, prefetched in ((1920, 2), (2048, 1), (2112, 0), (-2112, 0)):
            third = (1 << 20) + (128 if stride > 0 else 4096 - 128)
            machine = Machine(prefetch_stride=1)
            outcome = machine.run([third - 2 * stride, third - stride, third], kind)
            # THEN the next accesses are fetched, if they lie in the page and the stride is not too long
            assert outcome["prefetched_lines"] == prefetched


def test_stores_teach_no_stride() -> None:
    assert Machine(prefetch_stride=1).run(range(0, 4096, 320), Kind.STORE)["prefetched_lines"] == 0


def test_full_lines_stored_past_the_caches_are_one_write_each() -> None:
    # GIVEN a stream of 16-byte non-temporal stores over 4 KiB
    machine = Machine()
    outcome = machine.run(range(0, 4096, 16), Kind.STORE_NT, size=16)
    # THEN 64 lines and 16 blocks were written, nothing was fetched, nothing waits
    assert (outcome["l1_misses"], outcome["l2_misses"], outcome["read_blocks"]) == (0, 0, 0)
    written = machine.written()
    assert (len(written), sum(new_block for _, new_block in written)) == (64, 16)
    machine.caches.drain(0)
    assert machine.written() == []


def test_lines_stored_in_part_are_written_by_a_fence() -> None:
    # GIVEN half of each of three lines
    machine = Machine()
    machine.run([0, 64, 128], Kind.STORE_NT, size=32)
    assert machine.written() == []
    # WHEN a fence, or a locked update of something else, comes
    machine.run([0], Kind.FENCE)
    # THEN three lines are written, in order
    assert machine.written() == [(OWNER, True), (OWNER, False), (OWNER, False)]


def test_the_oldest_line_makes_room_for_another() -> None:
    # GIVEN a core that can collect two lines, of three objects
    machine = Machine(miss_buffers=2)
    for owner, line in enumerate((0, 4, 8)):
        machine.run([line * 64], Kind.STORE_NT, size=32, owner=owner)
    # THEN the first was written when the third came; the others wait
    assert machine.written() == [(0, True)]
    machine.caches.drain(0)
    assert machine.written() == [(1, True), (2, True)]


def test_a_non_temporal_store_takes_a_dirty_line_from_the_caches() -> None:
    # GIVEN a line that an object has stored
    machine = Machine()
    machine.run([0], Kind.STORE, owner=1)
    # WHEN another stores half of it past the caches, and it is loaded
    machine.run([0], Kind.STORE_NT, size=32, owner=2)
    outcome = machine.run([0])
    # THEN both writes went to memory before it was fetched again
    assert machine.written() == [(1, True), (2, False)]
    assert outcome["answer"] == Answer.MEMORY


def test_a_prefetch_instruction_moves_a_line_and_counts_as_no_miss() -> None:
    machine = Machine()
    outcome = machine.run([0], Kind.PREFETCH)
    assert (outcome["answer"], outcome["l1_misses"], outcome["prefetched_lines"]) == (Answer.L1, 0, 1)
    outcome = machine.run([0])
    assert (outcome["answer"], outcome["l1_misses"], outcome["prefetched_used"]) == (Answer.L1, 0, 1)
    assert machine.run([0])["prefetched_used"] == 0


def test_a_line_dirty_in_another_core_is_handed_over_through_l3() -> None:
    # GIVEN a line that core 0 has stored
    machine = Machine(cores=2)
    machine.run([0], Kind.STORE, core=0)
    # WHEN core 1 loads it, core 0 keeps a copy; when core 1 stores it, core 0 loses that
    assert machine.run([0], core=1)["by_class"] == [1, 0, 0, 0]
    assert machine.run([0], core=0)["answer"] == Answer.L1
    machine.run([0], Kind.STORE, core=1)
    assert machine.run([0], core=0)["answer"] == Answer.L3
    assert machine.written() == []


def test_pages_of_2_mib_need_fewer_entries() -> None:
    # GIVEN loads of one line in each of 512 pages of 4 KiB, one TLB of 64 entries behind it 1536
    walk = range(0, 512 * 4096, 4096)
    small, large = Machine(page_bytes=4096), Machine(page_bytes=1 << 21)
    # THEN small pages walk once each and then hit the second TLB; one large page covers them all
    assert small.run(walk)["walks"] == 512
    again = small.run(walk)
    assert (again["tlb1_misses"], again["walks"], again["translation"]) == (512, 0, 1)
    assert large.run(walk)["walks"] == 1


def test_without_an_l2_misses_go_to_l3() -> None:
    # GIVEN a machine of two levels, its L2 prefetchers left on
    machine = Machine(l2_bytes=0, prefetch_next_line=1, prefetch_stream=1)
    outcome = machine.run([*range(0, 4096, 64), *range(4096, 8192, 64), *range(0, 4096, 64)])
    # THEN every L1 miss counts as one of L2, and nothing is prefetched
    assert (outcome["l1_misses"], outcome["l2_misses"], outcome["by_class"][Class.L3]) == (192, 192, 64)
    assert outcome["prefetched_lines"] == 0
