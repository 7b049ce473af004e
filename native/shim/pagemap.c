/* pagemap.c - the pagemap's writers. Leaves are made on first use and never given back. */
#include "pagemap.h"

#include "../common/rawio.h"

#define TPI_LEAF_PAGES (1u << TPI_LEAF_SHIFT)
#define TPI_LEAF_SLABS (1u << (TPI_LEAF_SHIFT + TPI_PAGE_SHIFT - TPI_SLAB_SHIFT))
#define TPI_LEAF_BYTES (TPI_LEAF_PAGES + TPI_LEAF_SLABS * sizeof(uint16_t))

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
    return &leaf[(address >> TPI_PAGE_SHIFT) & (TPI_LEAF_PAGES - 1)];
}

/* Adds 1 or -1 to the counter in the bits of `mask`. One that has reached its end stays there: how many it
 * stands for is not known any more. */
static void tpi_count(uint8_t *counter, uint8_t mask, uint8_t end, int by) {
    uint8_t old = __atomic_load_n(counter, __ATOMIC_RELAXED);
    do {
        if ((old & mask) >= end || (by < 0 && (old & mask) == 0)) return;
    } while (!__atomic_compare_exchange_n(counter, &old, (uint8_t)(old + by), true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

int tp_pagemap_add_start(uintptr_t address) {
    uint8_t *page = tpi_page(address);
    if (page == NULL) return -1;
    tpi_count(tpi_pagemap_counter(address), UINT8_MAX, UINT8_MAX, 1);
    tpi_count(page, TPI_STARTS_MASK, TPI_SLAB_PAGE - 1, 1);
    return 0;
}

int tp_pagemap_expect_starts(uintptr_t address) {
    uint8_t *page = tpi_page(address);
    if (page == NULL) return -1;
    uint8_t old = __atomic_load_n(page, __ATOMIC_RELAXED);
    while ((old & TPI_STARTS_MASK) < TPI_SLAB_PAGE - 1 &&
           !__atomic_compare_exchange_n(page, &old, (uint8_t)(old | TPI_STARTS_MASK) - 1, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
    return 0;
}

void tp_pagemap_remove_start(uintptr_t address) {
    uint8_t *page = tpi_page(address);
    if (page == NULL) return;
    tpi_count(page, TPI_STARTS_MASK, TPI_SLAB_PAGE - 1, -1);
    tpi_count(tpi_pagemap_counter(address), UINT8_MAX, UINT8_MAX, -1);
}

/* Replaces the bits of `mask`; the others may change meanwhile. */
static void tpi_replace(uint8_t *page, uint8_t mask, uint8_t bits) {
    uint8_t old = __atomic_load_n(page, __ATOMIC_RELAXED);
    while ((old & mask) != bits && /* mostly it is what it was, and a load is enough */
           !__atomic_compare_exchange_n(page, &old, (uint8_t)((old & ~mask) | bits), true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
}

int tp_pagemap_set_slab(uintptr_t address, size_t size, bool present) {
    const uintptr_t page_bytes = 1u << TPI_PAGE_SHIFT;
    for (uintptr_t at = address; at < address + size; at += page_bytes) {
        uint8_t *page = tpi_page(at);
        if (page == NULL) return -1;
        tpi_replace(page, TPI_STARTS_MASK, present ? TPI_SLAB_PAGE : 0);
    }
    return 0;
}

void tp_pagemap_set_bin(uintptr_t slab, uint16_t bin) {
    uint8_t *leaf = tp_pagemap_top[slab >> (TPI_PAGE_SHIFT + TPI_LEAF_SHIFT)];
    uint16_t *bins = (uint16_t *)(void *)(leaf + TPI_LEAF_PAGES);
    __atomic_store_n(&bins[slab >> TPI_SLAB_SHIFT & (TPI_LEAF_SLABS - 1)], bin, __ATOMIC_RELEASE);
}

uintptr_t tp_pagemap_tier_end(uintptr_t address, uintptr_t end) {
    const uintptr_t page_bytes = 1u << TPI_PAGE_SHIFT, leaf_bytes = page_bytes << TPI_LEAF_SHIFT;
    unsigned tier = tp_pagemap_tier(address);
    uintptr_t at = (address & ~(page_bytes - 1)) + page_bytes; /* never back, whatever another thread does */
    while (at < end) {
        const uint8_t *leaf = tp_pagemap_leaf(at);
        uintptr_t leaf_end = (at | (leaf_bytes - 1)) + 1;
        if (leaf_end > end) leaf_end = end;
        if (leaf == NULL && tier != 0) return at;
        if (leaf == NULL) at = leaf_end;
        for (; at < leaf_end; at += page_bytes)
            if (tpi_pagemap_byte(leaf, at) >> TPI_TIER_SHIFT != tier) return at;
    }
    return end;
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
        tpi_replace(page, (uint8_t)~TPI_STARTS_MASK, (uint8_t)(tier << TPI_TIER_SHIFT));
    }
    return 0;
}
