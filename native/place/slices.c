/* slices.c - see slices.h. Order: fresh pages are made, writers are frozen out, the content is copied, mremap
 * puts the fresh pages over the old ones, and writers go on there. The kernel's lock of the address space
 * makes the exchange one step for everybody else. */
#include "slices.h"

#include <string.h>

#include "pages.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

bool tpi_slices_open(struct tpi_slices *slices, struct tpi_tier *tier, uintptr_t start, uintptr_t end) {
    /* Huge pages stay whole if the fresh pages lie as the old ones do within their alignment. */
    size_t size = end - start, align = tier->granule_bytes;
    if (size >= TPI_HUGE_BYTES && align < TPI_HUGE_BYTES) align = TPI_HUGE_BYTES;
    size_t head = start & (align - 1);
    char *mapped = tier->backend->map(tier, tpi_round_up(head + size, tier->granule_bytes), align);
    if (mapped == NULL) return false;
    if (head > 0) tp_raw_munmap(mapped, head);
    *slices = (struct tpi_slices){mapped + head, mapped + head + size, start};
    return true;
}

static void tpi_skip(struct tpi_slices *slices, size_t size) {
    if (size > 0) tp_raw_munmap(slices->next, size);
    slices->next += size;
    slices->at += size;
}

void tpi_slices_close(struct tpi_slices *slices) {
    tpi_skip(slices, (size_t)(slices->end - slices->next));
}

static bool tpi_make(char *start, size_t size) {
    if (size == 0 || tpi_madvise(start, size, MADV_POPULATE_WRITE) == 0) return true;
    if (errno != EINVAL) return false;
    for (size_t at = 0; at < size; at += TPI_PAGE_BYTES)
        *(volatile char *)(start + at) = 0;
    return true;
}

/* Pages behind what will be copied, made before anybody waits. What turns out to be needed later is made
 * then. */
static bool tpi_make_needed(char *to, const char *from, size_t size, size_t granule) {
    if (granule > TPI_PAGE_BYTES) return tpi_make(to, size);
    size_t first = 0;
    for (size_t at = 0; at < size; at += TPI_PAGE_BYTES) {
        if (!tpi_page_is_zero(from + at)) continue;
        if (!tpi_make(to + first, at - first)) return false;
        first = at + TPI_PAGE_BYTES;
    }
    return first >= size || tpi_make(to + first, size - first);
}

/* Where mremap failed after it had unmapped the old pages (the kernel had no memory for its own tables), the
 * content is in the fresh pages alone, and must come back to its address at any price. */
static bool tpi_rescue(char *at, char *fresh, size_t size) {
    unsigned char there;
    if (syscall(SYS_mincore, at, TPI_PAGE_BYTES, &there) == 0) return false;
    for (;;) {
        if (tpi_mremap(fresh, size, size, at) == at) return true;
        if (tp_raw_mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            at)
            break;
    }
    memcpy(at, fresh, size);
    tp_raw_munmap(fresh, size);
    return true;
}

static bool tpi_exchange(char *at, char *fresh, size_t size, int *error) {
    if (tpi_mremap(fresh, size, size, at) == at) return true;
    *error = errno;
    return tpi_rescue(at, fresh, size);
}

/* A second mapping of the same pages of a file, through which they are given back once nobody sees them. */
static char *tpi_second_view(const struct tpi_tier *from, char *start, size_t size) {
    if (from->backend->memory != TPI_MEMORY_SHARED) return MAP_FAILED;
    return (char *)tpi_mremap(start, 0, size, NULL);
}

static void tpi_drop_view(char *view, size_t size, bool replaced) {
    if (view == MAP_FAILED) return;
    if (replaced) tpi_madvise(view, size, MADV_REMOVE);
    tp_raw_munmap(view, size);
}

struct tpi_sliced tpi_slices_replace(struct tpi_slices *slices, const struct tpi_tier *from,
                                     const struct tpi_tier *to, uintptr_t start, size_t size) {
    struct tpi_sliced sliced = {.stay = TP_STAY_NO_MEMORY};
    char *old = (char *)start;
    tpi_skip(slices, start - slices->at);
    if (!tpi_make_needed(slices->next, old, size, to->granule_bytes)) {
        sliced.error = errno;
        return sliced;
    }
    char *view = tpi_second_view(from, old, size);
    struct tpi_freeze freeze;
    sliced.stay = tpi_freeze_begin(&freeze, old, size, &sliced.error);
    if (sliced.stay == TP_STAY_NONE) {
        tpi_pages_copy(slices->next, old, size);
        bool replaced = tpi_freeze_holds(&freeze) && tpi_exchange(old, slices->next, size, &sliced.error);
        sliced.frozen_ns = tpi_freeze_end(&freeze, replaced);
        if (replaced) {
            slices->next += size;
            slices->at += size;
        } else
            sliced.stay = TP_STAY_FAILED;
    }
    tpi_drop_view(view, size, sliced.stay == TP_STAY_NONE);
    return sliced;
}
