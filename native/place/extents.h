/* extents.h - the free pages of one tier: runs of pages that were mapped and are in no object now.
 *
 * A program that allocates and frees megabytes in a loop meets warm pages in the C library's heap. A tier
 * that went to the kernel each time would charge it for page faults, which is no property of the tier; so
 * freed runs are kept, split and joined, as many as tier.c says. All metadata lies outside the pages. Finding
 * a run, and joining it with its neighbours, does not depend on how many there are.
 */
#ifndef TP_EXTENTS_H
#define TP_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPI_BINS 40 /* bin b: runs of 2^b to 2^(b+1)-1 pages */
#define TPI_KEEP_BYTES                                                                                       \
    ((size_t)64 << 20) /* of free runs, whatever lives; like the C library's largest trim threshold */
#define TPI_KEEP_RUN_BYTES                                                                                   \
    ((size_t)32 << 20) /* larger runs are unmapped at once; its largest mmap threshold */

struct tpi_extent {
    uintptr_t start;
    size_t size;
    uint32_t next, previous; /* in its bin; slot numbers, 0: none */
    bool zeroed;             /* never handed out since the kernel mapped it */
};

struct tpi_extents {
    unsigned owner; /* 1 to 15, different for each tier */
    struct tpi_extent *slots;
    uint32_t slots_used, slot_free;
    uint32_t bins[TPI_BINS];
    size_t free_bytes;
};

/* Callers hold the tier's lock around all of these. Sizes are multiples of the page. */

/* A run of `size` bytes at `align`; NULL: none is free. */
void *tpi_extents_take(struct tpi_extents *extents, size_t size, size_t align, bool *zeroed);

/* Keeps the run for later; false: no room for its metadata, the caller unmaps it. */
bool tpi_extents_give(struct tpi_extents *extents, uintptr_t start, size_t size, bool zeroed);

/* Takes `size` bytes that begin exactly at `start`; false if they are not free. */
bool tpi_extents_take_at(struct tpi_extents *extents, uintptr_t start, size_t size);

/* While more than `keep_bytes` are free, removes one of the largest runs into *start and *size and says true.
 */
bool tpi_extents_evict(struct tpi_extents *extents, size_t keep_bytes, uintptr_t *start, size_t *size);

#endif
