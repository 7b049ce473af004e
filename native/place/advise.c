/* advise.c - madvise and mprotect where shared memory answers otherwise than the private memory that the
 * program thinks it has.
 *
 * Discarded pages must read as zeroes, and be written again without fail: they are filled with zeroes and
 * keep their room in the tier, which a hole in the file would lose to others. What shared memory cannot do at
 * all (wipe itself on fork, be code on a file system that forbids it, be protected by parts of a huge page)
 * is done by private memory in its place.
 */
#include <string.h>

#include "../shim/pagemap.h"
#include "held.h"
#include "mappings.h"
#include "pages.h"
#include "place.h"
#include "private.h"
#include "tier.h"

#ifndef MADV_DONTNEED_LOCKED /* Linux 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_GUARD_INSTALL /* Linux 6.13 */
#define MADV_GUARD_INSTALL 102
#endif

static bool tpi_is_shared(uintptr_t page) {
    return tpi_tier_is_shared(tpi_tier_at(tp_pagemap_tier(page)));
}

/* The end of the run of pages that begins at `at` and is shared throughout, or nowhere. */
static uintptr_t tpi_run_end(uintptr_t at, uintptr_t end, bool *shared) {
    *shared = tpi_is_shared(at);
    do
        at = tp_pagemap_tier_end(at, end);
    while (at < end && tpi_is_shared(at) == *shared);
    return at;
}

bool tp_place_shares(const void *address, size_t size) {
    uintptr_t start = (uintptr_t)address & ~(TPI_PAGE_BYTES - 1), end = (uintptr_t)address + size;
    if (!tp_place_active() || end < start) return false;
    for (uintptr_t at = start; at < end; at = tp_pagemap_tier_end(at, end))
        if (tpi_is_shared(at)) return true;
    return false;
}

/* By the kernel, which tells when a page may not be written to. */
static bool tpi_read_zeroes(uintptr_t start, size_t size) {
    int fd = tp_raw_open("/dev/zero", O_RDONLY, 0);
    if (fd < 0) return false;
    ssize_t got = tp_raw_read(fd, (void *)start, size);
    tp_raw_close(fd);
    return got == (ssize_t)size;
}

static void tpi_fill_with_zeroes(uintptr_t start, size_t size) {
    struct tpi_mapping mapping;
    if (tpi_read_zeroes(start, size)) return;
    for (uintptr_t at = start, end; at < start + size; at = end) {
        end = start + size;
        if (!tpi_mapping_of(at, &mapping)) return;
        if (mapping.end < end) end = mapping.end;
        bool writable = (mapping.prot & PROT_WRITE) != 0;
        if (!writable && tpi_mprotect((void *)at, end - at, mapping.prot | PROT_READ | PROT_WRITE) != 0)
            continue;
        memset((void *)at, 0, end - at);
        if (!writable) tpi_mprotect((void *)at, end - at, mapping.prot);
    }
}

/* A run of shared pages. 0, or -1 and errno. */
static int tpi_advise_shared(uintptr_t start, size_t size, int advice) {
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
        tpi_fill_with_zeroes(start, size);
        return 0;
    case MADV_FREE: /* may be freed later, or not at all */
        return 0;
    case MADV_REMOVE: /* is for shared memory only */
        errno = EINVAL;
        return -1;
    case MADV_DONTDUMP: /* nothing holds for a part of a huge page */
        if (tpi_madvise((void *)start, size, advice) == 0) return 0;
        /* fall through */
    case MADV_WIPEONFORK:
    case MADV_DONTFORK: /* a forked child's copy would be there all the same */
    case MADV_GUARD_INSTALL:
        if (tp_place_make_private((void *)start, size)) return tpi_madvise((void *)start, size, advice);
        errno = ENOMEM;
        return -1;
    case MADV_NORMAL: /* hints, about which kinds of memory differ in what they take, and for which parts */
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DODUMP:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ: /* there is no page that is not there */
    case MADV_POPULATE_WRITE:
        tpi_madvise((void *)start, size, advice);
        return 0;
    default:
        return tpi_madvise((void *)start, size, advice);
    }
}

int tp_place_madvise(void *address, size_t size, int advice) {
    uintptr_t at = (uintptr_t)address, end = at + tpi_round_up(size, TPI_PAGE_BYTES);
    int failure = 0;
    if (at % TPI_PAGE_BYTES != 0) return tpi_madvise(address, size, advice);
    while (at < end) {
        bool shared;
        uintptr_t run_end = tpi_run_end(at, end, &shared);
        int status = shared ? tpi_advise_shared(at, run_end - at, advice)
                            : tpi_madvise((void *)at, run_end - at, advice);
        if (status != 0 && failure == 0) failure = errno;
        at = run_end;
    }
    errno = failure;
    return failure == 0 ? 0 : -1;
}

bool tp_place_make_private(void *address, size_t size) {
    uintptr_t at = (uintptr_t)address & ~(TPI_PAGE_BYTES - 1), end = (uintptr_t)address + size;
    bool all = true;
    while (at < end) {
        bool shared;
        uintptr_t run_end = tpi_run_end(at, end, &shared);
        size_t granule = tpi_tier_at(tp_pagemap_tier(at))->granule_bytes;
        uintptr_t first = at & ~(granule - 1), last = tpi_round_up(run_end, granule);
        if (shared) all &= tpi_private_make(first, last - first);
        at = run_end;
    }
    return all;
}

void tp_place_leave_stack(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(TPI_PAGE_BYTES - 1);
    if (!tp_place_active() || !tpi_is_shared(here)) return;
    unsigned tier = tp_pagemap_tier(here);
    uintptr_t start = here, end = here + TPI_PAGE_BYTES;
    while (tp_pagemap_tier(start - TPI_PAGE_BYTES) == tier)
        start -= TPI_PAGE_BYTES;
    while (tp_pagemap_tier(end) == tier)
        end += TPI_PAGE_BYTES;
    if (!tp_place_make_private((void *)start, end - start))
        tpi_note(TP_NOTE_OTHER, tier, "no memory to take a stack out of its tier: a forked child shares it");
}
