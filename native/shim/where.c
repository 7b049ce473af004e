/* where.c - see where.h. mincore tells what is in memory, move_pages on which node, and /proc/self/pagemap
 * whether a page is a file's or huge.
 */
#include "where.h"

#include <string.h>
#include <sys/ioctl.h>

#include "../common/hash.h"
#include "../common/rawio.h"
#include "../place/place.h"
#include "pagemap.h"
#include "process.h"
#include "slabs.h"
#include "stream.h"

enum {
    TPI_PAGE = 4096,
    TPI_PAGES_A_CALL = 512, /* of mincore, whose answer is on the program's stack, too */
    TPI_NODES = 64,         /* others are not told apart */
    TPI_PART_PAGES = 32,    /* are looked at of each part, however small its share of the allocation is */
    TPI_BATCH = 128,        /* pages that are looked at together: arrays of them are on the program's stack */
};

#define TPI_PAGEMAP_PRESENT (1ull << 63)
#define TPI_PAGEMAP_FILE (1ull << 61)

/* Pages looked at, by what was found. */
struct tpi_found {
    uint32_t node[TPI_NODES], huge[TPI_NODES], in_file[TPI_NODES];
    uint32_t file, absent, unknown, looked;
};

/* A part of an allocation that is in one tier. */
struct tpi_part {
    uintptr_t start, end;
    unsigned tier;
    enum tp_tier_kind kind;
};

/* One batch of pages, and the kernel's answers. */
struct tpi_batch {
    unsigned n_pages;
    void *pages[TPI_BATCH];
    int status[TPI_BATCH]; /* a node, or an error below 0 */
    bool in_file[TPI_BATCH], huge[TPI_BATCH];
};

static uint32_t tpi_resident_pages(uintptr_t address, size_t size) {
    uint8_t pages[TPI_PAGES_A_CALL];
    uintptr_t at = address & ~(uintptr_t)(TPI_PAGE - 1), end = address + size;
    uint64_t resident = 0;
    while (at < end) {
        size_t count = (end - at + TPI_PAGE - 1) / TPI_PAGE;
        if (count > TPI_PAGES_A_CALL) count = TPI_PAGES_A_CALL;
        if (syscall(SYS_mincore, at, count * TPI_PAGE, pages) != 0) return 0;
        for (size_t i = 0; i < count; i++)
            resident += pages[i] & 1;
        at += count * TPI_PAGE;
    }
    return resident < UINT32_MAX ? (uint32_t)resident + 1 : UINT32_MAX;
}

/* Of a file-backed tier: is the page the file's? A page of a file that is the memory itself (DAX) has no
 * node, and is not marked as a file's either: to the kernel it is no page at all. */
static void tpi_ask_file(struct tpi_batch *batch) {
    int fd = tp_raw_open("/proc/self/pagemap", O_RDONLY, 0);
    if (fd < 0) return;
    for (unsigned i = 0; i < batch->n_pages; i++) {
        uint64_t entry = 0;
        off_t at = (off_t)((uintptr_t)batch->pages[i] / TPI_PAGE * sizeof entry);
        if (syscall(SYS_pread64, fd, &entry, sizeof entry, at) != sizeof entry) continue;
        batch->in_file[i] =
            (entry & TPI_PAGEMAP_PRESENT) != 0 && ((entry & TPI_PAGEMAP_FILE) != 0 || batch->status[i] < 0);
    }
    tp_raw_close(fd);
}

/* The PAGEMAP_SCAN ioctl of Linux 6.7, declared here because the C library's headers may be older. */
struct tpi_scan_region {
    uint64_t start, end, categories;
};
struct tpi_scan {
    uint64_t size, flags, start, end, walk_end, regions, n_regions, max_pages;
    uint64_t category_inverted, category_mask, category_any, return_mask;
};
#define TPI_SCAN_REQUEST _IOWR('f', 16, struct tpi_scan)
#define TPI_SCAN_HUGE (1ull << 6)

