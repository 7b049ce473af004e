/* pagemap.c - the pagemap's writers. Leaves are made on first use and never given back. */
#include "pagemap.h"

#include "../common/rawio.h"

#define TPI_LEAF_BYTES (1u << TPI_LEAF_SHIFT)

uint8_t *tp_pagemap_top[TPI_TOP_ENTRIES];
uint8_t tp_pagemap_filter[1u << TPI_FILTER_BITS];

/* The byte for the page, its leaf made if need be; NULL outside 47 bits or without memory. */
static uint8_t *tpi_page(uintptr_t address) {
    uintptr_t top = address >> (TPI_PAGE_SHIFT + TPI_LEAF_SHIFT);
    if (top >= TPI_TOP_ENTRIES) return NULL;
    uint8_t *leaf = __atomic_load_n(&tp_pagemap_top[top], __ATOMIC_ACQUIRE);
    if (leaf == NULL) {
        uint8_t *fresh = tp_raw_pages(TPI_LEAF_BYTES);
        if (fresh == NULL) return NULL;
        if (__atomic_compare_exchange_n(&tp_pagemap_top[top], &leaf, fresh, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            leaf = fresh;
        else
            tp_raw_munmap(fresh, TPI_LEAF_BYTES);
    }
    return &leaf[(address >> TPI_PAGE_SHIFT) & (TPI_LEAF_BYTES - 1)];
}

/* Adds 1 or -1 to the counter in the bits of `mask`. One that has reached its end stays there: how many it
 * stands for is not known any more. */
static void tpi_count(uint8_t *counter, uint8_t mask, int by) {
    uint8_t old = __atomic_load_n(counter, __ATOMIC_RELAXED);
    do {
        if ((old & mask) == mask || (by < 0 && (old & mask) == 0)) return;
    } while (!__atomic_compare_exchange_n(counter, &old, (uint8_t)(old + by), true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

int tp_pagemap_add_start(uintptr_t address) {
    uint8_t *page = tpi_page(address);
    if (page == NULL) return -1;
    tpi_count(tpi_pagemap_counter(address), UINT8_MAX, 1);
    tpi_count(page, TPI_STARTS_MASK, 1);
    return 0;
}

void tp_pagemap_remove_start(uintptr_t address) {
    uint8_t *page = tpi_page(address);
    if (page == NULL) return;
    tpi_count(page, TPI_STARTS_MASK, -1);
    tpi_count(tpi_pagemap_counter(address), UINT8_MAX, -1);
}

int tp_pagemap_set_tier(uintptr_t address, size_t size, unsigned tier) {
    const uintptr_t page_bytes = 1u << TPI_PAGE_SHIFT;
    for (uintptr_t at = address & ~(page_bytes - 1); at < address + size; at += page_bytes) {
        /* A page without a leaf is in the system's tier already. */
        uintptr_t top = at >> (TPI_PAGE_SHIFT + TPI_LEAF_SHIFT);
        if (tier == 0 && top < TPI_TOP_ENTRIES && tp_pagemap_top[top] == NULL) {
            at = ((top + 1) << (TPI_PAGE_SHIFT + TPI_LEAF_SHIFT)) - page_bytes;
            continue;
        }
        uint8_t *page = tpi_page(at);
        if (page == NULL) return -1;
        uint8_t old = __atomic_load_n(page, __ATOMIC_RELAXED), next;
        do {
            next = (uint8_t)((old & TPI_STARTS_MASK) | (tier << TPI_TIER_SHIFT));
        } while (!__atomic_compare_exchange_n(page, &old, next, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    }
    return 0;
}
