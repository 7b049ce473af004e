/* readable.c - see readable.h. The kernel is asked by copying one byte of the page. */
#include "readable.h"

#include <string.h>
#include <sys/uio.h>

#include "../common/rawio.h"

enum { TPI_REGION_SHIFT = 16, TPI_REGION_BITS = 16, TPI_MAX_REGIONS = 1024, TPI_MAX_PAGES = 1024 };

uint32_t tp_readable_generation = 1;

/* Not 0: any thread remembers a page of a region with this hash. */
static uint8_t tpi_regions[1u << TPI_REGION_BITS];

static uint8_t *tpi_region(uintptr_t region) {
    return &tpi_regions[region * 0x9e3779b97f4a7c15ull >> (64 - TPI_REGION_BITS)];
}

struct tp_readable *tp_readable_get(struct tp_thread *self) {
    uint32_t generation = __atomic_load_n(&tp_readable_generation, __ATOMIC_RELAXED);
    struct tp_readable *known = self->readable;
    if (__builtin_expect(known != NULL && known->generation == generation && known->tid == self->tid, 1))
        return known;
    if (known == NULL) known = self->readable = tp_raw_pages(sizeof *known);
    if (known == NULL) return NULL;
    memset(known->pages, 0, sizeof known->pages);
    known->generation = generation;
    known->tid = self->tid;
    return known;
}

bool tp_readable_ask(struct tp_readable *known, uintptr_t page) {
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)(page << TPI_READABLE_PAGE_SHIFT), 1};
    if (page == 0 || syscall(SYS_process_vm_readv, known->tid, &to, 1ul, &from, 1ul, 0ul) != 1) return false;
    uintptr_t *pair = known->pages[page * 0x9e3779b97f4a7c15ull >> (64 - TPI_READABLE_BITS)];
    pair[1] = pair[0];
    pair[0] = page;
    __atomic_store_n(tpi_region(page >> (TPI_REGION_SHIFT - TPI_READABLE_PAGE_SHIFT)), 1, __ATOMIC_RELAXED);
    return true;
}

static void tpi_drop(struct tp_readable *known, uintptr_t first, uintptr_t last) {
    for (uintptr_t page = first; page <= last; page++) {
        uintptr_t *pair = known->pages[page * 0x9e3779b97f4a7c15ull >> (64 - TPI_READABLE_BITS)];
        for (unsigned i = 0; i < 2; i++)
            if (pair[i] == page) pair[i] = 0;
    }
}

void tp_readable_forget(struct tp_thread *self, uintptr_t start, size_t bytes) {
    uintptr_t first = start >> TPI_REGION_SHIFT, last = (start + bytes) >> TPI_REGION_SHIFT;
    bool known = last - first >= TPI_MAX_REGIONS;
    for (uintptr_t region = first; !known && region <= last; region++)
        known = __atomic_load_n(tpi_region(region), __ATOMIC_RELAXED) != 0;
    if (!known) return;
    uint32_t generation = __atomic_fetch_add(&tp_readable_generation, 1, __ATOMIC_RELAXED);
    struct tp_readable *own = self->readable;
    if (own == NULL || own->generation != generation || bytes >> TPI_READABLE_PAGE_SHIFT > TPI_MAX_PAGES)
        return;
    tpi_drop(own, start >> TPI_READABLE_PAGE_SHIFT, (start + bytes) >> TPI_READABLE_PAGE_SHIFT);
    own->generation = generation + 1;
}

void tp_readable_thread_end(struct tp_thread *self) {
    struct tp_readable *known = self->readable;
    self->readable = NULL;
    if (known != NULL) tp_raw_munmap(known, sizeof *known);
}
