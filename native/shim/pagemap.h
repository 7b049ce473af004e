/* pagemap.h - one byte for each 4 KiB page of the address space: is a tracked allocation's start in it, or is
 * it a slab's, and which tier is the page in. Read without locks from free() and from signal handlers.
 *
 * A filter of counters by address goes with it: small blocks that share a page with a tracked start are
 * common (a stream's buffer lies amid them), and each of their frees would take the slow path.
 *
 * Two levels: address >> 30 picks a leaf of 2^18 bytes; leaves are made when first written to.
 */
#ifndef TP_PAGEMAP_H
#define TP_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPI_PAGE_SHIFT 12
#define TPI_SLAB_SHIFT 16
#define TPI_LEAF_SHIFT 18
#define TPI_TOP_ENTRIES (1u << 17)
#define TPI_STARTS_MASK 0x1fu /* number of tracked starts in the page, saturating below TPI_SLAB_PAGE */
#define TPI_SLAB_PAGE 31u     /* instead of the number: the page is a slab's */
#define TPI_TIER_SHIFT 5      /* tier index in the upper three bits; 0: system */

extern uint8_t *tp_pagemap_top[TPI_TOP_ENTRIES];

/* The leaf that holds the page's byte; NULL: none, or an address outside 47 bits. Async-signal-safe. */
static inline const uint8_t *tp_pagemap_leaf(uintptr_t address) {
    uintptr_t top = address >> (TPI_PAGE_SHIFT + TPI_LEAF_SHIFT);
    if (__builtin_expect(top >= TPI_TOP_ENTRIES, 0)) return NULL;
    return __atomic_load_n(&tp_pagemap_top[top], __ATOMIC_ACQUIRE);
}

static inline uint8_t tpi_pagemap_byte(const uint8_t *leaf, uintptr_t address) {
    return leaf[(address >> TPI_PAGE_SHIFT) & ((1u << TPI_LEAF_SHIFT) - 1)];
}

/* The page's byte; 0 where there is none. Async-signal-safe. */
static inline uint8_t tp_pagemap_get(uintptr_t address) {
    const uint8_t *leaf = tp_pagemap_leaf(address);
    return leaf != NULL ? tpi_pagemap_byte(leaf, address) : 0;
}

/* The number of the bin that objects of the slab at `address` go to: kept beside the bytes, so that free()
 * finds both in the same leaf. */
static inline uint16_t tpi_pagemap_bin(const uint8_t *leaf, uintptr_t address) {
    const uint16_t *bins = (const uint16_t *)(const void *)(leaf + (1u << TPI_LEAF_SHIFT));
    return bins[(address >> TPI_SLAB_SHIFT) &
                ((1u << (TPI_LEAF_SHIFT + TPI_PAGE_SHIFT - TPI_SLAB_SHIFT)) - 1)];
}

#define TPI_FILTER_BITS 20

extern uint8_t tp_pagemap_filter[1u << TPI_FILTER_BITS];

static inline uint8_t *tpi_pagemap_counter(uintptr_t address) {
    return &tp_pagemap_filter[((address >> 4) * 0x9e3779b97f4a7c15ull) >> (64 - TPI_FILTER_BITS)];
}

static inline bool tp_pagemap_is_slab(uintptr_t address) {
    return (tp_pagemap_get(address) & TPI_STARTS_MASK) == TPI_SLAB_PAGE;
}

/* May `address`, in a page with tracked starts, be a tracked start? False is certain. */
static inline bool tp_pagemap_may_start(uintptr_t address) {
    return __atomic_load_n(tpi_pagemap_counter(address), __ATOMIC_RELAXED) != 0;
}

static inline unsigned tp_pagemap_tier(uintptr_t address) {
    return tp_pagemap_get(address) >> TPI_TIER_SHIFT;
}

/* The end of the run of pages from `address` on that are in one tier, or `end`. Address space that a program
 * only sets aside may be of terabytes: what has no leaf is passed over leaf by leaf. Async-signal-safe. */
uintptr_t tp_pagemap_tier_end(uintptr_t address, uintptr_t end);

/* Counts a tracked start at `address` in, or out. Returns 0, or -1 without memory. */
int tp_pagemap_add_start(uintptr_t address);
void tp_pagemap_remove_start(uintptr_t address);

/* Makes the pages of [address, address+size) a slab's, or nobody's again. Their tier stays. */
int tp_pagemap_set_slab(uintptr_t address, size_t size, bool present);

/* Of a slab whose pages are a slab's already. */
void tp_pagemap_set_bin(uintptr_t slab, uint16_t bin);

/* Notes for good that starts are to be expected in the page of `address`. */
int tp_pagemap_expect_starts(uintptr_t address);

/* Sets the tier of all pages that [address, address+size) covers whole or in part. */
int tp_pagemap_set_tier(uintptr_t address, size_t size, unsigned tier);

#endif