/* Before Linux 6.7 nobody says so for one page: none is called huge then. */
static void tpi_ask_huge(struct tpi_batch *batch) {
    int fd = tp_raw_open("/proc/self/pagemap", O_RDONLY, 0);
    if (fd < 0) return;
    for (unsigned i = 0; i < batch->n_pages; i++) {
        struct tpi_scan_region region;
        struct tpi_scan scan = {.size = sizeof scan,
                                .start = (uintptr_t)batch->pages[i],
                                .end = (uintptr_t)batch->pages[i] + TPI_PAGE,
                                .regions = (uintptr_t)&region,
                                .n_regions = 1,
                                .category_mask = TPI_SCAN_HUGE,
                                .return_mask = TPI_SCAN_HUGE};
        long n_regions = syscall(SYS_ioctl, fd, TPI_SCAN_REQUEST, &scan);
        if (n_regions < 0) break;
        batch->huge[i] = n_regions > 0;
    }
    tp_raw_close(fd);
}

static void tpi_count_page(struct tpi_found *found, const struct tpi_batch *batch, unsigned i) {
    int node = batch->status[i];
    if (node >= TPI_NODES)
        found->unknown++;
    else if (node >= 0)
        (batch->in_file[i] ? found->in_file : batch->huge[i] ? found->huge : found->node)[node]++;
    else if (batch->in_file[i])
        found->file++;
    else if (node == -ENOENT || node == -EFAULT) /* not there; and the one page of zeroes that all share */
        found->absent++;
    else
        found->unknown++;
}

static void tpi_look(struct tpi_found *found, struct tpi_batch *batch, enum tp_tier_kind kind) {
    memset(batch->in_file, 0, sizeof batch->in_file);
    memset(batch->huge, 0, sizeof batch->huge);
    if (kind == TP_TIER_HUGE || kind == TP_TIER_HUGETLB) tpi_ask_huge(batch);
    if (syscall(SYS_move_pages, 0, (unsigned long)batch->n_pages, batch->pages, NULL, batch->status, 0) != 0)
        for (unsigned i = 0; i < batch->n_pages; i++)
            batch->status[i] = -EPERM;
    if (kind == TP_TIER_PMEM) tpi_ask_file(batch);
    for (unsigned i = 0; i < batch->n_pages; i++)
        tpi_count_page(found, batch, i);
    found->looked += batch->n_pages;
    batch->n_pages = 0;
}

/* Looks at one page out of each of `most` equal stretches of the part, or at all. */
static void tpi_look_at_part(struct tpi_found *found, const struct tpi_part *part, uint64_t most) {
    struct tpi_batch batch;
    uint64_t first = part->start / TPI_PAGE, n_pages = (part->end - 1) / TPI_PAGE - first + 1;
    uint64_t n_looks = n_pages < most ? n_pages : most;
    batch.n_pages = 0;
    for (uint64_t i = 0; i < n_looks; i++) {
        uint64_t low = n_pages * i / n_looks, high = n_pages * (i + 1) / n_looks;
        uint64_t page = first + low + tp_hash_word(part->start, i) % (high - low);
        batch.pages[batch.n_pages++] = (void *)(page * TPI_PAGE);
        if (batch.n_pages == TPI_BATCH) tpi_look(found, &batch, part->kind);
    }
    if (batch.n_pages > 0) tpi_look(found, &batch, part->kind);
}

/* Writes the part's bytes, shared out among the places as the pages were: their sum is exact. */
struct tpi_writer {
    tp_guard *guard;
    const struct tp_where_range *range;
    const struct tpi_part *part;
    uint32_t looked, pages_so_far;
    uint16_t flags;
};

static void tpi_write(struct tpi_writer *writer, uint32_t pages, uint32_t place) {
    if (pages == 0 || writer->looked == 0) return;
    __uint128_t size = writer->part->end - writer->part->start;
    uint64_t before = (uint64_t)(size * writer->pages_so_far / writer->looked);
    writer->pages_so_far += pages;
    uint64_t after = (uint64_t)(size * writer->pages_so_far / writer->looked);
    tp_stream_write(writer->guard, &(struct tp_record){.time_ns = writer->range->time_ns,
                                                       .address = writer->part->start,
                                                       .size = after - before,
                                                       .site = writer->range->site,
                                                       .type = TP_WHERE,
                                                       .tier = (uint8_t)writer->part->tier,
                                                       .flags = writer->flags,
                                                       .aux = place});
}

static void tpi_tell_part(tp_guard *guard, const struct tp_where_range *range, const struct tpi_part *part,
                          uint64_t most) {
    struct tpi_found found;
    memset(&found, 0, sizeof found);
    tpi_look_at_part(&found, part, most);
    uint64_t n_pages = (part->end - 1) / TPI_PAGE - part->start / TPI_PAGE + 1;
    uint16_t flags = found.looked < n_pages ? TP_FLAG_SAMPLED : 0;
    struct tpi_writer writer = {guard, range, part, found.looked, 0, flags};
    for (uint32_t node = 0; node < TPI_NODES; node++) {
        tpi_write(&writer, found.node[node], node);
        tpi_write(&writer, found.huge[node], TP_WHERE_HUGE + node);
        tpi_write(&writer, found.in_file[node], TP_WHERE_CACHED + node);
    }
    tpi_write(&writer, found.file, TP_WHERE_FILE);
    tpi_write(&writer, found.absent, TP_WHERE_ABSENT);
    tpi_write(&writer, found.unknown, TP_WHERE_UNKNOWN);
}

/* Tier by tier: parts of an allocation may have moved, or be elsewhere by the plan. */
static void tpi_tell(tp_guard *guard, const struct tp_where_range *range) {
    uintptr_t end = range->address + range->size;
    struct tpi_part part = {.start = range->address};
    while (part.start < end) {
        part.tier = tp_pagemap_tier(part.start);
        part.kind = tp_place_tier_kind(part.tier);
        part.end = tp_pagemap_tier_end(part.start, end);
        uint64_t most = (uint64_t)((__uint128_t)TP_WHERE_PAGES * (part.end - part.start) / range->size);
        tpi_tell_part(guard, range, &part, most > TPI_PART_PAGES ? most : TPI_PART_PAGES);
        part.start = part.end;
    }
}

/* Whether this thread's next small allocation that ends is the one that is asked about. */
static bool tpi_small_is_due(size_t size) {
    static __thread int64_t left = TP_WHERE_SMALL_BYTES / 2;
    left -= (int64_t)size;
    if (left >= 0) return false;
    left = TP_WHERE_SMALL_BYTES;
    return true;
}

uint32_t tp_where_at_end(tp_guard *guard, const struct tp_where_range *range) {
    if (!tp_process_records()) return 0;
    bool tells = tp_place_active();
    bool large = range->size >= TP_RESIDENT_LEAST_BYTES;
    if (tells && (large || tpi_small_is_due(range->size))) tpi_tell(guard, range);
    return large ? tpi_resident_pages(range->address, range->size) : 0;
}

uint32_t tp_where_at_exit(tp_guard *guard, const struct tp_where_range *range) {
    static uint32_t small_left = TP_WHERE_SMALL_AT_EXIT;
    if (range->size < TP_RESIDENT_LEAST_BYTES && small_left > 0) {
        small_left--;
        if (tp_place_active() && tp_process_records()) tpi_tell(guard, range);
        return 0;
    }
    return tp_where_at_end(guard, range);
}

void tp_where_slabs_at_exit(tp_guard *guard) {
    struct tp_slabs_cursor cursor = {0};
    struct tp_slab_range slab;
    while (tp_slabs_next(guard, &cursor, &slab)) {
        const struct tp_where_range range = {slab.address, slab.size, slab.site, tp_now_ns()};
        tp_where_at_exit(guard, &range);
    }
}
